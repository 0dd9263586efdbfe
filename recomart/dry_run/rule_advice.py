"""What to do about the rows that fail a rule of severity error: one function per rule, or kind of rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from recomart.dry_run.finding import Context, Finding
from recomart_lib.core.schemas import KEYS
from recomart_lib.core.text import percent
from recomart_lib.validate import implausible_times
from recomart_lib.validate.entity_summary import KNOWN_RULES
from recomart_lib.validate.quality_rules import REQUIRED, RULES
from recomart_lib.validate.remedies import UNIQUE_RULES, WORDS

RULE = {rule.name: rule for rule in RULES}
SHOWN = 3  # words in an advice
NEAR = 14  # hours: an event that is not farther in the future may be in another time zone
MOST = 0.5  # of the rows that fail a rule


def advise(context: Context, rule: str) -> Iterator[Finding]:
    """The findings about the rows in quarantine that fail a rule: one, or one per cause."""
    return ADVICE.get(rule, _other)(context, rule)


def _missing(context: Context, rule: str) -> Iterator[Finding]:
    """Ids or times that are missing."""
    column = {
        "event_user_present": "user_id",
        "event_item_present": "item_id",
        "timestamp_present": "timestamp",
    }[rule]
    label = "guest" if column == "user_id" else f"without_{column.removesuffix('_id')}"
    what = "have no user (guests?)" if column == "user_id" else f"have no {column}"
    advice = f"{context.key('exclude')}: {{{label}: {{missing: {column}, reason: ...}}}}"
    yield context.finding(rule, context.failing(rule), what, advice, "exclude")


def _unknown(context: Context, rule: str) -> Iterator[Finding]:
    """Events whose user or product is not in its table."""
    table = next(name for name, known in KNOWN_RULES.items() if known == rule)
    summary = context.quality.report["entities"][table]
    what = f"name {WORDS[table]} that {summary['file']} lacks"
    if summary["matched"]:
        share = summary["unknown"] / (summary["known"] + summary["unknown"])
        what += f" ({percent(share)} of their ids)"
        yield context.finding(rule, context.failing(rule), what, f"tables.{table}.complete: false")
    else:
        advice = (
            f"tables.{table}.columns.{KEYS[table]}: no id is the same in both files; compare how they write ids "
            "(leading zeros, prefixes)"
        )
        yield context.finding(rule, context.failing(rule), what, advice, "unknown")


def _quantities(context: Context, rule: str) -> Iterator[Finding]:
    rows, quantity = context.failing(rule), pl.col("quantity")
    if (negative := rows.filter(quantity < 0)).height:
        advice = context.key("negative_quantity") + ": return"
        yield context.finding(rule, negative, "have a negative quantity", advice)
    if (zero := rows.filter(quantity == 0)).height:
        yield context.finding(rule, zero, "have a quantity of 0", _as_warning(rule))
    if (large := rows.filter(quantity > 0)).height:
        largest = large.get_column("quantity").max()
        advice = f"params.yaml: validate.max_quantity (the largest is {largest:,g}); is tables.events.decimal right?"
        yield context.finding(rule, large, "have a very large quantity", advice)


def _prices(context: Context, rule: str) -> Iterator[Finding]:
    rows, price = context.failing(rule), pl.col("price")
    if (negative := rows.filter(price < 0)).height:
        advice = f"is columns.price the price of one unit? Else {_as_warning(rule)}"
        yield context.finding(rule, negative, "have a negative price", advice)
    if (zero := rows.filter(price == 0)).height:
        advice = f'{context.key("nulls")}: ["0"] if 0 means unknown, else {_as_warning(rule)}'
        yield context.finding(rule, zero, "have a price of 0", advice)
    if (large := rows.filter(price > 0)).height:
        largest = large.get_column("price").max()
        advice = (
            f"params.yaml: validate.max_price (the highest is {largest:,g}); is {context.key('decimal')} right, and is "
            "it the price of one unit?"
        )
        yield context.finding(rule, large, "have a very high price", advice)


def _times(context: Context, rule: str) -> Iterator[Finding]:
    """Times before validate.first_day or in the future."""
    rows = context.failing(rule)
    period = implausible_times.period(pl.scan_parquet(context.quality.validated / "events.parquet", glob=False))
    times = rows.get_column("timestamp").sort()
    meant = implausible_times.guess(times, period, context.shop.table("events").timestamp_format)
    local = times.dt.convert_time_zone(context.shop.time_zone)
    days = dict.fromkeys(f"{moment:%Y-%m-%d}" for moment in (local[0], local[-1]))
    place = "in the future" if rule == "timestamp_not_in_future" else "before validate.first_day"
    advice = f"timestamp_format: {meant}" if meant else _time_advice(context, rule, rows)
    yield context.finding(rule, rows, f"are {place} ({' to '.join(days)})", advice)


def _time_advice(context: Context, rule: str, rows: pl.DataFrame) -> str:
    if rule == "timestamp_plausible":
        first = rows.get_column("timestamp").min()
        return f"params.yaml: validate.first_day (the earliest is {first:%Y-%m-%d}); is timestamp_format right?"
    hours = (rows.get_column("timestamp").max() - context.quality.now).total_seconds() / 3600
    if hours < NEAR:
        return f"time_zone: is {context.shop.time_zone} right? They are at most {hours:.1f} hours ahead"
    since = f'{context.key("exclude")}: {{future: {{since: "{context.quality.now:%Y-%m-%d}", reason: ...}}}}'
    return f"{context.key('timestamp_format')}: are day and month the right way round? Else {since}"


def _event_types(context: Context, rule: str) -> Iterator[Finding]:
    rows = context.failing(rule)
    words = rows.drop_nulls("event_type").get_column("event_type").value_counts(sort=True).head(8)
    translated = ", ".join(f"{word if word.isalnum() else _quoted(word)}: ..." for word, _ in words.iter_rows())
    what = f"have another type than view, cart, purchase, return and rating: {_counted(words, context.factor)}"
    advice = f"{context.key('event_values')}: {{{translated}}}" if words.height else context.key("event_type")
    yield context.finding(rule, rows, what, advice)


def _signups(context: Context, rule: str) -> Iterator[Finding]:
    """Events before their user's sign-up: with the day of the sign-up in another time zone, they are near to it."""
    what = "are before their user's sign-up"
    advice = f"is time_zone {context.shop.time_zone} right, and the format of signup_date? Else {_as_warning(rule)}"
    yield context.finding(rule, context.failing(rule), what, advice)


