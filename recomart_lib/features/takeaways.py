"""Takeaways of 05_features: sentences computed from the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from recomart_lib.core.schemas import ALWAYS, KEYS
from recomart_lib.core.text import not_applicable, number, percent, plural

DRIFTED = 0.25  # the usual threshold of the population stability index


def registered(sizes: Mapping[str, int], rows: Mapping[str, int], data_version: str) -> str:
    """What is stored, and which of it the models use.

    Parameters
    ----------
    sizes
        Version of the feature service -> its features; each version has those of the versions before it, too.
    rows
        View -> rows for live use.
    """
    if not sizes:
        return not_applicable("no feature is registered.")
    versions = ", ".join(f"{service} has {n}" for service, n in sizes.items())
    return (
        f"**{plural(max(sizes.values()), 'feature')} are registered** in {plural(len(sizes), 'version')}: {versions}. "
        "Models use the version that train.feature_service names (see 06), which may be an earlier one. Rows for live "
        f"use: {', '.join(f'{view} {n:,}' for view, n in rows.items())}. Data version: {data_version[:10]}."
    )


def missing(described: pl.DataFrame) -> str:
    """Which features have nulls. `described`: see `profile.profile`."""
    if not described.height:
        return not_applicable("there are no features.")
    gaps = described.filter(pl.col("nulls") > 0).sort("nulls", "feature", descending=[True, False])
    absent, some = gaps.filter(pl.col("nulls") == 1), gaps.filter(pl.col("nulls") < 1)
    of_all = plural(described.height, "feature")
    if not gaps.height:
        return f"**No nulls** in {of_all}."
    worst = ", ".join(f"{row['entity']}.{row['feature']} {percent(row['nulls'])}" for row in some.head(3).to_dicts())
    if not absent.height:
        return f"**{some.height} of {of_all} have nulls**, most of all {worst}."
    others = f" Nulls in {plural(some.height, 'other feature')}, most of all {worst}." if some.height else ""
    return f"**{absent.height} of {of_all} could not be computed in this shop**, for lack of data.{others}"


def moved(described: pl.DataFrame) -> str:
    """Which features have a different distribution at the test cut than at the validation cut."""
    comparable = described.drop_nulls("psi")
    if not comparable.height:
        return not_applicable("there are no users at the validation cut or at the test cut, so drift is unknown.")
    drifted = comparable.filter(pl.col("psi") >= DRIFTED).sort("psi", "feature", descending=[True, False])
    if not drifted.height:
        top = comparable.sort("psi", "feature", descending=[True, False]).row(0, named=True)
        largest = f"the largest change is that of {top['entity']}.{top['feature']} (psi {number(top['psi'])})"
        return f"**No feature drifts** from the validation cut to the test cut; {largest if top['psi'] else 'none has changed'}."
    named = ", ".join(f"{row['entity']}.{row['feature']} ({number(row['psi'])})" for row in drifted.head(4).to_dicts())
    return f"**{drifted.height} of {plural(comparable.height, 'feature')} drift** from the validation cut to the test cut (psi of {DRIFTED} or more), most of all {named}."


def audits(audited: dict[str, pl.DataFrame]) -> str:
    """The result of the leakage audit at all cuts. `audited`: cut -> its table (see `leakage_audit.audit`)."""
    if not audited:
        return not_applicable("no user has an event before any cut, so there is nothing to audit.")
    tables = pl.concat([table.select("feature", "leaks") for table in audited.values()])
    is_canary = pl.col("feature").str.starts_with("canary")
    leaks = tables.filter(~is_canary).get_column("leaks")
    n_missed = tables.filter(is_canary, ~pl.col("leaks")).height
    found = f"None of {leaks.len() // len(audited)} features uses what happened later"
    if leaks.any():
        found = f"In {leaks.sum():,} of {leaks.len():,} audits, a feature uses what happened later"
    planted = f"{plural(n_missed, 'planted leak')} not caught" if n_missed else "all planted leaks were caught"
    return f"**{found}**: audited at {plural(len(audited), 'moment')}, {planted}."


def audited(name: str, as_of: datetime, table: pl.DataFrame) -> str:
    """The result of the leakage audit at a cut. `table`: see `leakage_audit.audit`."""
    canary = table.filter(pl.col("feature").str.starts_with("canary"))
    features = table.filter(~pl.col("feature").str.starts_with("canary"))
    leaks = features.filter("leaks").height
    latest = features.get_column("latest_event").max()
    missed = canary.filter(~pl.col("leaks")).get_column("feature").to_list()
    if latest is None and not leaks:
        return not_applicable(f"cut {name}: no feature used any event.")
    n_users, of_users = table.select("n_users", "of_users").row(0)
    sample = f" on a sample of {n_users:,} of {of_users:,} users" if n_users < of_users else ""
    caught = f"**not caught: {', '.join(missed)}**" if missed else "the canaries were caught"
    verdict = (
        f"**{plural(leaks, 'feature')} leak**" if leaks else f"**none of {plural(features.height, 'feature')} leaks**"
    )
    latest_used = f"latest event used: {latest:%Y-%m-%d %H:%M:%S}" if latest else "no event was used"
    changed, changed_canaries = (part.get_column("n_changed").sum() for part in (features, canary))
    return (
        f"Cut *{name}* ({as_of:%Y-%m-%d %H:%M:%S} UTC): {verdict}; {latest_used}; "
        f"{changed:,} values changed with later events and statements{sample}; {caught} ({changed_canaries:,} changed)."
    )


def parity(n_pairs: int, n_users: int, n_features: int) -> str:
    """That the values for live use are those for training, which the notebook has compared."""
    if not n_pairs:
        return not_applicable("no user has chosen any product, so there are no values to compare.")
    return (
        f"**Training and live use see the same values**: all {n_features} features of {plural(n_pairs, 'user-product pair')} "
        f"({plural(n_users, 'user')}) are equal."
    )


def redundant(entity: str, pairs: pl.DataFrame, n_compared: int) -> str:
    """Which features of an entity are redundant.

    Parameters
    ----------
    pairs
        See `profile.redundant`.
    n_compared
        Features that are numbers and vary.
    """
    if n_compared < 2:
        return not_applicable(f"{entity}: fewer than two features are numbers that vary.")
    if not pairs.height:
        return f"{entity}: **no two of {n_compared} features are redundant** (rank correlation of 0.95 or more)."
    named = ", ".join(f"{row['one']} and {row['other']} ({row['correlation']:.2f})" for row in pairs.head(6).to_dicts())
    return f"{entity}: **{plural(pairs.height, 'pair')} of features are nearly redundant**: {named}."


def freshness(last: str, live: datetime) -> str:
    """How old the live features are."""
    hours = (live - datetime.fromisoformat(last)).total_seconds() / 3600
    lag = "right after the last event"
    if hours > 0.01:
        lag = (
            f"{number(hours)} hours after the last event"
            if hours < 48
            else f"{number(hours / 24)} days after the last event"
        )
    return f"**Live features are as of {live:%Y-%m-%d %H:%M:%S} UTC**, {lag}."


def statements(table: str, history: pl.DataFrame, used: pl.DataFrame, zone: str) -> str:
    """Which statements about users or products the features of past cuts use, and which of them are later than the cut.

    Parameters
    ----------
    table
        users or items.
    history
        Its statements (see `prepare.versions`).
    used
        See `statements.used`.
    zone
        The shop's time zone, for days.
    """
    name = {"users": "user", "items": "product"}[table]
    if not history.height:
        return not_applicable(f"there are no {name}s.")
    days = history.filter(pl.col("valid_from") > ALWAYS).get_column("valid_from").dt.convert_time_zone(zone).dt.date()
    if days.is_empty():
        return f"**{name.capitalize()}s**: no statement has a day (one delivery, or events alone); each counts as of every cut."
    n_ids, changed = history.get_column(KEYS[table]).n_unique(), history.height - history.unique(KEYS[table]).height
    span = f"{days.min()}" if days.min() == days.max() else f"{days.min()} to {days.max()}"
    if not changed:
        stated = f"**One statement about each of {plural(n_ids, name)}** ({span}), used as of every cut."
    else:
        n_changed = history.filter(pl.col(KEYS[table]).is_duplicated()).get_column(KEYS[table]).n_unique()
        stated = (
            f"**{n_changed:,} of {plural(n_ids, name)} changed** ({plural(history.height, 'statement')}, {span}); as of a "
            f"cut, the newest statement until then counts. It differs from today's: {_cuts(used, table, 'older') or 'at no cut'}."
        )
    if early := _cuts(used, table, "before_first"):
        return (
            f"{stated} **Where there is none yet, the first one is used, although it is later than the cut**: {early}."
        )
    return f"{stated} No cut needs a later one."


def _cuts(used: pl.DataFrame, table: str, column: str) -> str:
    """The cuts at which a count of `statements.used` is not 0, as `test 3 of 40, validation 7 of 38`."""
    rows = used.filter(pl.col("table") == table, pl.col(column) > 0).iter_rows(named=True)
    return ", ".join(f"{row['cut']} {row[column]:,} of {row['ids']:,}" for row in rows)
