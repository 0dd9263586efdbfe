"""The text of a shop file: each line says why, and the lines that are in doubt end in a comment that begins `# ?`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from recomart.draft import personal_data, vocabulary
from recomart.draft.assignment import Choice
from recomart.draft.column_profile import Column
from recomart.draft.delivery import Delivery
from recomart.draft.drafting import Draft
from recomart.draft.keys import Key
from recomart.draft.table_draft import TableDraft
from recomart_lib.core.schemas import TABLES
from recomart_lib.core.text import percent, printable

PLACE = 44  # column of the comments
MAX_COMMENT = 220
FIRST_OF_LIST = re.compile(r"\.0(\.|$)")  # in the path of a column
MAX_UNMAPPED = 60
MIN_LACKING = 0.0005  # of the rows that have no row in the files that they are joined with
MAX_LACKING = 0.15  # of them, above which 01 could refuse the file
NO_CLASSES = {
    "unknown",
    "other",
    "others",
    "none",
    "n/a",
    "misc",
    "sonstige",
    "andere",
    "autre",
    "autres",
    "otros",
    "outros",
}
NO_CLASSES |= {"altro", "altri", "overig", "inne", "diger"}
ORDER = (
    "separator",
    "sheet",
    "skip_lines",
    "encoding",
    "decimal",
    "thousands",
    "currency_sign",
    "nulls",
    "timestamp_format",
)
LATER = ("event_type", "event_values", "negative_quantity", "equal_lines", "complete", "values", "exclude")


def text(draft: Draft) -> str:
    """The shop file."""
    commands = next_commands(draft.name, draft.folder)
    lines = [
        f"# Drafted by `recomart shop draft` from {_comment(draft.folder.name)}. Lines with `# ?` are in doubt.",
        f"# Then: {_comment(commands[0])}",
        f"# and: {_comment(commands[1])}",
    ]
    for key, value in draft.shop.items():
        lines += _entry(key, value, "")
    lines += ["", "tables:"]
    for table in draft.mapping.tables:
        lines += _table(draft, table)
    return "\n".join(lines) + "\n"


def next_commands(name: str, folder: Path) -> list[str]:
    """What to do with a shop file: check it, and run the pipeline."""
    source = shlex.quote(str(folder))
    return [f"recomart shop check {name} --source {source} --rules", f"make repro SHOP={name} SOURCE={source}"]


def _table(draft: Draft, table: TableDraft) -> list[str]:
    lines, found = [f"  {table.name}:"], dict(draft.tables[table.name].values)
    if table.delivery is None:
        lines += _line("    kind: derived", f"no file of {table.name}: they are the ids of the events")
        return lines + _columns(draft, table, draft.mapping.events)
    group = table.delivery.group
    lines.append(f"    kind: {group.layout.kind}")
    n_files = len(group.files)
    doubt = f"or {', '.join(table.others)}: they look like {table.name}, too" if table.others else ""
    lines += _entry("path", Key(group.path, note=f"{n_files:,} files" if n_files > 1 else "", doubt=doubt), "    ")
    if group.layout.records:
        lines += _entry("records", Key(group.layout.records, note="the file is one object; this list is in it"), "    ")
    if group.layout.explode:
        lines += _entry("explode", Key(group.layout.explode, note="each entry of this list is a row"), "    ")
    for key in ORDER:
        if key in found:
            lines += _entry(key, found.pop(key), "    ")
    if not group.layout.has_header:
        doubt = "" if group.layout.is_header_sure else "the first line may be a header: then delete this line"
        note = "the file has no header line: these names are made by content"
        lines += _entry("header", Key(header(draft, table), note=note, doubt=doubt), "    ")
    elif not group.layout.is_header_sure:
        place = f"Line {group.layout.skip_lines + 1}" if group.layout.skip_lines else "The first line"
        lines += _line(
            f"    # ? {place} is taken for a header. If it is data, add `header: [names of the columns]`.", ""
        )
    lines += _joins(table.delivery, table.other_joins)
    lines += _columns(draft, table, table)
    if table.flags:
        lines.append("    flags:")
        for name, theirs in table.flags.items():
            lines += _entry(
                name, Key(_unknown_last([names_of(draft, table).get(column, column) for column in theirs])), "      "
            )
    for key in LATER:
        if key in found:
            lines += _entry(key, found.pop(key), "    ")
    return lines + _unmapped(draft, table)


def _joins(delivery: Delivery, others: list[str]) -> list[str]:
    """The files whose columns the rows get, and how they are written where it differs."""
    lines = ["    joins:"] if delivery.joins else []
    for join in delivery.joins:
        layout, other = delivery.group.layout, join.other.group.layout
        keys: dict[str, Any] = {"path": join.other.group.path}
        keys["by"] = join.on if join.on == join.key else {join.on: join.key}
        for key in ("kind", "separator", "encoding"):
            if getattr(other, key) not in (getattr(layout, key), None):
                keys[key] = getattr(other, key)
        keys |= {key: value for key in ("sheet", "skip_lines") if (value := getattr(other, key))}
        keys |= {} if other.has_header else {"header": other.names}
        doubts = [f"or {', '.join(others)}, which has these ids, too"] if others and join is delivery.joins[0] else []
        lacking = 1 - join.contained if join.other.sample.is_whole else 0.0
        if lacking > MAX_LACKING:
            keys["complete"] = False
            doubts.append(f"{percent(lacking)} of the rows have none; without `complete: false`, 01 could refuse them")
        elif lacking > MIN_LACKING:
            doubts.append(f"{percent(lacking)} of the rows have none and are rejected; `complete: false` keeps them")
        note = f"each row gets the columns of its row there, as {join.name}.<column>"
        lines += _entry(join.name, Key(keys, note=note, doubt="; ".join(doubts)), "      ")
    return lines


def _columns(draft: Draft, table: TableDraft, source: TableDraft) -> list[str]:
    names = names_of(draft, source)
    order = [*TABLES[table.name], "available", "stock", "valid_from"]
    price_is_total = table.choice("total") is not None and table.choice("price") is None
    choices = {choice.ours: choice for choice in table.choices if choice.ours != "total" or price_is_total}
    if "total" in choices:
        choices["price"] = choices.pop("total")
    choices = {ours: choices[ours] for ours in order if ours in choices}
    if not choices:
        return []
    lines = ["    columns:"]
    for ours, choice in choices.items():
        is_total = ours == "price" and (price_is_total or _is_total(choice, source))
        theirs = names.get(choice.theirs, choice.theirs)
        value = {"total": theirs} if is_total else theirs
        note = "; ".join(filter(None, (_samples(choice, source), f"{choice.confidence}: {choice.evidence.reason}")))
        doubt = f"or {', '.join(choice.others)}" if choice.others and not choice.is_asked else ""
        if ours == "user_id" and _is_personal(choice, source):
            kind = personal_data.KINDS[source.delivery.column(choice.theirs).personal]
            doubt = f"the ids are {kind}: have the shop deliver a number or a hash instead; {doubt}".rstrip("; ")
        if FIRST_OF_LIST.search(choice.theirs) and ours == "item_id":
            doubt = f"only the first entry of each list is read: deliver a row per line; {doubt}".rstrip("; ")
        if choice.trouble:
            doubt = "; ".join(filter(None, (choice.trouble, doubt)))
        if choice.is_unsure and not doubt:
            doubt = "a guess"
        lines += _entry(
            ours, Key(value, note=note if not doubt else "", doubt=f"{doubt}; {note}" if doubt else ""), "      "
        )
    return lines


def _is_personal(choice: Choice, source: TableDraft) -> bool:
    return choice.theirs not in source.flags and source.delivery.column(choice.theirs).personal is not None


def _is_total(choice: Choice, events: TableDraft) -> bool:
    total = events.choice("total")
    return total is not None and total.theirs == choice.theirs and events.choice("price") is None


def _samples(choice: Choice, source: TableDraft) -> str:
    if choice.theirs in source.flags or source.delivery is None:
        return ""
    return ", ".join(source.delivery.column(choice.theirs).examples)


def names_of(draft: Draft, table: TableDraft) -> dict[str, str]:
    """Delivered column -> the name that the shop file gives it: files without a header get names by content."""
    if table.delivery is None or table.delivery.group.layout.has_header:
        return {}
    joined = {name for join in table.delivery.joins for name in join.names}
    choices = [choice for choice in table.choices if choice.theirs not in table.flags]
    if table.name == "events":  # derived tables name columns of the events
        derived = (each for each in (draft.mapping.users, draft.mapping.items) if each.delivery is None)
        choices = [choice for each in derived for choice in each.choices] + choices
    own = [choice for choice in choices if choice.theirs not in joined]
    return {choice.theirs: choice.ours for choice in own} | _classes(draft, table)


def _unknown_last(names: list[str]) -> list[str]:
    """The names of classes, those that say nothing behind all others."""
    return sorted(names, key=lambda name: vocabulary.plain(name) in NO_CLASSES)


def _classes(draft: Draft, table: TableDraft) -> dict[str, str]:
    """Column of 1 and 0 -> the name of its class, if a file lists as many names as there are such columns."""
    columns = sorted(
        (name for names in table.flags.values() for name in names), key=lambda name: table.delivery.column(name).place
    )
    for other in draft.mapping.deliveries:
        rows = other.sample.rows
        if columns and rows.height == len(columns) and rows.width == 2:
            words, numbers = (rows.get_column(name) for name in rows.columns)
            if (
                numbers.cast(pl.Int64, strict=False).to_list() == list(range(len(columns)))
                and words.n_unique() == words.len()
            ):
                return dict(zip(columns, words.to_list(), strict=True))
    return {}


def header(draft: Draft, table: TableDraft) -> list[str]:
    """The names of the columns of a file without a header line."""
    names = names_of(draft, table)
    return [names.get(name, name) for name in table.delivery.group.layout.names]


def unmapped(draft: Draft, table: TableDraft) -> list[Column]:
    """The columns of a table's files that are none of ours."""
    used = {choice.theirs for choice in table.choices} | {name for flags in table.flags.values() for name in flags}
    if table.name == "events":
        derived = (each for each in (draft.mapping.users, draft.mapping.items) if each.delivery is None)
        used |= {choice.theirs for each in derived for choice in each.choices}
    return [column for column in table.delivery.columns if column.name not in used]


