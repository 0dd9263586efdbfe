"""The draft of a shop file, from the files of a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from recomart.draft import cut, delivery, first_lines, full_read, groups, hints, keys, listing, mapping
from recomart.draft.assignment import Choice
from recomart.draft.keys import Key, Keys
from recomart.draft.mapping import Candidate, Mapping
from recomart.draft.questions import Ask, Question, take_default
from recomart.draft.table_draft import TableDraft
from recomart_lib.core import names
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import percent, plural

MAX_SHOWN = 12  # files in a message
MAX_GROUPS = 60  # of files that are sampled
MIN_MISSING = 0.02  # of the users of events that a table of users lacks: then it is not complete


@dataclass
class Draft:
    """What a folder's files are, and the keys of the shop file; `no_tables` are (file, why it is none)."""

    name: str
    folder: Path
    mapping: Mapping
    shop: dict[str, Key]
    tables: dict[str, Keys]
    no_tables: list[tuple[str, str]]
    remarks: list[str] = field(default_factory=list)


def name_of(folder: Path) -> str:
    """A name for the shop, from the folder's."""
    text = re.sub(r"[^A-Za-z0-9_-]+", "_", folder.resolve().name).strip("_-").lower()
    return text if names.is_name(text) else "shop"


def make(folder: Path, name: str, ask: Ask = take_default) -> Draft:
    """The draft of a shop file for a folder.

    Raises
    ------
    UserError
        If there is no file of events: says what was looked for, and what there is.
    """
    found = listing.listed(folder)
    file_groups, no_tables = groups.groups(found)
    deliveries = [delivery.of_group(group) for group in file_groups[:MAX_GROUPS]]
    no_tables += [(each.label, "it has no records") for each in deliveries if not each.columns]
    deliveries = [each for each in deliveries if each.columns]
    candidates = mapping.event_candidates(deliveries)
    if not candidates:
        raise UserError(_no_events(folder, deliveries, no_tables))
    chosen = _chosen(candidates, ask)
    tables = mapping.of(deliveries, chosen, candidates)
    for table in tables.tables:
        _ask_about(table, ask)
    remarks = [sentence for sentence in (listing.too_many(found),) if sentence]
    draft = Draft(name, folder, tables, {}, {}, [*found.left_out, *no_tables], remarks)
    _add_keys(draft)
    return draft


def _chosen(candidates: list[Candidate], ask: Ask) -> Candidate:
    rivals = [other for other in candidates if other.score > candidates[0].score - mapping.MARGIN]
    if len(rivals) == 1:
        return rivals[0]
    options = {candidate.delivery.label: candidate for candidate in rivals}
    return options[ask(Question("Several files may be the events. Which one?", list(options)))]


def _ask_about(table: TableDraft, ask: Ask) -> None:
    for choice in table.choices:
        if not choice.others or table.delivery is None:
            continue
        options = [choice.theirs, *choice.others]
        answer = ask(Question(f"Which column of {table.delivery.label} is {choice.ours} ({table.name})?", options))
        if answer != choice.theirs:
            _exchange(table, choice, answer)
        choice.is_asked = ask is not take_default


def _exchange(table: TableDraft, choice: Choice, answer: str) -> None:
    """Give a choice another column; what had it gets the former one."""
    for other in table.choices:
        if other is not choice and other.theirs == answer:
            other.theirs = choice.theirs
    choice.theirs = answer


def _no_events(folder: Path, deliveries: list[delivery.Delivery], no_tables: list[tuple[str, str]]) -> str:
    """What was looked for, and what there is."""
    shown = [f"{each.label}: {plural(len(each.columns), 'column')}, {_lacks(each)}" for each in deliveries]
    shown += [f"{name}: {reason}" for name, reason in no_tables]
    lines = shown[:MAX_SHOWN] + ([f"... and {len(shown) - MAX_SHOWN} more"] if len(shown) > MAX_SHOWN else [])
    return "\n".join(
        [
            f"{folder} has no file of events, so no shop file was written. A file of events has one row per view, "
            "purchase or rating, with a time, the id of a user and the id of a product; the time and the user may "
            "be in a second file, of orders, whose ids the lines have. Found:",
            *(f"  {line}" for line in lines),
        ]
    )


