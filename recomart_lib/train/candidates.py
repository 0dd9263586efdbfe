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
N_NEW = 50  # new items per user from each source
REFERENCE_RANK = 10  # x__relative divides a score by that of the new item at this rank
BLOCK = 512
DESCRIPTIONS = {
    "score": "score of {source}",
    "rank": f"rank among the {N_NEW} best new products of {{source}} for the user",
    "relative": f"score of {{source}} / its score at rank {REFERENCE_RANK} of the user's new products",
}


@dataclass(frozen=True)
class Candidates:
    """The candidates of any users at the cut of `data`; the sources are fitted at the first call.

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
        """The fitted sources; those that are too slow for this catalogue are left out."""
        with self._lock:
            if not self._fitted:
                self._fitted.update(self._fit_sources())
        return self._fitted

    def _fit_sources(self) -> dict[str, Model]:
        possible = {
            name: source for name, source in SOURCES.items() if self.data.n_items <= MOST_ITEMS.get(name, np.inf)
        }
        for name in SOURCES.keys() - possible.keys():
            log.warning("candidates: the source %s is left out for %s items", name, f"{self.data.n_items:,}")
        fitted = parallel.thread_map(
            lambda source: self.data.fitted(source[0], **source[1]), possible.values()
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
        return pl.concat(parallel.thread_map(self._block, np.split(user_idx, range(BLOCK, len(user_idx), BLOCK))))

    def _block(self, users: np.ndarray) -> pl.DataFrame:
        history = self.data.relevant[users]
        scored = {name: _score_new_items(model, users, history) for name, model in self.sources.items()}
        is_own = history.toarray() > 0
        is_candidate = is_own.copy()
        for _, ranks, _ in scored.values():
            is_candidate |= ranks > 0
        row, item = np.nonzero(is_candidate)
        columns = {"own": is_own[row, item]}
        for name in SOURCES:
            scores, ranks, reference = scored.get(name, (None, None, None))
            missing = np.full(len(row), np.nan)
            columns |= {
                f"{name}__score": missing if scores is None else scores[row, item],
                f"{name}__rank": missing if ranks is None else np.where(ranks[row, item] > 0, ranks[row, item], np.nan),
                f"{name}__relative": missing if scores is None else scores[row, item] / reference[row],
            }
        columns["own__rank"] = _own_ranks(self.own[users])[row, item]
        table = pl.DataFrame({name: _column(values) for name, values in columns.items()})
        keys = pl.DataFrame([pl.Series("user_idx", users[row], pl.Int32), pl.Series("item_idx", item, pl.Int32)])
        pairs = keys.join(self.pairs, on=["user_idx", "item_idx"], how="left", maintain_order="left")
        return pl.concat(
            [keys, table, self.users[users[row]], self.items[item], pairs.drop("user_idx", "item_idx")],
            how="horizontal",
        )


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


def _score_new_items(
    model: Model, users: np.ndarray, history: sparse.csr_matrix
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores and ranks of the best new items (0: not among them), both (n, n_items), and reference scores (n,)."""
    scores = model.score(users)
    idx, best = top_k(scores, N_NEW, history)
    ranks = np.zeros(scores.shape, dtype=np.int16)
    row, place = np.nonzero(idx >= 0)
    ranks[row, idx[row, place]] = place + 1
    reference = np.abs(best[:, REFERENCE_RANK - 1])
    return scores.astype(np.float32), ranks, np.where(np.isfinite(reference) & (reference > 1e-6), reference, np.nan)


def _own_ranks(levels: sparse.csr_matrix) -> np.ndarray:
    """(n, n_items): the rank of each own item by its level, 1 = highest; equal levels share the best rank; else NaN."""
    ranks = np.full(levels.shape, np.nan, dtype=np.float32)
    for row in range(levels.shape[0]):
        part = slice(*levels.indptr[row : row + 2])
        ordered = np.sort(-levels.data[part])
        ranks[row, levels.indices[part]] = np.searchsorted(ordered, -levels.data[part]) + 1
    return ranks


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
