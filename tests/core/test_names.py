"""Names of which paths are made: none leads out of its folder, wherever it comes from."""

from __future__ import annotations

import pytest

from recomart.project.params import Params
from recomart_lib.core import config, names, paths, shops
from recomart_lib.core.errors import UserError

BAD = {
    "parent": "../../outside/evil",
    "folder": "a/b",
    "backslash": "a\\b",
    "absolute": "/etc/passwd",
    "empty": "",
    "point": ".",
    "points": "..",
    "inner points": "a..b",
    "hidden": ".a",
    "option": "-a",
    "space": "a b",
    "letter": "müller",
    "digit": "\u0661",
    "line": "a\n",
    "nul": "a\x00",
    "pattern": "*",
    "variable": "${HOME}",
    "long": "a" * 201,
}
bad_names = pytest.mark.parametrize("name", BAD.values(), ids=BAD)


@pytest.mark.parametrize("name", ["simulated", "a", "_a", "7", "online-retail.v2", "recomart.events", "a" * 200])
def test_plain_names(name):
    assert names.check(name, "x") == name


@bad_names
def test_other_names_are_refused_in_one_sentence(name):
    with pytest.raises(UserError, match=r"^base\.shop: .* is not a name: a name has at most") as refused:
        names.check(name, "base.shop")
    assert len(str(refused.value)) < 500


@bad_names
def test_no_shop_file_is_opened_under_another_name(tmp_path, monkeypatch, name):
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path / "project"))
    monkeypatch.setattr(shops, "read_yaml", lambda path: pytest.fail(f"{path} was opened"))
    with pytest.raises(UserError, match="is not a name"):
        shops.load(name)


@bad_names
@pytest.mark.parametrize(("section", "key"), [("base", "shop"), ("stream", "topic"), ("stream", "dead_letter_topic")])
def test_params_yaml_and_the_launchpad_refuse_them(section, key, name):
    with pytest.raises(UserError, match=rf"{section}\.{key}: a name has at most"):
        config.validated(Params, {section: {key: name}}, paths.Path("params.yaml"))


def test_a_shop_file_may_be_a_link_in_its_folder_but_not_out_of_it(tmp_path, tiny_shop, monkeypatch):
    file = tiny_shop(tmp_path).file
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    (tmp_path / "shops" / "other.yaml").symlink_to(tmp_path / "shops" / file.name)
    assert shops.load("other").name == "other"
    outside = tmp_path / "outside.yaml"
    (tmp_path / "shops" / file.name).replace(outside)
    (tmp_path / "shops" / file.name).symlink_to(outside)
    with pytest.raises(UserError, match=r"tiny\.yaml is a link to .*outside\.yaml, which is not in shops/"):
        shops.load("tiny")


def test_the_name_of_a_shop_file_is_a_name(tmp_path, tiny_shop):
    file = tiny_shop(tmp_path).file
    with pytest.raises(UserError, match=r"the shop has the name of its file: 'my shop' is not a name"):
        shops.read(file.rename(file.with_name("my shop.yaml")))