def _lacks(each: delivery.Delivery) -> str:
    times = [column.name for column in each.columns if column.times and not column.personal]
    if each.sample.rows.height < mapping.MIN_EVENTS:
        return f"only {plural(each.sample.rows.height, 'row')}"
    if not times:
        return "no time"
    lacks = f"a time ({times[0]}), but not two columns of ids that repeat"
    return "; ".join(filter(None, (lacks, first_lines.sentence(each))))


def _add_keys(draft: Draft) -> None:
    tables = draft.mapping
    for table in tables.tables:
        if table.delivery is None:
            draft.tables[table.name] = Keys()
            continue
        found = draft.tables[table.name] = keys.of_table(table)
        if table.name != "events":
            keys.add_values(found, table)
            keys.add_missing_ids(found, table, "user_id" if table.name == "users" else "item_id")
    of_events = draft.tables["events"]
    events = full_read.read(tables.events, of_events.values.get("timestamp_format"))
    if events.is_whole:
        found = tables.events.delivery.sample
        found.n_rows, found.is_exact = events.rows.height, True
    keys.add_event_keys(of_events, tables.events, events.words)
    for table, ours in ((tables.users, "user"), (tables.items, "item")):
        _add_complete(draft, table, events, ours)
    relevant = _relevant(of_events, tables.events)
    windows = cut.propose(events.rows, relevant)
    draft.shop = _shop_keys(draft, relevant, windows)
    if windows and windows.thin_since is not None:
        _add_thin_end(of_events, windows)
    draft.remarks += [remark for found in draft.tables.values() for remark in found.remarks]


def _relevant(of_events: Keys, table: TableDraft) -> list[str]:
    """What counts as a success: purchases if there are some, else ratings, carts or views."""
    if constant := of_events.values.get("event_type"):
        return [constant.value] if constant.value != "return" else ["purchase"]
    values = of_events.values.get("event_values")
    known = set(table.column("event_type").words.to_list()) | set(values.value.values() if values else ())
    return [next((kind for kind in ("purchase", "rating", "cart", "view") if kind in known), "view")]


def _add_complete(draft: Draft, table: TableDraft, events: full_read.Events, ours: str) -> None:
    """Whether the events have ids that the table lacks."""
    if table.delivery is None or not table.delivery.sample.is_whole:
        return
    known = table.column(f"{ours}_id").words
    ids = events.rows.get_column(ours).drop_nulls()
    lacking = ids.len() - int(ids.str.replace(r"\.0+$", "").is_in(known.str.replace(r"\.0+$", "").implode()).sum())
    share = lacking / ids.len() if ids.len() else 0.0
    if share > MIN_MISSING:
        lacks = f"{percent(share)} of the events have ids that {table.delivery.label} lacks"
        doubt = f"{lacks}; true: these events are errors"
        draft.tables[table.name].values["complete"] = Key(False, doubt=doubt)


def _shop_keys(draft: Draft, relevant: list[str], windows: cut.Cut | None) -> dict[str, Key]:
    about = f"{draft.mapping.events.delivery.sample.size} events"
    if windows:
        about += f", {windows.first:%Y-%m-%d} to {windows.last:%Y-%m-%d}"
    found = {
        "title": Key(draft.name),
        "about": Key(f"{about[0].upper()}{about[1:]}."),
        "currency": hints.currency(draft.mapping),
        "time_zone": hints.time_zone(draft.mapping),
        "simulated": Key(False),
        "cut": Key("auto", doubt='the test window is the last days of the data; or a day, like "2025-11-01"'),
    }
    if windows:
        best, others = windows.best, windows.others
        text = f"the validation window can evaluate {best.validation:,} users, the test window {best.test:,}"
        alternatives = "; ".join(f"{w.days} days: {w.validation:,} and {w.test:,}" for w in others[:3])
        found["horizon_days"] = Key(best.days, doubt=f"{text}; {alternatives}" if others else text)
    else:
        found["horizon_days"] = Key("auto", doubt="or a number of days")
    found["relevant_events"] = Key(relevant, note="what recommendations are evaluated against")
    return found


def _add_thin_end(of_events: Keys, windows: cut.Cut) -> None:
    """Leave out the last weeks of a feed that thins out."""
    day = f"{windows.thin_since:%Y-%m-%d}"
    rule = {"since": day, "reason": "so few events a week say nothing about a shop: the feed thins out and ends"}
    exclude = of_events.values.setdefault("exclude", Key({}))
    exclude.value["thin_end"] = rule
    exclude.doubt = "; ".join(filter(None, (exclude.doubt, "or keep the last weeks")))
