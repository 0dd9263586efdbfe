"""Pages show no absolute path of the machine that made them."""

import tempfile

import pytest

from recomart_lib.core import machine_paths, paths

TEMP = tempfile.gettempdir()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{root}/params.yaml: line 3", "params.yaml: line 3"),
        ("see '{root}/data/raw/x.parquet'.", "see 'data/raw/x.parquet'."),
        ("{root}-2/data", "…/data"),  # another project beside it
        ("{temp}/shop/users.csv", "…/users.csv"),
        ("source: {temp}/shop/  # folder", "source: …/shop/  # folder"),
        ("[Errno 2] No such file: '{temp}/a/b.lock').", "[Errno 2] No such file: '…/b.lock')."),
        ("<td>{temp}/a.csv</td>", "<td>…/a.csv</td>"),
        (r"C:\Users\me\shop.csv", "…/shop.csv"),
        ("https://shop.example{temp}/a/b", "https://shop.example{temp}/a/b"),
        ("GET /api/v1/users and/or 3/4", "GET /api/v1/users and/or 3/4"),
        ("notebooks{temp}/x", "notebooks{temp}/x"),
    ],
)
def test_absolute_paths_are_shortened(text, shown, tmp_path, monkeypatch):
    root = tmp_path / "project"
    monkeypatch.setattr(paths, "root", lambda: root)
    fill = {"root": str(root), "temp": TEMP}
    assert machine_paths.hide(text.format(**fill)) == shown.format(**fill)


def test_a_project_in_the_root_folder_keeps_every_slash(monkeypatch):
    monkeypatch.setattr(paths, "root", lambda: "/")
    assert machine_paths.hide("1/2, data/raw/x") == "1/2, data/raw/x"
