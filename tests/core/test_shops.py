"""Shop files: ours are valid, and every mistake is reported in one sentence."""

from __future__ import annotations

import copy

import pytest
from conftest import DECLARED, ROOT

from recomart_lib.core import shops
from recomart_lib.core.errors import UserError


def changed(path: str, value: object) -> dict:
    """The tiny shop's top-level key with one nested value changed (None: removed)."""
    content = copy.deepcopy(DECLARED)
    *parents, key = path.split("/")
    place = content
    for parent in parents:
        place = place.setdefault(parent, {})
    if value is None:
        del place[key]
    else:
        place[key] = value
    return {path.split("/")[0]: content.get(path.split("/")[0])}


@pytest.mark.parametrize("path", sorted((ROOT / "shops").glob("*.yaml")), ids=lambda path: path.stem)
def test_our_shops_are_valid(path):
    shop = shops.read(path)
    assert shop.name == path.stem
    assert shop.delivered[-1] == "events"


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("currencey", "EUR", "currencey: unknown key. Did you mean 'currency'?"),
        ("time_zone", False, "not a time zone; write it like Europe/London"),
        ("time_zone", "Europe/Londn", "not a time zone; write it like Europe/London"),
        ("cut", "1.11.2011", "write a day, like 2011-11-01, or auto"),
        ("horizon_days", 0, "horizon_days"),
        ("relevant_events", [], "relevant_events"),
        ("relevant_events", ["return"], "relevant_events.0: Input should be 'view', 'cart', 'purchase' or 'rating'"),
        ("tables/events/kind", "xml", "tables.events.kind: Input should be 'csv', 'json'"),
        ("tables/events/separater", ";", "tables.events.separater: unknown key. Did you mean 'separator'?"),
        ("tables/events/separator", ";;", "tables.events.separator"),
        ("tables/events/kind", "rest", "api is required: a table of kind rest needs its url"),
        ("api", {"url": "ftp://x"}, "api.url: String should match pattern"),
        ("api", {"url": "http://x", "auth": {"token": "x"}}, "api.auth.token: unknown key"),
        ("api", {"url": "http://x", "pagination": {"style": "pages"}}, "api.pagination.style: Input should be 'page'"),
        ("tables/events/ambiguous_times", "both", "tables.events.ambiguous_times: Input should be 'first'"),
        (
            "tables/events/groups",
            {"x": {"column": "price", "starts_with": "C", "meaning": "m"}},
            "tables.events.groups.x.column: 'price' is not a mapped text column",
        ),
        ("tables/events/encoding", "latin-99", "Python does not support this encoding"),
        ("tables/events/path", "", "`path` must be relative to the folder SOURCE; '' is not"),
        ("tables/events/path", "/data/*.csv", "`path` must be relative to the folder SOURCE; '/data/*.csv' is not"),
        ("tables/events/path", "../x.csv", "`path` must stay in the folder SOURCE; '../x.csv' leads out of a folder"),
        ("tables/events/path", "a/../../x.csv", "`path` must stay in the folder SOURCE"),
        ("tables/events/path", "*/../../*.csv", "`path` must stay in the folder SOURCE"),
        ("tables/events/path", "..\\x.csv", "`path` must stay in the folder SOURCE"),
        ("tables/events/path", None, "every other kind needs one"),
        (
            "api",
            {"url": "http://x", "auth": {"env": "RECOMART_X"}},
            "api: `url` must begin with https://",
        ),
        ("api", {"url": "http://127.0.0.1.x", "auth": {"env": "RECOMART_X"}}, "must begin with https://"),
        ("api", {"url": "https://x", "auth": {"env": "RECOMART_ROOT"}}, "own variables are not sent to anyone"),
        ("api", {"url": "https://x", "auth": {"env": "RECOMART_WEBHOOK"}}, "own variables are not sent to anyone"),
        (
            "api",
            {"url": "https://x", "auth": {"env": "RECOMART_X", "header": "A: b"}},
            "api.auth.header: String should",
        ),
        ("api", {"url": "https://x", "auth": {"env": "RECOMART_X", "prefix": "a\r\nB: "}}, "api.auth.prefix: String"),
        ("api", {"url": "https://x", "auth": {"env": "A=B"}}, "api.auth.env: the name of an environment variable has"),
        (
            "fetch",
            {"page": "https://x", "url": "https://x/%2e%2e", "sha256": "0" * 64},
            "must end with the name of a file",
        ),
        (
            "fetch",
            {"page": "https://x", "url": "https://x/a%00", "sha256": "0" * 64},
            "must end with the name of a file",
        ),
        ("tables/events/kind", "derived", "a derived table has none"),
        ("tables/events/columns/timestamp", None, "tables.events.columns.timestamp: required"),
        ("tables/events/columns/event_type", None, "tables.events.columns.event_type: required"),
        ("tables/users/columns/user_id", None, "tables.users.columns.user_id: required"),
        ("tables/events/columns/quantiti", "n", "columns.quantiti: not a column of events. Did you mean 'quantity'?"),
        ("tables/events/event_values", {"buy": "bought"}, "tables.events.event_values.buy"),
        ("tables/events/thousands", "_", "tables.events.thousands: Input should be"),
        ("tables/events/thousands", ".", "`thousands` and `decimal` cannot both be '.'"),
        ("tables/events/currency_sign", "", "tables.events.currency_sign: write the sign as prices have it"),
        ("tables/events/currency_sign", " $", "tables.events.currency_sign: write the sign as prices have it"),
        ("tables/events/currency_sign", "-", "and no digit, plus, minus or bracket"),
        ("tables/events/currency_sign", "1", "and no digit, plus, minus or bracket"),
        ("tables/events/currency_sign", ",", 'is a symbol or letters, like "$"'),
        ("tables/users/currency_sign", "$", "tables.users.currency_sign: only items and events have prices"),
        ("tables/events/skip_lines", -1, "tables.events.skip_lines: Input should be greater than or equal to 0"),
        ("tables/events/skip_lines", 1.5, "tables.events.skip_lines: Input should be a valid integer"),
        ("tables/items", {"kind": "json", "path": "x", "skip_lines": 1}, "`skip_lines` is for tables of kind csv and"),
        ("tables/items", {"kind": "derived", "skip_lines": 1}, "tables.items.skip_lines: no effect on a derived"),
        ("tables/items", {"kind": "derived", "currency_sign": "$"}, "tables.items.currency_sign: no effect on a"),
        ("tables/items/flags", {"sort": ["a", "b"]}, "tables.items.flags.sort: no entry of `columns` uses it."),
        ("tables/items/flags", {"kind": []}, "tables.items.flags.kind: List should have at least 1 item"),
        ("tables/users/values", {"ages": {"old": "99"}}, "tables.users.values.ages: not a mapped column. Did you mean"),
        ("tables/items", {"kind": "derived", "nulls": ["-"]}, "tables.items.nulls: no effect on a derived table"),
        ("tables/events/columns/price", {"totals": "x"}, "columns.price: write the delivered column, or {total:"),
        ("tables/items/columns/price", {"total": "x"}, "items.columns.price: only lines of events have a total"),
        ("tables/events/exclude", {"guest": {"missing": "age", "reason": "x"}}, "'age' is not a mapped column"),
        ("tables/events/exclude", {"x": {"reason": "x"}}, "say which rows: either `missing` (a column"),
        ("tables/events/exclude", {"x": {"missing": "price", "since": "2024-01-01", "reason": "x"}}, "say which rows"),
        (
            "tables/events/exclude",
            {"x": {"since": "1.1.2024", "reason": "x"}},
            "exclude.x.since: write a day in quotes",
        ),
        ("tables/users/exclude", {"x": {"since": "2024-01-01", "reason": "x"}}, "x.since: only events have a time"),
        ("tables/events/exclude", {"guest": {"missing": "user_id"}}, "exclude.guest.reason: this key is required"),
        ("tables/events/equal_lines", "keep", "equal_lines: Input should be 'sales' or 'repeats'"),
        ("tables/events/equal_lines", "repeats", "equal_lines: `columns` maps an event_id, which says which events"),
        ("tables/items/equal_lines", "sales", "tables.items.equal_lines: only events have it"),
        ("tables/events/complete", False, "tables.events.complete: only for users and items that are delivered"),
        ("tables/events/columns/valid_from", "at", "columns.valid_from: not a column of events."),
        ("tables/users/columns/stock", "n", "columns.stock: not a column of users."),
        ("tables/items/columns/stok", "n", "columns.stok: not a column of items. Did you mean 'stock'?"),
        ("tables/events", None, "tables.events is required"),
        ("tables/orders", {"kind": "csv"}, "tables.orders"),
    ],
)
def test_a_mistake_is_reported_with_its_location(tmp_path, tiny_shop, path, value, complaint):
    with pytest.raises(UserError) as caught:
        tiny_shop(tmp_path, **changed(path, value))
    assert complaint in str(caught.value)
    assert "tiny.yaml: " in str(caught.value)


