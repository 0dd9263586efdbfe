"""The catalogue of all features, and the versions that models pin."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.features import items, pairs, users
from recomart_lib.features.base import KEYS, Definition, Group

GROUPS: tuple[Group, ...] = (*users.GROUPS, *items.GROUPS, *pairs.GROUPS)
DEFINITIONS: tuple[Definition, ...] = tuple(
    Definition(g.entity, f.name, f.dtype, f.formula, f.unit, f.null, f.owner, g.reads, f.since)
    for entity in KEYS
    for g in GROUPS
    if g.entity == entity
    for f in g.features
)
# Feature service -> its definitions.
SERVICES: dict[str, tuple[Definition, ...]] = {
    f"recommender_v{n}": tuple(d for d in DEFINITIONS if d.since <= n)
    for n in range(1, max(d.since for d in DEFINITIONS) + 1)
}
NEWEST = list(SERVICES)[-1]


def names(entity: str) -> list[str]:
    """The features of an entity, in the order of their definition."""
    return [definition.name for definition in DEFINITIONS if definition.entity == entity]


def definitions(service: str) -> tuple[Definition, ...]:
    """The definitions of a version of the feature service.

    Raises
    ------
    UserError
        If the version does not exist; the message suggests the closest name.
    """
    if service not in SERVICES:
        raise UserError(f"There is no feature service '{service}'. {suggestion(service, list(SERVICES))}")
    return SERVICES[service]


def find(name: str) -> list[Definition]:
    """The definitions with this name (`average_rating`), or the one with this reference (`user.average_rating`).

    Raises
    ------
    UserError
        If there is none; the message suggests the closest name.
    """
    matches = [d for d in DEFINITIONS if name in (d.name, d.ref)]
    if not matches:
        candidates = [d.ref if "." in name else d.name for d in DEFINITIONS]
        raise UserError(f"There is no feature '{name}'. {suggestion(name, sorted(set(candidates)))}")
    return matches


def table() -> pl.DataFrame:
    """One row per definition, for display."""
    return pl.DataFrame(
        [
            (d.entity, d.name, d.formula, d.unit, d.null, ", ".join(d.reads), f"v{d.since}", d.owner)
            for d in DEFINITIONS
        ],
        schema=["entity", "name", "formula", "unit", "null", "reads", "since", "owner"],
        orient="row",
    )
