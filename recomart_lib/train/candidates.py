"""From the whole catalogue to the few items per user that a ranker looks at, with what simple models say of them.

Candidates of a user are all items that the user already took (`own`), and the best new ones of every *source*, a model
that was fitted at the cut. One row is one candidate: the sources' scores and ranks, and what the feature store knows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib import models
from recomart_lib.core import parallel
from recomart_lib.features import feature_store
from recomart_lib.models.base import Model, TrainData
from recomart_lib.models.own_history import OwnHistoryDecayed
from recomart_lib.models.top_k import top_k

log = logging.getLogger(__name__)

# Source -> the model and its hyper-parameters.
SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "ease": ("ease", {"reg": 200.0, "precision": "single"}),
    "item_knn": ("item_knn", {"n_neighbours": 200}),
    "basket": ("basket", {"decay_days": 40.0}),
    "als": ("als", {"n_factors": 64, "reg": 5.0, "alpha": 2.0, "n_epochs": 15}),
    "recent_week": ("recent_popularity", {"window_days": 7}),
    "recent_month": ("recent_popularity", {"window_days": 30}),
}
MOST_ITEMS = {"ease": 10_000}  # in a larger catalogue this source is left out: its time grows with n_items^3
N_NEW = 50  # new items that each source proposes to a user
YARDSTICK = 10  # a score is told in units of the user's so many-th best new one
BLOCK = 512
KNOWN = ("user_id", "item_id", "user_idx", "item_idx", "as_of")
WORDS = {
    "score": "what {source} says of it",
    "rank": f"its place among the {N_NEW} new products that {{source}} likes most for the user",
    "relative": f"what {{source}} says of it / what it says of its place {YARDSTICK} for the user",
}


@dataclass(frozen=True)
class Candidates:
    """The candidates of any users at the cut of `data`; the sources are fitted when they are first asked.

    Parameters
    ----------
    pairs
        Features of the pairs with a relevant event: user_idx, item_idx, interaction__x.
    users, items
        Features as of the cut, one row per index, in its order: user__x; item__x.
    """

    data: TrainData
    pairs: pl.DataFrame
    users: pl.DataFrame
    items: pl.DataFrame

    _fitted: dict[str, Model] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)  # cached_property would let one object fit at a time, of all there are

    @property
    def sources(self) -> dict[str, Model]:
        """The fitted sources; what would be too slow for this catalogue is left out."""
        with self._lock:
            if not self._fitted:
                self._fitted.update(self._fit_sources())
        return self._fitted

    def _fit_sources(self) -> dict[str, Model]:
        able = {name: how for name, how in SOURCES.items() if self.data.n_items <= MOST_ITEMS.get(name, np.inf)}
        for name in SOURCES.keys() - able.keys():
            log.warning("candidates: %s is no source for %s items", name, f"{self.data.n_items:,}")
        fitted = parallel.each(lambda how: models.create(how[0], **how[1]).fit(self.data), able.values())
        return dict(zip(able, fitted, strict=True))

    @cached_property
    def own(self) -> sparse.csr_matrix:
        """The level of every own item: see `OwnHistoryDecayed`."""
        return OwnHistoryDecayed().fit(self.data).arrays["levels"]

    def __call__(self, users: np.ndarray) -> pl.DataFrame:
        """One row per candidate of these users (distinct user_idx, in ascending order).

        Returns
        -------
        DataFrame
            user_idx, item_idx, own (the user took it before); per source x: x__score, x__rank (1 = best; null: not
            among its best new ones), x__relative; own__rank (in the decayed own history; null: new); and the features.
            Sorted by user_idx and item_idx. Numbers are Float32. A source that was left out says null.
        """
        asked = np.asarray(users, dtype=np.int64)
        return pl.concat(parallel.each(self._block, np.split(asked, range(BLOCK, len(asked), BLOCK))))

    def _block(self, users: np.ndarray) -> pl.DataFrame:
        own = self.data.relevant[users]
        found = {name: _asked(model, users, own) for name, model in self.sources.items()}
        had = own.toarray() > 0
        chosen = had.copy()
        for _, ranks, _ in found.values():
            chosen |= ranks > 0
        row, item = np.nonzero(chosen)
        columns = {"own": had[row, item]}
        for name in SOURCES:
            if name not in found:
                columns |= dict.fromkeys(
                    (f"{name}__score", f"{name}__rank", f"{name}__relative"), np.full(len(row), np.nan)
                )
                continue
            scores, ranks, tenth = found[name]
            columns[f"{name}__score"] = scores[row, item]
            columns[f"{name}__rank"] = np.where(ranks[row, item] > 0, ranks[row, item], np.nan)
            columns[f"{name}__relative"] = scores[row, item] / tenth[row]
        columns["own__rank"] = _own_ranks(self.own[users])[row, item]
        table = pl.DataFrame({name: _column(values) for name, values in columns.items()})
        keys = pl.DataFrame([pl.Series("user_idx", users[row], pl.Int32), pl.Series("item_idx", item, pl.Int32)])
        told = keys.join(self.pairs, on=["user_idx", "item_idx"], how="left", maintain_order="left")
        return pl.concat(
            [keys, table, self.users[users[row]], self.items[item], told.drop("user_idx", "item_idx")],
            how="horizontal",
        )


def at(window: dict[str, pl.DataFrame], data: TrainData, features: pl.DataFrame, service: str) -> Candidates:
    """The candidates at the cut of `data`.

    Parameters
    ----------
    window
        The encoders `users` and `items` of the cut.
    features
        Of the pairs with a relevant event, as of the cut: see `lessons.features`.
    """
    known = {}
    for entity in ("user", "item"):
        keys = window[f"{entity}s"].sort(f"{entity}_idx").select(f"{entity}_id", as_of=pl.lit(data.cut))
        known[entity] = _small(feature_store.training_frame(keys, service))
    pairs = features.select("user_idx", "item_idx", pl.selectors.starts_with("interaction__"))
    pairs = pairs.select("user_idx", "item_idx", *_small(pairs.drop("user_idx", "item_idx")).get_columns())
    return Candidates(data, pairs, known["user"], known["item"])


def _asked(model: Model, users: np.ndarray, own: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores and ranks of the best new items (0: not among them), both (n, n_items), and each user's yardstick (n,)."""
    scores = model.score(users)
    idx, best = top_k(scores, N_NEW, own)
    ranks = np.zeros(scores.shape, dtype=np.int16)
    row, place = np.nonzero(idx >= 0)
    ranks[row, idx[row, place]] = place + 1
    tenth = np.abs(best[:, YARDSTICK - 1])
    return scores.astype(np.float32), ranks, np.where(np.isfinite(tenth) & (tenth > 1e-6), tenth, np.nan)


