"""The shop's rules on small lists: worked by hand, and what must hold for any rules and lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart_lib.core.schemas import RANKED_LISTS
from recomart_lib.core.shop_lists import Days, Lists, Products
from recomart_lib.lists import hard_filters, rules
from recomart_lib.lists.catalogue import Context, long_tail

AT = datetime(2026, 1, 31, tzinfo=UTC)
IDS = [f"i{number}" for number in range(12)]
CATALOGUE = pl.DataFrame(
    {
        "item_id": IDS,
        "category": [("tea", "cup", "unknown")[number % 3] for number in range(12)],
        "brand": [("x", "y", None, "z")[number % 4] for number in range(12)],
        "available": [number != 4 for number in range(12)],
        "stock": [None if number == 5 else float(number) for number in range(12)],
    }
)
BOUGHT = [("u", "i0", 1), ("u", "i1", 20), ("v", "i0", 2), ("v", "i3", 3), ("w", "i2", 40)]


def context() -> Context:
    """`BOUGHT`: user, product, and how many days ago."""
    user, item, days = zip(*BOUGHT, strict=True)
    moments = [AT - timedelta(days=number) for number in days]
    pairs = {"user_id": user, "item_id": item, "n_relevant": 1, "last_relevant_timestamp": moments}
    return Context(CATALOGUE, pl.DataFrame(pairs), AT)


def pool(**lists: str) -> pl.DataFrame:
    """`pool(u="310")`: the products i3, i1 and i0, best first."""
    rows = [
        (user, f"i{number}", 10.0 - place, place + 1, "als")
        for user, numbers in sorted(lists.items())
        for place, number in enumerate(numbers)
    ]
    return pl.DataFrame(rows, schema=RANKED_LISTS, orient="row")


FALLBACK = pool(anybody="0123456789").drop("user_id").with_columns(model=pl.lit("recent_popularity"))


def shown(rules_of_shop: Lists, k: int = 3, **lists: str) -> dict[str, str]:
    """User -> the numbers of the products in the list."""
    applied = rules.apply(rules_of_shop, pool(**lists), FALLBACK, context(), k).lists
    grouped = applied.group_by("user_id", maintain_order=True).agg(pl.col("item_id").str.slice(1))
    return {user: "".join(items) for user, items in grouped.iter_rows()}


def test_blocked_products_make_room_for_the_next_ones():
    assert shown(Lists(block=Products(items=["i1"])), u="3104", v="0567") == {"u": "304", "v": "056"}


def test_only_allowed_products_are_shown_and_the_fallback_fills():
    assert shown(Lists(allow=Products(categories=["tea"])), u="310") == {"u": "306"}


def test_a_product_whose_stock_is_unknown_is_not_in_stock():
    assert shown(Lists(only_in_stock=True), u="0523") == {"u": "231"}
    assert shown(Lists(only_available=True), u="4523") == {"u": "523"}


def test_days_since_the_purchase_may_differ_by_category():
    assert shown(Lists(not_bought_within_days=Days(default=10)), u="0123") == {"u": "123"}
    by_category = Days(default=None, category={"cup": 30})
    assert shown(Lists(not_bought_within_days=by_category), u="0123") == {"u": "023"}


def test_only_new_products():
    assert shown(Lists(only_new=True), u="0123") == {"u": "234"}


def test_at_most_n_of_a_category_but_unknown_ones_are_not_alike():
    assert shown(Lists(max_per_category=1), k=4, u="036258") == {"u": "0258"}
    assert shown(Lists(max_per_brand=1), u="04812") == {"u": "012"}


def test_pinned_products_are_at_their_places():
    assert shown(Lists(pinned={2: "i7"}), u="310", v="075") == {"u": "371", "v": "075"}


def test_the_long_tail_gets_its_share():
    assert set(long_tail(context())) == set(IDS) - {"i0", "i1", "i2"}
    assert shown(Lists(min_long_tail_share=0.5), k=4, u="012345") == {"u": "0134"}


def test_products_without_events_come_last_and_share_a_fact_with_the_history():
    # i9 has the category of i0 and the brand of i1; i6 and i8 have one of them
    assert shown(Lists(max_cold_share=0.4), u="345") == {"u": "349"}
    assert shown(Lists(max_cold_share=0.3), u="345") == {"u": "345"}


def test_who_ranks_a_product_best_is_shown_it():
    assert shown(Lists(max_share_of_users=0.5), k=1, u="10", v="01", w="012") == {"u": "1", "v": "0", "w": "2"}


def test_diversity_prefers_what_others_choose():
    # i0 and i3 have a user in common, i2 has none with them
    assert shown(Lists(), k=2, u="032") == {"u": "03"}
    assert shown(Lists(diversity=1.0), k=2, u="032") == {"u": "02"}


def test_counts_say_what_each_rule_did():
    applied = rules.apply(
        Lists(block=Products(items=["i3"]), pinned={1: "i7"}), pool(u="310", v="345"), FALLBACK, context(), 3
    )
    assert applied.counts.rows() == [
        ("blocked products", 2, 0, None, None),
        ("pinned products", 0, 2, None, None),
        ("all rules", 2, 2, 0, 0),
    ]
    assert (applied.top_share_before, applied.top_share) == (1.0, 1.0)


def test_filled_and_short_lists_are_counted():
    applied = rules.apply(Lists(allow=Products(items=["i3", "i9"])), pool(u="310"), FALLBACK, context(), 3)
    assert applied.lists.get_column("model").to_list() == ["als", "recent_popularity"]
    assert applied.counts.row(-1) == ("all rules", 2, 1, 1, 1)


def test_no_rules_are_the_lists_of_the_model_to_the_byte():
    lists = pool(u="3104", v="056")
    for empty in (Lists(), Lists(block=Products(), not_bought_within_days=Days(), diversity=0.0)):
        assert rules.apply(empty, lists, FALLBACK, context(), 3).lists.equals(lists.filter(pl.col("rank") <= 3))


USER_LISTS = st.dictionaries(
    st.sampled_from("uvwxyz"), st.permutations("0123456789").map(lambda order: "".join(order[:7])), min_size=1
)
SHOP_RULES = st.builds(
    Lists,
    block=st.builds(Products, items=st.lists(st.sampled_from(IDS), max_size=3), categories=st.just([])),
    only_in_stock=st.booleans(),
    only_new=st.booleans(),
    not_bought_within_days=st.builds(Days, default=st.sampled_from([None, 5.0, 30.0])),
    pinned=st.dictionaries(st.integers(1, 2), st.sampled_from(["i7", "i8"])).filter(
        lambda p: len({*p.values()}) == len(p)
    ),
    max_share_of_users=st.sampled_from([1.0, 0.5, 0.2]),
    max_per_category=st.sampled_from([None, 1, 2]),
    max_per_brand=st.sampled_from([None, 1]),
    min_long_tail_share=st.sampled_from([0.0, 0.5, 1.0]),
    max_cold_share=st.sampled_from([0.0, 0.5]),
    diversity=st.sampled_from([0.0, 0.5]),
)


@settings(deadline=None, max_examples=60)
@given(USER_LISTS, SHOP_RULES)
def test_no_rule_is_broken_and_no_list_could_be_longer(lists, of_shop):
    known, k = context(), 4
    applied = rules.apply(of_shop, pool(**lists), FALLBACK, known, k).lists
    excluded = pl.concat([pl.Series([], dtype=pl.String), *hard_filters.excluded_items(of_shop, CATALOGUE).values()])
    pairs = {row for table in hard_filters.excluded_pairs(of_shop, known).values() for row in table.iter_rows()}
    most = rules.max_users(of_shop, len(lists))
    times = dict(applied.filter(pl.col("model") != rules.SHOP).group_by("item_id").len().iter_rows())
    assert max(times.values(), default=0) <= most
    facts = {row["item_id"]: row for row in CATALOGUE.to_dicts()}
    for user in lists:
        rows = applied.filter(user_id=user)
        items, is_pinned = rows.get_column("item_id").to_list(), (rows.get_column("model") == rules.SHOP).to_list()
        assert rows.get_column("rank").to_list() == list(range(1, len(items) + 1))
        assert len({*items}) == len(items) <= k
        assert not {*items} & {*excluded} and not {(user, item) for item in items} & pairs
        own = [item for item, pinned in zip(items, is_pinned, strict=True) if not pinned]
        for item in [*own, *IDS[:10]]:
            may = _fits(of_shop, facts, items, item, extra=item not in items)
            if item in items:
                assert may
            elif len(items) < k:
                blocked = item in {*excluded} or (user, item) in pairs or times.get(item, 0) >= most
                assert blocked or not may
        if len(items) == k:
            allowed_pins = {p: i for p, i in of_shop.pinned.items() if i not in {*excluded} and (user, i) not in pairs}
            assert all(items[place - 1] == item for place, item in allowed_pins.items())


def _fits(of_shop: Lists, facts: dict, items: list[str], item: str, extra: bool) -> bool:
    """Whether the list with this product has no more of its category and brand than the rules allow."""
    for name, most in (("category", of_shop.max_per_category), ("brand", of_shop.max_per_brand)):
        value = facts[item][name]
        if most is None or value in (None, "unknown"):
            continue
        pinned = {*of_shop.pinned.values()}
        same = [other for other in items if facts[other][name] == value]
        if len(same) + extra > max(most, len([other for other in same if other in pinned])):
            return False
    return True
