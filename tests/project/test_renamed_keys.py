"""Old keys of params.yaml get an error that names the new key."""

from __future__ import annotations

import pytest
import yaml
from conftest import ROOT

from recomart.project import params, renamed_keys
from recomart_lib.core.errors import UserError

DELIVERED = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("old", "new"), renamed_keys.RENAMED.items())
def test_an_old_key_is_refused_with_its_new_name(tmp_path, old, new):
    section, key = old.split(".")
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({**DELIVERED, section: {**DELIVERED[section], key: 5}}), encoding="utf-8")
    with pytest.raises(UserError) as error:
        params.load(path)
    assert str(error.value) == f"{path}: 1 renamed key(s); use the new names:\n  {old}: renamed to {new}."


@pytest.mark.parametrize("new", renamed_keys.RENAMED.values())
def test_the_new_key_exists(new):
    content = DELIVERED
    for part in new.split("."):
        assert part in content
        content = content[part]


def test_all_old_keys_are_reported_together():
    with pytest.raises(UserError, match=r"2 renamed key\(s\)"):
        renamed_keys.check({"prepare": {"n_lessons": 4}, "train": {"n_taught_users": 9}}, ROOT / "params.yaml")


def test_other_content_passes():
    for content in ({}, {"prepare": None}, {"train": [1]}, DELIVERED):
        renamed_keys.check(content, ROOT / "params.yaml")
