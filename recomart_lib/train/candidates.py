"""Candidate generation: from the whole catalogue to the few items per user that a ranker scores.

Candidates of a user are all items in the purchase history (`own`), and the best new items of every *source*, a model
fitted at the cut. One row is one candidate: the scores and ranks of the sources, and the features of the store.
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
from recomart_lib.models import blocks
from recomart_lib.models.base import Model, TrainData
from recomart_lib.models.own_history import OwnHistoryDecayed
from recomart_lib.models.sparse_scores import SparseScores, distinct, find, row_numbers
from recomart_lib.models.top_k import best_of, model_scores

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
N_NEW = 50  # new items per user from each source
REFERENCE_RANK = 10  # x__relative divides a score by that of the new item at this rank
BLOCK = 256  # users whose candidates are found at once; fewer in a large catalogue
DESCRIPTIONS = {
    "score": "score of {source}",
    "rank": f"rank among the {N_NEW} best new products of {{source}} for the user",
    "relative": f"score of {{source}} / its score at rank {REFERENCE_RANK} of the user's new products",
}


@dataclass(frozen=True)
class Candidates:
    """The candidates of any users at the cut of `data`; the sources are fitted at the first call (see `release`).

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
    _lock: Lock = field(default_factory=Lock)  # cached_property would lock all objects, not this one

    @property
    def sources(self) -> dict[str, Model]:
        """The fitted sources; those that would need more than `TrainData.budget` are left out."""
        with self._lock:
            if not self._fitted:
                self._fitted.update(self._fit_sources())
        return self._fitted

    def release(self) -> None:
        """Free the memory of the fitted sources. They are fitted again if candidates are needed once more."""
        with self._lock:
            self._fitted.clear()

    def _fit_sources(self) -> dict[str, Model]:
        possible = {}
        for name, (model, hyperparameters) in SOURCES.items():
            cost = models.create(model, **hyperparameters).cost(self.data)
            if excess := self.data.budget.excess(cost):
                log.warning("candidates: the source %s is left out: %s", name, excess)
            else:
                possible[name] = (model, hyperparameters)
        fitted = parallel.thread_map(
            lambda source: self.data.fitted(models.create(source[0], **source[1])), possible.values()
        )
        return dict(zip(possible, fitted, strict=True))

    @cached_property
    def own(self) -> sparse.csr_matrix:
        """The level of every item in the purchase history: see `OwnHistoryDecayed`."""
        return OwnHistoryDecayed().fit(self.data).arrays["levels"]

    def __call__(self, users: np.ndarray) -> pl.DataFrame:
        """One row per candidate of these users (distinct user_idx, in ascending order).

        Returns
        -------
        DataFrame
            user_idx, item_idx, own (in the purchase history); per source x: x__score, x__rank (1 = best; null: not
            among its best new items), x__relative; own__rank (in the decayed purchase history; null: new); and the
            features. Sorted by user_idx and item_idx. Numbers are Float32. Null for a source that was left out.
        """
        user_idx = np.asarray(users, dtype=np.int64)
        size = min(BLOCK, blocks.score_rows(self.data.n_items))
        return pl.concat(parallel.thread_map(self._block, np.split(user_idx, range(size, len(user_idx), size))))

    def _block(self, users: np.ndarray) -> pl.DataFrame:
        history, n_items = self.data.relevant[users], self.data.n_items
        best = {name: _best_new(model, users, history) for name, model in self.sources.items()}
        own = row_numbers(history) * n_items + history.indices
        keys = distinct(own, *(source.keys for source in best.values()))
        is_own = np.zeros(len(keys), dtype=bool)
        is_own[np.searchsorted(keys, own)] = True
        columns = {"own": is_own}
        for name in SOURCES:
            values = best[name].columns(keys, n_items) if name in best else dict.fromkeys(DESCRIPTIONS, _nan(keys))
            columns |= {f"{name}__{kind}": column for kind, column in values.items()}
        columns["own__rank"] = _nan(keys)
        columns["own__rank"][is_own] = _own_ranks(self.own[users])
        table = pl.DataFrame({name: _column(values) for name, values in columns.items()})
        row, item = np.divmod(keys, n_items)
        index = pl.DataFrame([pl.Series("user_idx", users[row], pl.Int32), pl.Series("item_idx", item, pl.Int32)])
        features = [self.users[users[row]], self.items[item], self._pair_features(users[row] * n_items + item, is_own)]
        return pl.concat([index, table, *features], how="horizontal")

    @cached_property
    def _pair_keys(self) -> tuple[np.ndarray, pl.DataFrame]:
        """One ascending number per row of `pairs`, and their features in the same order."""
        ordered = self.pairs.sort("user_idx", "item_idx")
        user, item = (ordered.get_column(name).cast(pl.Int64).to_numpy() for name in ("user_idx", "item_idx"))
        return user * self.data.n_items + item, ordered.drop("user_idx", "item_idx")

    def _pair_features(self, keys: np.ndarray, is_own: np.ndarray) -> pl.DataFrame:
        """The features of these pairs; null for pairs that are not in `pairs`. Only own pairs are looked up."""
        known, features = self._pair_keys
        position, is_known = find(known, keys[is_own])
        rows = np.full(len(keys), -1)
        rows[is_own] = np.where(is_known, position, -1)
        return features.select(pl.all().gather(pl.Series(rows).replace(-1, None)))


