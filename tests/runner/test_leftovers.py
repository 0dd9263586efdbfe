"""What a killed stage leaves half done is deleted by the next."""

from __future__ import annotations

from pathlib import Path

from recomart.runner import leftovers

PART = ".users.parquet.0123456789abcdef0123456789abcdef.part"


def test_unfinished_files_and_scratch_folders_are_deleted_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    gone = [f"data/raw/source=x/{PART}", f"data/history/{PART}", f"reports/{PART}", "data/.scratch/tmp1/a.parquet"]
    gone += ["reports/.scratch/tmp2/a.ipynb", "data/runs/.scratch/tmp3/run.json"]
    kept = [
        f"data/source/x/{PART}",
        f"data/streaming/{PART}",
        f"data/repair/{PART}",
        "data/raw/source=x/a.parquet",
        "data/raw/.hidden.part",
    ]
    kept += ["data/raw/users.csv.part", f"docs/{PART}", "reports/index.html"]
    for name in [*gone, *kept]:
        Path(tmp_path, name).parent.mkdir(parents=True, exist_ok=True)
        Path(tmp_path, name).touch()
    leftovers.remove()
    assert [name for name in gone if (tmp_path / name).exists()] == []
    assert [name for name in kept if not (tmp_path / name).exists()] == []


def test_a_project_without_data_has_no_leftovers(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    leftovers.remove()
    assert list(tmp_path.iterdir()) == []