def _own_ranks(levels: sparse.csr_matrix) -> np.ndarray:
    """(n, n_items): each own item's place by its level, 1 = highest; equal levels share the best place; else NaN."""
    ranks = np.full(levels.shape, np.nan, dtype=np.float32)
    for row in range(levels.shape[0]):
        part = slice(*levels.indptr[row : row + 2])
        ordered = np.sort(-levels.data[part])
        ranks[row, levels.indices[part]] = np.searchsorted(ordered, -levels.data[part]) + 1
    return ranks


def _column(values: np.ndarray) -> pl.Series:
    """Booleans as they are; numbers as Float32, NaN being null."""
    return pl.Series(values) if values.dtype == bool else pl.Series(values.astype(np.float32)).fill_nan(None)


def _small(features: pl.DataFrame) -> pl.DataFrame:
    """The numeric features as Float32; words are no matter for trees."""
    return features.select(pl.selectors.numeric().cast(pl.Float32))


def is_of_source(name: str) -> bool:
    """Whether a column of the candidates is made by a source, and not by the feature store."""
    return name.partition("__")[0] in (*SOURCES, "own")


def words(name: str, formulas: Callable[[str], str]) -> str:
    """What a column of the candidates means; `formulas` knows the features' words by name, like `user.order_count`."""
    source, _, kind = name.partition("__")
    if source in SOURCES:
        return WORDS[kind].format(source=source)
    if source == "own":
        return "its place in the user's own history, what is taken often and lately first"
    return formulas(f"{source}.{kind}")