@pytest.mark.parametrize("missing", ["title", "currency", "time_zone", "simulated", "cut", "tables"])
def test_a_missing_key_is_reported(tmp_path, tiny_shop, missing):
    path = tiny_shop(tmp_path).file
    path.write_text("\n".join(f"{key}: {value!r}" for key, value in DECLARED.items() if key != missing))
    with pytest.raises(UserError, match=f"{missing}: this key is required and missing"):
        shops.read(path)


@pytest.mark.parametrize("address", ["https://me:hidden@x", "http://me:hidden@localhost", "me:hidden@x", "hidden@x"])
@pytest.mark.parametrize("key", ["api.url", "fetch.page", "fetch.url"])
def test_no_address_has_a_login(tmp_path, tiny_shop, key, address):
    """It would be copied to data/shop.json, data/runs and Git."""
    section, _, name = key.partition(".")
    others = {"page": "https://x", "url": "https://x/a", "sha256": "0" * 64} if section == "fetch" else {}
    with pytest.raises(UserError, match=f"{section}: `{name}`: a login must not be part of an address") as refused:
        tiny_shop(tmp_path, **{section: others | {name: address}})
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://x", "http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"])
def test_secrets_go_over_https_or_to_this_computer(tmp_path, tiny_shop, url):
    assert tiny_shop(tmp_path, api={"url": url, "auth": {"env": "RECOMART_X"}}).shop.api.auth.env == "RECOMART_X"