def build_candidates(
    window: dict[str, pl.DataFrame], data: TrainData, features: pl.DataFrame, service: str
) -> Candidates:
    """The candidates at the cut of `data`.

    Parameters
    ----------
    window
        The encoders `users` and `items` of the cut.
    features
        Of the pairs with a relevant event, as of the cut: see `train_data.pair_features`.
    """
    entities = {}
    for entity in ("user", "item"):
        keys = window[f"{entity}s"].sort(f"{entity}_idx").select(f"{entity}_id", as_of=pl.lit(data.cut))
        entities[entity] = _numeric(feature_store.training_frame(keys, service))
    pairs = features.select("user_idx", "item_idx", pl.selectors.starts_with("interaction__"))
    pairs = pairs.select("user_idx", "item_idx", *_numeric(pairs.drop("user_idx", "item_idx")).get_columns())
    return Candidates(data, pairs, entities["user"], entities["item"])


@dataclass(frozen=True)
class _BestNew:
    """The best new items of a source for a block of users.

    `keys`: row * n_items + item of each, by row and rank; `ranks`: 1 = best; `reference`: see `REFERENCE_RANK`, one per
    row, NaN where there is none.
    """

    scores: np.ndarray | SparseScores
    keys: np.ndarray
    ranks: np.ndarray
    reference: np.ndarray

    def columns(self, keys: np.ndarray, n_items: int) -> dict[str, np.ndarray]:
        """The columns of the candidates with these ascending keys, see `DESCRIPTIONS`."""
        row, item = np.divmod(keys, n_items)
        scores = self.scores.at(row, item) if isinstance(self.scores, SparseScores) else self.scores[row, item]
        scores = scores.astype(np.float32)
        ranks = _nan(keys)
        ranks[np.searchsorted(keys, self.keys)] = self.ranks
        return {"score": scores, "rank": ranks, "relative": scores / self.reference[row]}


def _best_new(model: Model, users: np.ndarray, history: sparse.csr_matrix) -> _BestNew:
    """The `N_NEW` best items of each user that are not in the history."""
    scores = model_scores(model, users)
    idx, best = best_of(scores, N_NEW, history)
    row, place = np.nonzero(idx >= 0)
    reference = np.abs(best[:, REFERENCE_RANK - 1])
    reference = np.where(np.isfinite(reference) & (reference > 1e-6), reference, np.nan)
    return _BestNew(scores, row * scores.shape[1] + idx[row, place], place + 1, reference)


def _own_ranks(levels: sparse.csr_matrix) -> np.ndarray:
    """Per stored level, its rank in the row: 1 = highest; equal levels share the best rank."""
    row = row_numbers(levels)
    order = np.lexsort((-levels.data, row))  # the rows stay where they are
    level = levels.data[order]
    is_first = np.ones(len(row), dtype=bool)
    is_first[1:] = (row[1:] != row[:-1]) | (level[1:] != level[:-1])
    first = np.maximum.accumulate(np.where(is_first, np.arange(len(row)), 0))
    ranks = np.empty(len(row), dtype=np.float32)
    ranks[order] = first - levels.indptr[row] + 1
    return ranks


def _nan(keys: np.ndarray) -> np.ndarray:
    return np.full(len(keys), np.nan, dtype=np.float32)


def _column(values: np.ndarray) -> pl.Series:
    """Booleans unchanged; numbers as Float32, with NaN as null."""
    return pl.Series(values) if values.dtype == bool else pl.Series(values.astype(np.float32)).fill_nan(None)


def _numeric(features: pl.DataFrame) -> pl.DataFrame:
    """The numeric features as Float32; the trees do not use strings."""
    return features.select(pl.selectors.numeric().cast(pl.Float32))


def is_source_column(name: str) -> bool:
    """Whether a column of the candidates comes from a source, and not from the feature store."""
    return name.partition("__")[0] in (*SOURCES, "own")


def describe_column(name: str, formulas: Callable[[str], str]) -> str:
    """The meaning of a column of the candidates; `formulas` describes features by name, such as `user.order_count`."""
    source, _, kind = name.partition("__")
    if source in SOURCES:
        return DESCRIPTIONS[kind].format(source=source)
    if source == "own":
        return "rank in the user's purchase history, most often and most recently bought first"
    return formulas(f"{source}.{kind}")
