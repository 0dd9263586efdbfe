"""All that the dry run of a shop says, in the order of the stages."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from recomart.dry_run import findings, models, quality, resources, sample, windows
from recomart.dry_run.finding import Finding
from recomart.dry_run.quality import Quality
from recomart.dry_run.resources import Estimate
from recomart.dry_run.sample import MAX_ROWS, SAMPLE_ROWS, Sample
from recomart.dry_run.windows import FEW_USERS, Split
from recomart.project.params import Params
from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.validate import quality_rules


@dataclass
class Result:
    """What the stages will say; what cannot be known stays empty.

    `scores`: see `Quality.scores`. `stops`: stage -> the sentence with which it would stop. `windows`: one row per
    window, with numbers of users in all data; `no_windows` says why there are none, and `notes` what else 04 will say.
    `catalogue`: products of all events and of the items table, and those and the users before the test window, on which
    models are fitted. `left_out`: model -> why.
    """

    sample: Sample
    min_score: float
    scores: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=quality.SCORES))
    findings: list[Finding] = field(default_factory=list)
    stops: dict[str, str] = field(default_factory=dict)
    windows: list[dict[str, Any]] = field(default_factory=list)
    no_windows: str = ""
    notes: list[str] = field(default_factory=list)
    catalogue: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    estimate: Estimate | None = None

    @property
    def score(self) -> float | None:
        """That of the lowest table, as in 02."""
        return self.scores.get_column("score").min()


def run(
    shop: Shop, source: Path, parameters: Params, sample_rows: int = SAMPLE_ROWS, max_rows: int = MAX_ROWS
) -> Result:
    """Read a sample of a shop's files, and let the code of the stages work on it.

    Parameters
    ----------
    source
        The folder with the files.
    sample_rows, max_rows
        See `sample.read`.

    Raises
    ------
    UserError
        If a table has not been fetched from the shop's API yet.
    """
    _require_fetched(shop, source)
    rules = quality_rules.of_shop(parameters.validate_, shop)
    read = sample.read(shop, source, parameters.ingest, sample_rows, max_rows)
    result = Result(read, 100 * rules.min_quality)
    if read.problems:
        result.stops["01_ingest"] = read.problems[0].message
    if not read.tables:
        return result
    with _without_warnings(), quality.checked(shop, read, rules) as checked:
        result.scores, result.findings = checked.scores(read), findings.findings(shop, read, checked)
        if verdict := checked.verdict:
            result.stops["02_validate"] = verdict
        _add_split(result, shop, checked, parameters)
    return result


def _require_fetched(shop: Shop, source: Path) -> None:
    names = [name for name in shop.delivered if shop.table(name).kind == "rest"]
    if missing := [name for name in names if not (source / f"{name}.jsonl").exists()]:
        raise UserError(
            f"There is nothing to check yet: {', '.join(missing)} of shop '{shop.name}' come from its API. "
            "Run `recomart stage 01_ingest`, which fetches them, and then this command again."
        )


@contextmanager
def _without_warnings() -> Iterator[None]:
    """What the stages would log is part of the result."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _add_split(result: Result, shop: Shop, checked: Quality, parameters: Params) -> None:
    """Add what 04 and 06 will say."""
    read = result.sample
    if "events" not in read.tables:
        result.no_windows = "the events could not be read"
    elif not read.readings["events"].is_complete:
        result.no_windows = "not all events were read, so that the histories of users have gaps"
    else:
        try:
            split = windows.split(shop, checked, parameters.prepare)
            _add_windows(result, shop, split)
            _add_models(result, shop, split, parameters)
        except UserError as problem:
            result.stops["04_prepare"] = result.no_windows = str(problem)
    if "events" in read.tables:
        events, known = read.readings["events"], result.catalogue
        sizes = events.estimated, known.get("users_before_test", 0), known.get("products_before_test", 0)
        result.estimate = resources.estimate(*sizes, events.seconds, events.delivered)


def _add_windows(result: Result, shop: Shop, split: Split) -> None:
    share, zone = result.sample.share, ZoneInfo(shop.time_zone)
    result.notes = split.notes
    estimated = split.estimated(share)
    for window in split.windows:
        days = {"first_day": window.start, "until": window.end}
        shown = {name: moment.astimezone(zone).date() for name, moment in days.items()}
        result.windows.append({"window": window.name, **shown, **estimated[window.name]})
    if split.stop:
        result.stops["04_prepare"] = split.stop
    n_fewest = min(window["evaluated_all"] for window in result.windows)
    if n_fewest < FEW_USERS and (better := windows.better(shop, split, share)):
        keys, n_users = better
        advice = ", ".join(f"{key}: {value}" for key, value in keys.items())
        what = f"a window can evaluate only {n_fewest:,} users; with the advice, both at least {n_users:,}"
        result.findings.append(Finding("events", what, 0, 0.0, None, advice))


def _add_models(result: Result, shop: Shop, split: Split, parameters: Params) -> None:
    read, train = result.sample, parameters.train
    data = models.test_data(shop, split, read.share, item_times(shop, read))
    result.catalogue = {
        "products": _n_products(shop, read),
        "products_before_test": data.n_items,
        "users_before_test": data.n_users,
    }
    result.left_out = models.left_out(data, train, parameters.base.seed)


def item_times(shop: Shop, read: Sample) -> pl.DataFrame:
    """When each product was seen first; without ids that are in no complete items table, as 02 refuses their events."""
    times = read.readings["events"].item_times
    if "items" not in read.tables or read.readings["items"].share < 1 or not shop.table("items").complete:
        return times
    return times.join(read.tables["items"].rows, on="item_id", how="semi")


def _n_products(shop: Shop, read: Sample) -> int:
    """Distinct products of all events that are used, and of the items table; its lines, if it is too large to count."""
    in_events = item_times(shop, read).get_column("item_id")
    if "items" not in read.tables:
        return in_events.n_unique()
    if read.readings["items"].share < 1:
        return read.readings["items"].estimated
    return pl.concat([in_events, read.tables["items"].rows.get_column("item_id").drop_nulls()]).n_unique()
