"""Two stages: several simple models generate candidates, and boosted trees rank them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core import parallel
from recomart_lib.core.errors import UserError
from recomart_lib.models import boosted_trees
from recomart_lib.models.base import CandidateGenerator, TrainData, categorical, numeric
from recomart_lib.models.own_history import OwnHistoryDecayed
from recomart_lib.models.sparse_scores import SparseScores, distinct

log = logging.getLogger(__name__)

BLOCK = 256  # users whose candidates are in memory at once, per core
RANKED = ("user_idx", "item_idx", "level")
# hyper-parameter `objective` -> array name -> LightGBM's objective
RANKERS = {
    "binary": {"trees": "binary"},
    "lambdarank": {"trees": "lambdarank"},
    "both": {"trees": "lambdarank", "binary_trees": "binary"},
}


@dataclass(eq=False)
class TwoStage(OwnHistoryDecayed):
    """score(u, i) = level(u, i) + users(i) / (1 + max users), as in `OwnHistory`; here the level is learned.

    Boosted trees score the candidates of a user (`TrainData.candidates`) from the scores of their sources and the
    features of user, item and pair. They learn from labelled candidates at earlier cuts (`TrainData.examples`). The
    level is the dense rank of the score among the user's candidates (1 = lowest); the other items follow by popularity.
    A user is ranked at the first `score`, or at the latest when the model is saved. Without examples, the order is that
    of own_history_decayed.

    `objective`: binary estimates the probability that the user buys the candidate in the next window; lambdarank
    compares the candidates of a user; both adds the scores of the two, each divided by its standard deviation over the
    training examples.

    Source: Covington et al., Deep neural networks for YouTube recommendations, 2016 (two stages); Burges, From RankNet
    to LambdaRank to LambdaMART, 2010; Ke et al., LightGBM, 2017.
    """

    name: ClassVar[str] = "two_stage"
    reads: ClassVar[tuple[str, ...]] = ("examples", "candidates")
    reads_features: ClassVar[bool] = True
    n_trees: int = numeric(200, 1)
    n_leaves: int = numeric(31, 2)
    learning_rate: float = numeric(0.06, 1e-6)
    min_rows: int = numeric(100, 1)
    feature_share: float = numeric(0.3, 1e-6)
    objective: str = categorical(*RANKERS)
    seed: int = numeric(42, 0)
    _candidates: CandidateGenerator | None = field(init=False, repr=False, default=None)
    _unranked: np.ndarray | None = field(init=False, repr=False, default=None)  # (n_users,) True: not ranked yet
    _n_kept: int = field(init=False, repr=False, default=0)
    _new_only: bool = field(init=False, repr=False, default=False)
    _kept: list[pl.DataFrame] = field(init=False, repr=False, default_factory=list)
    _lock: Lock = field(init=False, repr=False, default_factory=Lock)  # several threads may ask for lists

    def fit(self, data: TrainData) -> Self:
        """Fit the trees to the training examples."""
        super().fit(data)
        self._candidates = self._unranked = None
        self._kept = []
        self.arrays["trees"] = np.empty(0, dtype=np.uint8)
        if data.examples is None or data.candidates is None or data.examples.get_column("label").n_unique() < 2:
            log.warning(
                "two_stage: nothing to learn from before %s; falling back to own_history_decayed", data.cut.date()
            )
            return self
        log.debug("two_stage: fitting %d training examples", data.examples.height)
        examples = data.examples.sort("as_of", "user_id", "item_id")
        trees = {name: self._fit_trees(examples, objective) for name, objective in RANKERS[self.objective].items()}
        self.arrays |= trees
        if len(trees) > 1:
            deviations = [boosted_trees.score(ranker, examples).std() for ranker in trees.values()]
            self.arrays["deviations"] = np.maximum(deviations, np.finfo(np.float64).tiny)
        self.arrays["levels"] = sparse.csr_matrix((data.n_users, data.n_items))
        self._candidates, self._unranked = data.candidates, np.ones(data.n_users, dtype=bool)
        return self

    def prepare(self, users: np.ndarray, progress: bool = False) -> None:
        """Rank these users, except those that are ranked already."""
        self._rank(users, progress)

    def sparse_score(self, users: np.ndarray) -> SparseScores:
        """See `SparseModel.sparse_score`: the candidates are stored."""
        self._rank(users)
        return super().sparse_score(users)

    def keep_columns(self, k: int, new_only: bool = False) -> None:
        """Keep the columns of the candidates that can be in a list of k, for the users that are ranked from now on.

        `new_only`: in a list without the purchase history. See `kept_columns`.
        """
        self._n_kept, self._new_only = k, new_only

    def kept_columns(self) -> pl.DataFrame | None:
        """The rows of `TrainData.candidates` that `keep_columns` asked for; None: no user was ranked since."""
        return pl.concat(self._kept) if self._kept else None

    def save(self, folder: Path) -> None:
        """Rank the users that are not ranked yet, and write the model."""
        self._rank(np.arange(self.arrays["levels"].shape[0]))
        super().save(folder)

    @property
    def has_learned(self) -> bool:
        """Whether there were training examples."""
        return len(self.arrays.get("trees", ())) > 0

    def contributions(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The contribution of each column to the score of these candidates: see `boosted_trees.contributions`.

        Raises
        ------
        UserError
            If there were no training examples.
        """
        if not self.has_learned:
            raise UserError("two_stage had no training examples before its cut: its scores have no contributions.")
        return boosted_trees.summed(
            [
                boosted_trees.contributions(trees, rows).with_columns(pl.col("contribution") / deviation)
                for trees, deviation in self._rankers()
            ]
        )

    def _rankers(self) -> list[tuple[np.ndarray, float]]:
        """The trees of each ranker, and what its scores are divided by."""
        names = RANKERS[self.objective]
        return [(self.arrays[name], d) for name, d in zip(names, self.arrays.get("deviations", (1.0,)), strict=True)]

    def _fit_trees(self, examples: pl.DataFrame, objective: str) -> np.ndarray:
        settings = {
            "num_leaves": self.n_leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_rows,
            "feature_fraction": self.feature_share,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "lambda_l2": 5.0,
        }
        group = None
        if objective == "lambdarank":
            group = examples.group_by("as_of", "user_id", maintain_order=True).len().get_column("len").to_numpy()
            settings |= {"lambdarank_truncation_level": 30, "label_gain": [0, 1]}
        columns = boosted_trees.numeric_columns(examples)
        return boosted_trees.fit(
            examples, columns, self.n_trees, group, objective=objective, seed=self.seed, **settings
        )

    def _rank(self, users: np.ndarray, progress: bool = False) -> None:
        """Add the levels of the users that are not ranked yet to the arrays, in blocks of users."""
        if self._unranked is None:
            return
        with self._lock:
            pending = distinct(users[self._unranked[users]])
            if len(pending):
                self._rank_pending(pending, progress)
                self._unranked[pending] = False

    def _rank_pending(self, users: np.ndarray, progress: bool) -> None:
        blocks = np.split(users, range(BLOCK, len(users), BLOCK))
        parts = parallel.thread_map(self._rank_block, blocks, f"ranking of {self.name}" if progress else None, "block")
        ranked = [levels for levels, _ in parts]
        if self._n_kept:
            self._kept += [kept for _, kept in parts]
        row, item, level = (pl.concat(ranked).get_column(name).to_numpy() for name in RANKED)
        levels = sparse.csr_matrix((level, (row, item)), self.arrays["levels"].shape)
        self.arrays["levels"] = self.arrays["levels"] + levels

    def _rank_block(self, users: np.ndarray) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The levels of the candidates of these users, and the candidates that `keep_columns` asks for."""
        rows = self._candidates(users)
        ranked = self._rank_candidates(rows)
        return ranked, self._listed(rows, ranked) if self._n_kept else rows.clear()

    def _rank_candidates(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One row per candidate: user_idx, item_idx, level."""
        scores = sum(boosted_trees.score(trees, rows) / deviation for trees, deviation in self._rankers())
        scored = rows.select("user_idx", "item_idx", level=pl.Series(scores))
        return scored.with_columns(pl.col("level").rank("dense").over("user_idx").cast(pl.Float64))

    def _listed(self, rows: pl.DataFrame, ranked: pl.DataFrame) -> pl.DataFrame:
        """The candidates that can be among the first `_n_kept` of a user's list, with their columns."""
        level = ranked.get_column("level").alias("level")
        possible = rows.select("user_idx", "own", level).with_row_index()
        if self._new_only:
            possible = possible.filter(~pl.col("own"))
        place = pl.col("level").rank("min", descending=True).over("user_idx")  # equal levels: popularity decides
        return rows[possible.filter(place <= self._n_kept).get_column("index")]
