"""Whether the rows of a file with a key are users or items: by its columns first, by its names second."""

from __future__ import annotations

from recomart.draft import entities, vocabulary
from recomart.draft.column_profile import Column
from recomart.draft.delivery import Delivery

PERSONAL = ("email", "phone", "person_name", "street", "birth_date", "card", "postcode")


def leaning(delivery: Delivery, key: Column) -> float:
    """Above 0: the rows are users; below 0: items; from -1 to 1."""
    others = [column for column in delivery.columns if column.name != key.name]
    user = sum(_of_user(column) for column in others)
    item = sum(_of_item(column) for column in others)
    content = (user - item) / (user + item + 0.5)
    named = vocabulary.agreement(key.name, "user_id") - vocabulary.agreement(key.name, "item_id")
    file = _by_file(delivery.group.files[0].stem)
    return max(-1.0, min(1.0, 0.7 * content + 0.3 * named + 0.3 * file))


def _of_user(column: Column) -> float:
    if column.personal in PERSONAL:
        return 1.0
    content = (entities.evidence(column, ours) for ours in ("gender", "age", "signup_date"))
    return max(
        0.0,
        *(0.8 * found.content if found.content >= 0.6 else 0.0 for found in content),
        *_by_name(column, entities.USERS),
    )


def _of_item(column: Column) -> float:
    if column.personal:
        return 0.0
    name, price = (entities.evidence(column, ours).content for ours in ("name", "price"))
    found = max(0.9 * name if name > 0.6 else 0.0, 0.8 if price >= 0.8 else 0.0, 0.5 if column.is_url else 0.0)
    return max(found, *_by_name(column, entities.ITEMS))


def _by_name(column: Column, ours: tuple[str, ...]) -> list[float]:
    return [0.8 * found.name for found in (entities.evidence(column, our) for our in ours) if found.content > 0] or [
        0.0
    ]


def _by_file(stem: str) -> float:
    """What the name of the file says: 1 for users, -1 for items."""
    groups = vocabulary.synonyms()["words"]
    words = set(vocabulary.words(stem))
    users, items = ({vocabulary.plain(word) for word in groups[kind]} for kind in ("user", "item"))
    return float(bool(words & users)) - float(bool(words & items))