def _unmapped(draft: Draft, table: TableDraft) -> list[str]:
    """A comment for each column that is not mapped, with the reason."""
    found = unmapped(draft, table)
    lines = [
        f"    # not mapped: {_comment(f'{column.name} ({samples(column)})')}: {why_unmapped(column)}"
        for column in found[:MAX_UNMAPPED]
    ]
    return lines + ([f"    # not mapped: {len(found) - MAX_UNMAPPED} more"] if len(found) > MAX_UNMAPPED else [])


def samples(column: Column) -> str:
    """Two values of a column that is not mapped."""
    return ", ".join(column.cautious_examples)


def why_unmapped(column: Column) -> str:
    """Why a column is none of ours."""
    if column.personal:
        return f"{personal_data.KINDS[column.personal]}: personal data that the pipeline does not need"
    if not column.n_filled:
        return "empty"
    return "always the same" if column.is_constant else "like no column of ours"


def _entry(key: str, value: Key, indent: str) -> list[str]:
    """A key with its value on one line, and its comment."""
    if isinstance(value.value, dict) and any(isinstance(inner, dict) for inner in value.value.values()):
        lines = _line(f"{indent}{key}:", _with_mark(value))
        for name, inner in value.value.items():
            lines += _entry(name, Key(inner), f"{indent}  ")
        return lines
    return _line(f"{indent}{_flow(key)}: {_flow(value.value)}", _with_mark(value))


def _with_mark(value: Key) -> str:
    if value.doubt:
        return f"? {value.doubt}" + (f"; {value.note}" if value.note else "")
    return value.note


def _line(text: str, comment: str) -> list[str]:
    return [f"{text:<{PLACE}}  # {_comment(comment)}" if comment else text]


def _comment(text: str) -> str:
    """A text that fits in a comment: on one line, and not too long."""
    plain = printable(" ".join(str(text).split()))
    return plain if len(plain) <= MAX_COMMENT else f"{plain[:MAX_COMMENT]}..."


def _flow(value: Any) -> str:
    """A value on one line, in quotes where YAML needs them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value and not value.strip():
        return "".join(f'"\\u{ord(letter):04x}"' for letter in value[:1])
    dumped = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9)
    return dumped.removesuffix("\n").removesuffix("\n...").strip()