def test_a_shop_file_may_name_variables_of_recomart_or_those_in_params_yaml(tmp_path, tiny_shop):
    own, other = ({"url": "https://x", "auth": {"env": name}} for name in ("RECOMART_KEY", "AWS_SECRET_ACCESS_KEY"))
    shops.check_auth(tiny_shop(tmp_path / "a").shop, [])
    shops.check_auth(tiny_shop(tmp_path / "b", api=own).shop, [])
    foreign = tiny_shop(tmp_path / "c", api=other).shop
    with pytest.raises(UserError, match="names AWS_SECRET_ACCESS_KEY, which may be a secret of another program"):
        shops.check_auth(foreign, ["AWS_SECRET"])
    shops.check_auth(foreign, ["AWS_SECRET_ACCESS_KEY"])


def test_an_unknown_shop_gets_a_suggestion(monkeypatch):
    monkeypatch.setenv("RECOMART_ROOT", str(ROOT))
    with pytest.raises(UserError, match=r"there is no shops/online_retial.yaml. Did you mean 'online_retail'\?"):
        shops.load("online_retial")


def test_tables_that_are_not_declared_are_derived(tmp_path, tiny_shop):
    shop = tiny_shop(tmp_path, **changed("tables/users", None)).shop
    assert shop.table("users").kind == "derived"
    assert shop.delivered == ["items", "events"]


def test_a_shop_survives_being_written_out(tmp_path, tiny_shop):
    """Keys with their defaults are no mistakes, whatever table they belong to."""
    shop = tiny_shop(tmp_path).shop
    assert shops.Shop.model_validate(shop.model_dump()) == shop
