"""The quality rules: named boolean expressions with one sentence each, the same on every engine.

A rule is a Narwhals expression that is true where a row passes; null (nothing to check) passes as well. It reads the
row's own columns and those that `lookups` adds from other tables and other rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Literal

import narwhals as nw

from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import ALWAYS, EVENT_TYPES
from recomart_lib.core.shops import Shop
from recomart_lib.validate.settings import Validate

Dimension = Literal["completeness", "validity", "uniqueness", "consistency", "timeliness"]
# Dimension -> its meaning. Its score is 100 x checked rows that pass all of its rules / checked rows.
DIMENSIONS: dict[Dimension, str] = {
    "completeness": "required values are present",
    "validity": "values have the right type and range; an unreadable line is not valid",
    "uniqueness": "an id belongs to one row; duplicate rows count against it as well",
    "consistency": "tables and events agree with each other",
    "timeliness": "nothing is from the future, and nothing arrives late",
}


@dataclass(frozen=True)
class Rule:
    """One rule: its name, its sentence for the report, and when a row passes.

    `blames` is the one cell that is wrong when a row fails the rule; None: the row as a whole cannot be used.
    """

    name: str
    table: str
    dimension: Dimension
    sentence: str
    passes: Callable[[Validate], nw.Expr]
    severity: str = "error"
    blames: str | None = None


def _present(column: str) -> Callable[[Validate], nw.Expr]:
    return lambda _: ~nw.col(column).is_null()


def _moment(day: str) -> datetime:
    """The first moment of a day in UTC."""
    return datetime.combine(date.fromisoformat(day), time(), UTC)


def _holds_plausibly(settings: Validate) -> nw.Expr:
    first_day = nw.lit(_moment(settings.first_day))
    return (nw.col("holds_from") >= first_day) | (nw.col("holds_from") == nw.lit(ALWAYS))


def _first_of_key(_: Validate) -> nw.Expr:
    return nw.col("first_of_key")


RULES = (
    Rule("user_id_present", "users", "completeness", "A user has an id.", _present("user_id")),
    Rule("user_id_unique", "users", "uniqueness", "No two different rows share a user id.", _first_of_key),
    Rule(
        "age_possible",
        "users",
        "validity",
        "An age is between 0 and validate.max_age years.",
        lambda p: (nw.col("age") >= 0) & (nw.col("age") <= p.max_age),
        blames="age",
    ),
    Rule(
        "signup_plausible",
        "users",
        "validity",
        "A sign-up date is not before validate.first_signup_day.",
        lambda p: nw.col("signup_date") >= nw.lit(date.fromisoformat(p.first_signup_day)),
        blames="signup_date",
    ),
    Rule(
        "signup_not_in_future",
        "users",
        "timeliness",
        "A sign-up date is not in the future.",
        lambda _: nw.col("signup_date") <= nw.col("last_day"),
        blames="signup_date",
    ),
    Rule(
        "user_valid_from_plausible",
        "users",
        "validity",
        "A row about a user does not hold from a day before validate.first_day.",
        _holds_plausibly,
        blames="holds_from",
    ),
    Rule("item_id_present", "items", "completeness", "A product has an id.", _present("item_id")),
    Rule("item_id_unique", "items", "uniqueness", "No two different rows share a product id.", _first_of_key),
    Rule(
        "item_price_possible",
        "items",
        "validity",
        "A product's price is positive and at most validate.max_price.",
        lambda p: (nw.col("price") > 0) & (nw.col("price") <= p.max_price),
        blames="price",
    ),
    Rule(
        "item_valid_from_plausible",
        "items",
        "validity",
        "A row about a product does not hold from a day before validate.first_day.",
        _holds_plausibly,
        blames="holds_from",
    ),
    Rule("item_named", "items", "completeness", "A product has a name.", _present("name"), severity="warning"),
    Rule("event_id_present", "events", "completeness", "An event has an id.", _present("event_id")),
    Rule("event_id_unique", "events", "uniqueness", "No two different rows share an event id.", _first_of_key),
    Rule("event_user_present", "events", "completeness", "An event names its user.", _present("user_id")),
    Rule("event_item_present", "events", "completeness", "An event names its product.", _present("item_id")),
    Rule(
        "event_type_known",
        "events",
        "validity",
        f"An event is one of {', '.join(EVENT_TYPES)}.",
        lambda _: nw.col("event_type").is_in(EVENT_TYPES) & ~nw.col("event_type").is_null(),
    ),
    Rule("timestamp_present", "events", "completeness", "An event has a time.", _present("timestamp")),
    Rule(
        "timestamp_plausible",
        "events",
        "validity",
        "An event is not before validate.first_day.",
        lambda p: nw.col("timestamp") >= nw.lit(_moment(p.first_day)),
    ),
    Rule(
        "timestamp_not_in_future",
        "events",
        "timeliness",
        "An event is not in the future.",
        lambda _: nw.col("timestamp") <= nw.col("now"),
    ),
    Rule(
        "event_user_known",
        "events",
        "consistency",
        "An event's user is in the users table.",
        lambda _: nw.col("user_known"),
    ),
    Rule(
        "event_item_known",
        "events",
        "consistency",
        "An event's product is in the items table.",
        lambda _: nw.col("item_known"),
    ),
    Rule(
        "event_after_signup",
        "events",
        "consistency",
        "An event is not before its user's sign-up.",
        lambda _: nw.col("local_day") >= nw.col("signup_date"),
    ),
    Rule(
        "quantity_possible",
        "events",
        "validity",
        "A quantity is above 0 and at most validate.max_quantity.",
        lambda p: (nw.col("quantity") > 0) & (nw.col("quantity") <= p.max_quantity),
    ),
    Rule(
        "price_possible",
        "events",
        "validity",
        "A purchase has a positive price; other events have no negative price. At most validate.max_price.",
        lambda p: (
            ((nw.col("price") > 0) | ((nw.col("event_type") != "purchase") & (nw.col("price") >= 0)))
            & (nw.col("price") <= p.max_price)
        ),
    ),
    Rule(
        "rating_possible",
        "events",
        "validity",
        "A rating is between 1 and 5.",
        lambda _: (nw.col("rating") >= 1) & (nw.col("rating") <= 5),
    ),
    Rule(
        "rating_given",
        "events",
        "completeness",
        "A rating event has a rating.",
        lambda _: (nw.col("event_type") != "rating") | ~nw.col("rating").is_null(),
    ),
    Rule(
        "event_on_time",
        "events",
        "timeliness",
        "An event arrives within validate.max_late_days of its day.",
        lambda p: nw.col("days_late") <= p.max_late_days,
        severity="warning",
    ),
    Rule(
        "price_usual",
        "events",
        "validity",
        "A price is within validate.max_price_spread robust standard deviations (of log prices) of the usual price.",
        lambda p: nw.col("price_spreads_off") <= p.max_price_spread,
        severity="warning",
    ),
    Rule(
        "return_after_purchase",
        "events",
        "consistency",
        "A return follows a purchase of the same product by the same user.",
        lambda _: (
            (nw.col("event_type") != "return") | (nw.col("first_purchase") <= nw.col("timestamp")).fill_null(False)
        ),
        severity="warning",
    ),
)
# The contract of the validated tables (`schemas.contract`): ids, types and times are present, and ids are unique.
REQUIRED = {rule.name for rule in RULES if rule.name.endswith(("_present", "_unique"))} | {
    "event_type_known",
    "rating_possible",
}


def of_shop(settings: Validate, shop: Shop) -> Validate:
    """The settings with the rules of the shop file, which win over those of params.yaml.

    Raises
    ------
    UserError
        As `rules`, with the shop file's name.
    """
    _check(shop.rules, f"shops/{shop.name}.yaml: rules")
    return settings.model_copy(update={"rules": {**settings.rules, **shop.rules}})


def rules(settings: Validate, table: str | None = None) -> list[Rule]:
    """The rules of one table or of all, with the severities from the settings; rules that are off are left out.

    Raises
    ------
    UserError
        If validate.rules names a rule that does not exist, or relaxes a rule that later stages depend on.
    """
    _check(settings.rules, "params.yaml: validate.rules")
    configured = [replace(rule, severity=settings.rules.get(rule.name, rule.severity)) for rule in RULES]
    return [rule for rule in configured if rule.severity != "off" and table in (None, rule.table)]


def _check(severities: dict[str, str], where: str) -> None:
    names = [rule.name for rule in RULES]
    for name, severity in severities.items():
        if name not in names:
            raise UserError(f"{where}.{name}: no such rule. {suggestion(name, names)}")
        if name in REQUIRED and severity != "error":
            raise UserError(f"{where}.{name} must be error: later stages cannot process such rows.")


def failures(rows: nw.typing.IntoFrame, rules: list[Rule], settings: Validate) -> nw.typing.IntoFrame:
    """Which rows fail which rules, on the engine of `rows`.

    Parameters
    ----------
    rows
        A native frame (Polars, PySpark, ...) with a `row_id` and the columns that `lookups` adds.

    Returns
    -------
    native frame
        One row per row of `rows` and rule that it fails: row_id, rule.
    """
    frame = nw.from_native(rows)
    parts = [
        frame.filter(~rule.passes(settings).fill_null(True)).select("row_id", rule=nw.lit(rule.name)) for rule in rules
    ]
    return nw.concat(parts).to_native()
