"""Can the data be trusted? Named rules, one sentence each; every landed row ends in exactly one place.

A rule is a boolean Narwhals expression that is true where a row passes (null: nothing to judge, passes). Rows are
judged in this order: *excluded* (the shop file says that they are no business of ours), *duplicates* (the same row
again), then *quarantined* (fail a rule of severity error) or *good*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import narwhals as nw
import polars as pl

from recomart_lib.config import suggestion
from recomart_lib.errors import GateError, UserError
from recomart_lib.params import Validate
from recomart_lib.schemas import EVENT_TYPES, KEYS, PROVENANCE, TABLES
from recomart_lib.shops import Shop

# One row: a landed row that fails a rule. `row_id` numbers the rows of its table from 0.
FAILURES = {"row_id": pl.Int64, "rule": pl.String}


@dataclass(frozen=True)
class Rule:
    """One rule: what it is called, what it says to people, and when a row passes.

    `blames` is the one cell that is wrong when the rule is broken; None: the row as a whole cannot be used.
    """

    name: str
    table: str
    sentence: str
    passes: Callable[[Validate], nw.Expr]
    severity: str = "error"
    blames: str | None = None


@dataclass(frozen=True)
class Judged:
    """Where the rows of one table went: landed = good + quarantined + duplicates + excluded."""

    table: str
    good: pl.DataFrame
    quarantined: pl.DataFrame
    failures: pl.DataFrame
    counts: dict[str, int]


def _present(column: str) -> Callable[[Validate], nw.Expr]:
    return lambda _: ~nw.col(column).is_null()


def _first_of_its_key(_: Validate) -> nw.Expr:
    return nw.col("nth_of_key") == 0


RULES = (
    Rule("user_id_present", "users", "A user has an id.", _present("user_id")),
    Rule("user_id_unique", "users", "No two different rows share a user id.", _first_of_its_key),
    Rule("age_possible", "users", "An age lies between 0 and validate.max_age years.",
         lambda p: (nw.col("age") >= 0) & (nw.col("age") <= p.max_age), blames="age"),
    # a day is local, and the earliest time zone is 14 hours ahead of UTC
    Rule("signup_not_in_future", "users", "Nobody signs up tomorrow.",
         lambda _: nw.col("signup_date") <= nw.col("now").dt.offset_by("14h").dt.date(), blames="signup_date"),
    Rule("item_id_present", "items", "A product has an id.", _present("item_id")),
    Rule("item_id_unique", "items", "No two different rows share a product id.", _first_of_its_key),
    Rule("item_price_possible", "items", "A product's price is positive and at most validate.max_price.",
         lambda p: (nw.col("price") > 0) & (nw.col("price") <= p.max_price), blames="price"),
    Rule("item_named", "items", "A product has a name.", _present("name"), severity="warning"),
    Rule("event_id_present", "events", "An event has an id.", _present("event_id")),
    Rule("event_id_unique", "events", "No two different rows share an event id.", _first_of_its_key),
    Rule("event_user_present", "events", "An event names its user.", _present("user_id")),
    Rule("event_item_present", "events", "An event names its product.", _present("item_id")),
    Rule("event_type_known", "events", f"An event is one of {', '.join(EVENT_TYPES)}.",
         lambda _: nw.col("event_type").is_in(EVENT_TYPES) & ~nw.col("event_type").is_null()),
    Rule("timestamp_present", "events", "An event has a time.", _present("timestamp")),
    Rule("timestamp_not_in_future", "events", "No event lies in the future.",
         lambda _: nw.col("timestamp") <= nw.col("now")),
    Rule("event_user_known", "events", "An event's user is in the users table.", lambda _: nw.col("user_known")),
    Rule("event_item_known", "events", "An event's product is in the items table.", lambda _: nw.col("item_known")),
    Rule("event_after_signup", "events", "No event lies before its user's sign-up.",
         lambda _: nw.col("local_day") >= nw.col("signup_date")),
    Rule("quantity_possible", "events", "A quantity lies between 1 and validate.max_quantity.",
         lambda p: (nw.col("quantity") >= 1) & (nw.col("quantity") <= p.max_quantity)),
    Rule("price_possible", "events", "A purchase has a positive price, anything else none below zero.",
         lambda p: ((nw.col("price") > 0) | ((nw.col("event_type") != "purchase") & (nw.col("price") >= 0)))
         & (nw.col("price") <= p.max_price)),
    Rule("rating_possible", "events", "A rating lies between 1 and 5.",
         lambda _: (nw.col("rating") >= 1) & (nw.col("rating") <= 5)),
    Rule("rating_given", "events", "A rating event says how many stars.",
         lambda _: (nw.col("event_type") != "rating") | ~nw.col("rating").is_null()),
    Rule("return_after_purchase", "events", "A return follows a purchase of the same product by the same user.",
         lambda _: (nw.col("event_type") != "return")
         | (nw.col("first_purchase") <= nw.col("timestamp")).fill_null(False),
         severity="warning"),
)  # fmt: skip
# The contract of the validated tables (`schemas.contract`): ids, types and times are there, and ids are unique.
INDISPENSABLE = {rule.name for rule in RULES if rule.name.endswith(("_present", "_unique"))} | {
    "event_type_known",
    "rating_possible",
}


def rules(params: Validate) -> list[Rule]:
    """The rules as params.yaml tunes them, those that are off left out.

    Raises
    ------
    UserError
        If validate.rules names a rule that does not exist, or softens one that later stages rest on.
    """
    known = [rule.name for rule in RULES]
    for name in params.rules:
        if name not in known:
            raise UserError(f"params.yaml: validate.rules.{name}: no such rule. {suggestion(name, known)}")
        if name in INDISPENSABLE and params.rules[name] != "error":
            raise UserError(
                f"params.yaml: validate.rules.{name} must be error: later stages cannot work with such rows."
            )
    tuned = [replace(rule, severity=params.rules.get(rule.name, rule.severity)) for rule in RULES]
    return [rule for rule in tuned if rule.severity != "off"]


def judge(shop: Shop, landed: dict[str, pl.DataFrame], params: Validate, now: datetime) -> dict[str, Judged]:
    """Judge every delivered table; derived ones are made from good events (`derive`) and need no judging.

    What lies after `now` lies in the future. It is the last landing, not the clock's time: the same lake is
    judged alike on any day.
    """
    users, items = landed.get("users"), landed.get("items")
    judged = {}
    for table, rows in landed.items():
        kept, excluded, duplicates = _set_aside(rows, shop, table)
        context = _with_context(kept, shop, table, users, items).with_columns(now=pl.lit(now))
        chosen = [rule for rule in rules(params) if rule.table == table]
        found = failures(context, chosen, params)
        judged[table] = _split(table, kept, found, chosen, {"excluded": excluded, "duplicates": duplicates})
    return judged


def failures(rows: pl.DataFrame, chosen: list[Rule], params: Validate) -> pl.DataFrame:
    """One row per row of `rows` (with its `row_id` and context columns) and rule that it fails."""
    frame = nw.from_native(rows)
    parts = [
        frame.filter(~rule.passes(params).fill_null(True)).select("row_id", rule=nw.lit(rule.name)).to_native()
        for rule in chosen
    ]
    empty = pl.DataFrame(schema=FAILURES)
    return pl.concat([empty, *(part.cast(FAILURES) for part in parts)]).sort("row_id", "rule")


def _set_aside(rows: pl.DataFrame, shop: Shop, table: str) -> tuple[pl.DataFrame, int, int]:
    """Without excluded rows and exact duplicates: (rows with a row_id, how many excluded, how many duplicates)."""
    wanted = pl.lit(True)
    for rule in shop.table(table).exclude.values():
        wanted &= pl.col(rule.missing).is_not_null()
    included = rows.filter(wanted)
    content = [name for name in rows.columns if name not in PROVENANCE]
    if KEYS[table] not in shop.table(table).columns:
        # an id that we made from file and line says nothing about the row
        content.remove(KEYS[table])
    kept = included.unique(content, keep="first", maintain_order=True).with_row_index("row_id")
    kept = kept.with_columns(pl.col("row_id").cast(pl.Int64))
    return kept, rows.height - included.height, included.height - kept.height


def _with_context(
    rows: pl.DataFrame, shop: Shop, table: str, users: pl.DataFrame | None, items: pl.DataFrame | None
) -> pl.DataFrame:
    """Add what a rule needs to know beyond its row: the other tables, and the other rows of the same key."""
    key = KEYS[table]
    rows = rows.with_columns(nth_of_key=pl.when(pl.col(key).is_not_null()).then(pl.int_range(pl.len()).over(key)))
    if table != "events":
        return rows
    bought = pl.col("timestamp").filter(pl.col("event_type") == "purchase")
    local_day = pl.col("timestamp").dt.convert_time_zone(shop.time_zone).dt.date()
    rows = rows.with_columns(first_purchase=bought.min().over("user_id", "item_id"), local_day=local_day)
    signup = pl.DataFrame(schema={"user_id": pl.String, "signup_date": pl.Date})
    if users is not None:
        signup = users.select("user_id", "signup_date").unique("user_id", keep="first", maintain_order=True)
    return rows.join(signup, on="user_id", how="left", maintain_order="left").with_columns(
        user_known=_is_in("user_id", users), item_known=_is_in("item_id", items)
    )


def _is_in(column: str, table: pl.DataFrame | None) -> pl.Expr:
    """Whether the id is delivered in its own table (one whose row is quarantined still exists); null where none is."""
    if table is None:
        return pl.lit(None, pl.Boolean)
    return pl.col(column).is_in(table.get_column(column).drop_nulls().unique().implode())


def _split(table: str, kept: pl.DataFrame, found: pl.DataFrame, chosen: list[Rule], counts: dict[str, int]) -> Judged:
    errors = [rule.name for rule in chosen if rule.severity == "error"]
    reasons = found.filter(pl.col("rule").is_in(errors)).group_by("row_id").agg(reasons=pl.col("rule").str.join("; "))
    quarantined = kept.join(reasons, on="row_id", how="inner", maintain_order="left").drop("row_id")
    good = kept.join(reasons, on="row_id", how="anti", maintain_order="left").drop("row_id")
    counts = {**counts, "good": good.height, "quarantined": quarantined.height}
    return Judged(table, good, quarantined, found, counts)


def report(
    judged: dict[str, Judged], landed: dict[str, pl.DataFrame], rejected: dict[str, int], params: Validate
) -> dict[str, Any]:
    """The quality report (reports/metrics/quality.json).

    The score of a table is 100 x rows that pass every error rule / rows judged; judged are all delivered rows
    but excluded ones and duplicates, and a line that could not be read is judged and fails. Overall: the lowest table.

    Raises
    ------
    UserError
        If landed is not good + quarantined + duplicates + excluded in some table: rows were lost or doubled.
    """
    tables = {}
    for table, result in judged.items():
        row = {"landed": landed[table].height, "rejected": rejected[table], **result.counts}
        row["delivered"] = row["landed"] + row["rejected"]
        n_placed = sum(row[place] for place in ("good", "quarantined", "duplicates", "excluded"))
        if row["landed"] != n_placed:
            raise UserError(
                f"{table}: {row['landed']} rows landed, but {n_placed} are accounted for. Rows were lost or doubled."
            )
        n_judged = row["good"] + row["quarantined"] + row["rejected"]
        row["score"] = 100 * row["good"] / n_judged if n_judged else 100.0
        tables[table] = row
    score = min(row["score"] for row in tables.values())
    return {
        "score": score,
        "min_score": 100 * params.min_quality,
        "tables": tables,
        "rules": _rule_counts(judged, params),
    }


def _rule_counts(judged: dict[str, Judged], params: Validate) -> list[dict[str, Any]]:
    counts = []
    for rule in rules(params):
        if rule.table in judged:
            n_failed = judged[rule.table].failures.filter(pl.col("rule") == rule.name).height
            counts.append({"table": rule.table, "rule": rule.name, "severity": rule.severity,
                           "sentence": rule.sentence, "n_failed": n_failed})  # fmt: skip
    return counts


def gate(quality: dict[str, Any]) -> None:
    """Stop the pipeline if the data is not good enough.

    Raises
    ------
    GateError
        If the score is below validate.min_quality, or a table has no good row; the rules that cost most are named.
    """
    for table, row in quality["tables"].items():
        if not row["good"]:
            raise GateError(f"{table}: none of {row['delivered']} delivered rows is good; {_costliest(quality)}.")
    if quality["score"] < quality["min_score"]:
        raise GateError(
            f"The quality score is {quality['score']:.2f} %, below validate.min_quality = "
            f"{quality['min_score']:.1f} %; {_costliest(quality)}. "
            "Mend the feed (data/quarantine says which rows), or the rule in params.yaml."
        )


def _costliest(quality: dict[str, Any]) -> str:
    failed = [
        (rule["n_failed"], f"{rule['table']}.{rule['rule']}")
        for rule in quality["rules"]
        if rule["severity"] == "error"
    ]
    failed += [(row["rejected"], f"{table}.unreadable lines") for table, row in quality["tables"].items()]
    worst = [f"{name} ({count} rows)" for count, name in sorted(failed, reverse=True)[:3] if count]
    return f"it fails most in: {', '.join(worst)}" if worst else "there are no rows at all"


def validated(judged: dict[str, Judged]) -> dict[str, pl.DataFrame]:
    """The three tables that later stages read: good rows, and one row per user or item that only good events know.

    Such an id is one of a table that the shop does not deliver (see `derive`), or one whose own row is in quarantine:
    of that row all is used but the cell that the broken rule blames, so that a wrong price does not cost a product
    its name, nor its customers their events.
    """
    events = judged["events"].good
    return {
        "users": _table_of("users", judged, events),
        "items": _table_of("items", judged, events),
        "events": events.select(*TABLES["events"]).sort("timestamp", "event_id"),
    }


def _table_of(table: str, judged: dict[str, Judged], events: pl.DataFrame) -> pl.DataFrame:
    key, columns = KEYS[table], list(TABLES[table])
    derived = derive(events, table)
    if table not in judged:
        return derived.sort(key)
    usable = _usable(judged[table]).join(derived, on=key, how="semi")
    best_first = [judged[table].good.select(columns), usable.select(columns), derived]
    return pl.concat(best_first).unique(key, keep="first", maintain_order=True).sort(key)


def _usable(judged: Judged) -> pl.DataFrame:
    """Quarantined rows without the cells that their broken rules blame; rows that are wrong as a whole are left out."""
    rows, broken = judged.quarantined, pl.col("reasons").str.split("; ")
    for rule in RULES:
        if rule.table == judged.table:
            fails = broken.list.contains(rule.name)
            if rule.blames:
                cell = pl.when(fails).then(None).otherwise(pl.col(rule.blames)).alias(rule.blames)
                rows = rows.with_columns(cell)
            else:
                rows = rows.filter(~fails)
    return rows


def derive(events: pl.DataFrame, table: str) -> pl.DataFrame:
    """One row per id in the events; every other column is the first value that its events tell.

    The first, not the most frequent: it was known from then on, so it tells nothing of the future at any later cut.
    """
    key = KEYS[table]
    known = {name.split(".")[1]: name for name in events.columns if name.startswith(f"{table}.")}
    columns = []
    for name, dtype in TABLES[table].items():
        if name in known:
            columns.append(pl.col(known[name]).drop_nulls().first().alias(name))
        elif name != key:
            columns.append(pl.lit(None, dtype).alias(name))
    return (
        events.sort("timestamp", "event_id").group_by(key).agg(columns).cast(TABLES[table]).select(list(TABLES[table]))
    )
