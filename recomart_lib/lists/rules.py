"""Apply the shop's rules to the lists of a model: the one entrance to this folder.

The order is that of docs/lists.md: hard filters, pinned products, the share of users, the shape of a list, the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from recomart_lib.core.schemas import RANKED_LISTS
from recomart_lib.core.shop_lists import RULES, Lists
from recomart_lib.lists import hard_filters, new_products, vectors
from recomart_lib.lists.catalogue import NO_ITEM, Catalogue, Context, long_tail
from recomart_lib.lists.selection import FALLBACK, NEW, PINNED, POOL, Limits, Selection, is_in_sorted

SHOP, NEW_PRODUCT = "shop", "new products"  # in the column `model`: pinned by the shop, and without any event
ALL_RULES = "all rules"
OWN_SOURCE = {"pinned": PINNED, "max_cold_share": NEW}
MAKE_ROOM = ("pinned", "min_long_tail_share", "max_cold_share", "diversity")  # rules that put products in
NEW_CANDIDATES = 20  # products without events per user, of which the other rules may take some
ROWS = 65_536  # users whose candidates are checked at once
# One row per rule, in the order of the rules, and one for all of them. `removed`: recommendations of the model's first
# k that it took out; `added`: recommendations that it put in. `filled`, `short`: of all rules, the lists with a product
# of the next model down, and those with fewer than k products.
COUNTS = {"rule": pl.String, "removed": pl.Int64, "added": pl.Int64, "filled": pl.Int64, "short": pl.Int64}


@dataclass(frozen=True, eq=False)
class Applied:
    """The lists under the rules (`schemas.RANKED_LISTS`), and what the rules did (`COUNTS`).

    `top_share_before`, `top_share`: the share of users who were shown the most shown product in the model's own lists,
    and who are now.
    """

    lists: pl.DataFrame
    counts: pl.DataFrame
    top_share_before: float
    top_share: float


def apply(
    rules: Lists,
    pool: pl.DataFrame,
    fallback: pl.DataFrame,
    context: Context,
    k: int,
    own: pl.DataFrame | None = None,
) -> Applied:
    """Choose k products per user from the pool, and from the fallback where the rules leave too few.

    Parameters
    ----------
    pool
        user_id, item_id, score, rank, model, sorted by user_id and rank: the model's best products, more than k. Every
        user who shall get a list has rows.
    fallback
        item_id, score, rank, model, best first: the next model down, over the whole catalogue, the same for all users.
    k
        Places of a list.
    own
        user_id, item_id, score, as in the pool: the model's own lists, with which the result is compared; None: the
        first k of the pool. They differ where the pool already lacks what the hard filters take out.

    Returns
    -------
    Applied
        Without rules, the lists are the first k rows of each user. Pinned products have the model `SHOP`, products
        without events `NEW_PRODUCT`, and neither has a score.
    """
    if rules.is_empty:
        first = pool.filter(pl.col("rank") <= k).select(*RANKED_LISTS).cast(RANKED_LISTS)
        share = _top_share(first.get_column("item_id").rank("dense").to_numpy(), first.get_column("user_id").n_unique())
        return Applied(first, pl.DataFrame(schema=COUNTS), share, share)
    fallback = fallback.sort("rank")
    catalogue = Catalogue(context, pool, fallback)
    excluded = {key: catalogue.is_one_of(ids) for key, ids in hard_filters.excluded_items(rules, context.items).items()}
    pairs = {key: catalogue.keys(rows) for key, rows in hard_filters.excluded_pairs(rules, context).items()}
    selection, scores = _selection(rules, pool, fallback, context, k, catalogue, excluded, pairs)
    before = selection.candidates[:, : selection.n_pool] if own is None else _table(own, catalogue)[0]
    before = before[:, :k].copy()
    selection.fill()
    lists = _decoded(selection, catalogue, scores, pool, fallback)
    shares = [_top_share(items, len(items)) for items in (before, selection.items)]
    return Applied(lists, _counts(rules, selection, before, excluded, pairs), *shares)


def _top_share(items: np.ndarray, n_users: int) -> float:
    """How many of the users are shown the most shown product; 0 without lists."""
    times = np.bincount(items[items != NO_ITEM])
    return float(times.max(initial=0)) / max(n_users, 1)


def _selection(
    rules: Lists,
    pool: pl.DataFrame,
    fallback: pl.DataFrame,
    context: Context,
    k: int,
    catalogue: Catalogue,
    excluded: dict[str, np.ndarray],
    pairs: dict[str, np.ndarray],
) -> tuple[Selection, np.ndarray]:
    """The lists before the first place is filled, and the scores of the pool, (n_users, longest)."""
    allowed = ~np.logical_or.reduce([np.zeros(len(catalogue.items), dtype=bool), *excluded.values()])
    taken = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *pairs.values()]))
    candidates, scores = _table(pool, catalogue)
    n_places = math.floor(rules.max_cold_share * k + 1e-9)
    n_new = NEW_CANDIDATES if n_places else 0
    new = new_products.best_for_users(catalogue, context, allowed, n_new)
    candidates = np.hstack([candidates, new]) if n_new else candidates
    is_open = _open(candidates, allowed, taken)
    codes = catalogue.codes(fallback.get_column("item_id"))
    limits = _limits(rules, catalogue, context, k, allowed, n_places)
    return Selection(candidates, is_open, n_new, codes[allowed[codes]], taken, len(catalogue.items), limits), scores


def _table(pool: pl.DataFrame, catalogue: Catalogue) -> tuple[np.ndarray, np.ndarray]:
    """Products and scores of the pool, (n_users, longest), best first."""
    row = catalogue.rows(pool.get_column("user_id"))
    first = np.flatnonzero(np.diff(row, prepend=-1))
    place = np.arange(len(row)) - np.repeat(first, np.diff(first, append=len(row)))
    shape = (len(catalogue.users), int(place.max(initial=-1)) + 1)
    items, scores = np.full(shape, NO_ITEM, dtype=np.int32), np.full(shape, np.nan)
    items[row, place] = catalogue.codes(pool.get_column("item_id"))
    scores[row, place] = pool.get_column("score").cast(pl.Float64).to_numpy()
    return items, scores


def _open(candidates: np.ndarray, allowed: np.ndarray, taken: np.ndarray) -> np.ndarray:
    is_open = (candidates != NO_ITEM) & allowed[candidates]
    for start in range(0, len(candidates) if len(taken) else 0, ROWS):
        part = candidates[start : start + ROWS].astype(np.int64)
        rows = np.arange(start, start + len(part), dtype=np.int64)[:, None]
        is_open[start : start + ROWS] &= ~is_in_sorted(rows * len(allowed) + part, taken)
    return is_open


def _limits(
    rules: Lists, catalogue: Catalogue, context: Context, k: int, allowed: np.ndarray, n_new_places: int
) -> Limits:
    groups = ((catalogue.category, rules.max_per_category), (catalogue.brand, rules.max_per_brand))
    pins = {place: int(catalogue.codes(pl.Series([item]))[0]) for place, item in rules.pinned.items()}
    has_share = "max_share_of_users" in rules.names
    return Limits(
        k=k,
        group_limits=[(values, most) for values, most in groups if most is not None],
        tail=catalogue.is_one_of(long_tail(context)) if rules.min_long_tail_share else None,
        n_tail=math.ceil(rules.min_long_tail_share * k - 1e-9),
        n_new=n_new_places,
        max_users=max_users(rules, len(catalogue.users)) if has_share else None,
        pinned={place: item for place, item in pins.items() if item != NO_ITEM and allowed[item]},
        diversity=rules.diversity,
        vectors=vectors.item_vectors(catalogue, context) if rules.diversity else None,
    )


def max_users(rules: Lists, n_users: int) -> int:
    """The number of users who may be shown the same product: at least one."""
    return max(1, math.floor(rules.max_share_of_users * n_users + 1e-9))


def _decoded(
    selection: Selection, catalogue: Catalogue, scores: np.ndarray, pool: pl.DataFrame, fallback: pl.DataFrame
) -> pl.DataFrame:
    row, place = np.nonzero(selection.items != NO_ITEM)
    item, source, column = (getattr(selection, name)[row, place] for name in ("items", "source", "column"))
    score = np.full(len(row), np.nan)
    score[source == POOL] = scores[row[source == POOL], column[source == POOL]]
    of_fallback = np.full(len(catalogue.items), np.nan)
    of_fallback[catalogue.codes(fallback.get_column("item_id"))] = fallback.get_column("score").cast(pl.Float64)
    score[source == FALLBACK] = of_fallback[item[source == FALLBACK]]
    model = pool.group_by("user_id", maintain_order=True).agg(pl.col("model").first().cast(pl.String))
    of_rule = {PINNED: SHOP, NEW: NEW_PRODUCT}
    if fallback.height:
        of_rule[FALLBACK] = str(fallback.get_column("model")[0])
    table = pl.DataFrame(
        {
            "user_id": catalogue.users.gather(row),
            "item_id": catalogue.items.gather(item),
            "score": pl.Series(score).fill_nan(None),
            "rank": place + 1,
            "source": source,
        }
    ).with_columns(own=model.get_column("model").gather(row))
    rule = pl.col("source").replace_strict(of_rule, default=None, return_dtype=pl.String)
    return table.with_columns(model=pl.coalesce(rule, "own")).select(*RANKED_LISTS).cast(RANKED_LISTS)


def _counts(
    rules: Lists,
    selection: Selection,
    before: np.ndarray,
    excluded: dict[str, np.ndarray],
    pairs: dict[str, np.ndarray],
) -> pl.DataFrame:
    """`COUNTS`. What several rules take out counts for the first of them, in the order of the rules.

    What made room for pinned, new, long-tail or more diverse products counts for the last of these rules.
    """
    row, column = np.nonzero(before != NO_ITEM)
    item = before[row, column]
    keys = row * selection.n_items + item
    shown_row, place = np.nonzero(selection.items != NO_ITEM)
    shown_item, source = selection.items[shown_row, place], selection.source[shown_row, place]
    shown = shown_row * selection.n_items + shown_item
    is_gone, is_added = ~is_in_sorted(keys, np.sort(shown)), ~is_in_sorted(shown, np.sort(keys))
    reasons = {key: flags[item] for key, flags in excluded.items()}
    reasons |= {key: is_in_sorted(keys, ordered) for key, ordered in pairs.items()}
    reasons["max_share_of_users"] = selection.left[item] == 0
    for key, (groups, most) in zip(_group_rules(rules), selection.limits.group_limits, strict=True):
        listed = np.where(selection.items == NO_ITEM, -1, groups[selection.items])
        reasons[key] = (groups[item] >= 0) & ((listed[row] == groups[item][:, None]).sum(axis=1) >= most)
    reasons |= dict.fromkeys([key for key in rules.names if key in MAKE_ROOM][-1:], np.ones(len(item), dtype=bool))
    removed, rest = {}, is_gone
    for key in (key for key in RULES if key in reasons):
        removed[key], rest = int((rest & reasons[key]).sum()), rest & ~reasons[key]
    added = {key: int((is_added & (source == of_key)).sum()) for key, of_key in OWN_SOURCE.items()}
    if selection.limits.tail is not None:
        from_models = is_added & np.isin(source, (POOL, FALLBACK))
        added["min_long_tail_share"] = int((from_models & selection.limits.tail[shown_item]).sum())
    rows = [(RULES[key], removed.get(key, 0), added.get(key, 0), None, None) for key in rules.names]
    filled = int(((selection.source == FALLBACK) & (selection.items != NO_ITEM)).any(axis=1).sum())
    short = int((selection.items == NO_ITEM).any(axis=1).sum())
    total = (ALL_RULES, int(is_gone.sum()), int(is_added.sum()), filled, short)
    return pl.DataFrame([*rows, total], schema=COUNTS, orient="row")


def _group_rules(rules: Lists) -> list[str]:
    return [key for key in ("max_per_category", "max_per_brand") if getattr(rules, key) is not None]