def _ratings(context: Context, rule: str) -> Iterator[Finding]:
    rows = context.failing(rule)
    low, high = rows.get_column("rating").min(), rows.get_column("rating").max()
    what = f"have a rating outside 1 to 5 (from {low:g} to {high:g})"
    yield context.finding(rule, rows, what, f"{context.key('values')}: {{rating: {{{high:g}: 5, ...}}}}")


def _unique(context: Context, rule: str) -> Iterator[Finding]:
    rows = context.failing(rule)
    if context.table == "events":
        what, advice = "share their event_id with another line", "map that column as order_id, and leave out event_id"
        yield context.finding(rule, rows, what, f"tables.events.columns.event_id: {advice}")
        return
    what = "say something else about an id than another line of the same delivery"
    advice = f"{context.key('columns')}: {{valid_from: ...}}, or a day in the names of the files (items_2025-03-01.csv)"
    yield context.finding(rule, rows, what, advice)


def _cells(context: Context, rule: str) -> Iterator[Finding]:
    """Impossible values of one cell: of ages, days, prices; often a word for no value."""
    rows, column = context.failing(rule), RULE[rule].blames
    cells = rows.get_column(column).cast(pl.String).value_counts(sort=True).head(SHOWN)
    words = [str(word).removesuffix(".0") for word, _ in cells.iter_rows()]
    is_word = cells.height and cells.get_column("count").sum() > MOST * rows.height
    advice = f"{context.key('nulls')}: [{', '.join(map(_quoted, words))}]" if is_word else _as_warning(rule)
    yield context.finding(rule, rows, f"have an impossible {column}: {', '.join(words)}", advice)


def _other(context: Context, rule: str) -> Iterator[Finding]:
    sentence = RULE[rule].sentence.split(". ")[0].rstrip(".")
    advice = "correct the files" if rule in REQUIRED else _as_warning(rule)
    yield context.finding(rule, context.failing(rule), f'break "{sentence}"', advice)


def _as_warning(rule: str) -> str:
    return f"rules: {{{rule}: warning}}"


def _quoted(word: str) -> str:
    return f'"{word}"'


def _counted(words: pl.DataFrame, factor: float) -> str:
    return ", ".join(f"{word} ({round(n * factor):,})" for word, n in words.head(SHOWN).iter_rows()) or "none"


ADVICE: dict[str, Callable[[Context, str], Iterator[Finding]]] = {
    "event_user_present": _missing,
    "event_item_present": _missing,
    "timestamp_present": _missing,
    **dict.fromkeys(KNOWN_RULES.values(), _unknown),
    "quantity_possible": _quantities,
    "price_possible": _prices,
    "timestamp_plausible": _times,
    "timestamp_not_in_future": _times,
    "event_type_known": _event_types,
    "event_after_signup": _signups,
    "rating_possible": _ratings,
    "event_id_unique": _unique,
    **dict.fromkeys(UNIQUE_RULES.values(), _unique),
    **{rule.name: _cells for rule in RULES if rule.blames},
}
