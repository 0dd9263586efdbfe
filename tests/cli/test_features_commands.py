"""`recomart features`: definitions, online values and registration history."""

from __future__ import annotations

import pytest
from store_data import new_root, write

from recomart_lib.features import definitions, feature_store


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = new_root(tmp_path_factory.mktemp("cli"))
    (folder / "params.yaml").write_text("base: {shop: simulated}\n")
    write(folder)
    feature_store.apply(**feature_store.provenance(folder), root=folder)
    feature_store.materialise(root=folder)
    return folder


@pytest.fixture(autouse=True)
def here(root, monkeypatch):
    monkeypatch.setenv("RECOMART_ROOT", str(root))


@pytest.fixture
def output_of(call):
    """output_of("show") -> what `recomart features show` printed."""

    def run(*words: str) -> str:
        status, out, complaint = call("features", *words)
        assert status == 0, complaint
        return out

    return run


def test_show_lists_all_features_or_describes_one(output_of):
    everything = output_of("show")
    assert all(d.name in everything for d in definitions.DEFINITIONS)
    one = output_of("show", "user.order_interval_days")
    assert "(last order - first order) / (orders - 1)" in one
    assert "recommender_v2" in one
    assert "recommender_v1" not in one


def test_get_shows_a_user_and_the_purchase_history(output_of):
    text = output_of("get", "--user", "u4")
    assert "2024-02-01" in text
    assert "i4" in text
    one = output_of("get", "--user", "u4", "--item", "i2")
    assert "i2" in one
    assert "i4" not in one
    assert output_of("get", "--user", "u4", "--item", "i2", "--item", "i2") == one
    assert "Unknown user 'ghost'" in output_of("get", "--user", "ghost")


def test_history_and_diff(output_of):
    assert "data1" in output_of("history")
    text = output_of("diff", "recommender_v1", "recommender_v2")
    assert "added" in text
    assert "have the same" in output_of("diff", "recommender_v1", "recommender_v1")


def test_apply_prints_what_is_registered(output_of):
    text = output_of("apply")
    assert "user: 28 features" in text
    assert "recommender_v1, recommender_v2" in text
    assert "data1" in text


def test_applying_again_changes_nothing(output_of, root):
    registry = root / "data/feature_store/feature_store.db"
    before = registry.read_bytes()
    output_of("apply")
    assert registry.read_bytes() == before


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (("get", "--user", "u1"), "The online store is empty"),
        (("history",), "Nothing is registered yet"),
        (("diff", "recommender_v1", "recommender_v2"), "Nothing is registered yet"),
        (("apply",), "no features were computed yet"),
    ],
    ids=["get", "history", "diff", "apply"],
)
def test_before_the_first_run_each_command_says_what_to_run_and_writes_nothing(
    call, tmp_path, monkeypatch, command, hint
):
    folder = new_root(tmp_path)
    (folder / "params.yaml").write_text("base: {shop: simulated}\n")
    monkeypatch.setenv("RECOMART_ROOT", str(folder))
    status, _, complaint = call("features", *command)
    assert status == 1
    assert hint in complaint
    assert "Run: dvc repro" in complaint
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (("show", "ordercount"), "Did you mean 'order_count'"),
        (("diff", "recommender_v1", "recommender_v7"), "Did you mean 'recommender_v"),
        (("get", "--user", "u4", "--service", "recommendr_v2"), "Did you mean 'recommender_v2'"),
    ],
    ids=["feature", "version", "service"],
)
def test_wrong_names_suggest_similar_ones(call, command, hint):
    status, _, complaint = call("features", *command)
    assert status == 1
    assert hint in complaint
