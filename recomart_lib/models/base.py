"""What all models share: the data that they learn from, their five methods, and files that cannot run code."""

from __future__ import annotations

import json
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import INTERACTIONS, TIMESTAMP

CARD_FILE = "model.json"
ARRAYS_FILE = "arrays.npz"
SILENT = 1e-9  # the largest score of an item of which a model knows nothing
SPARSE_PARTS = ("data", "indices", "indptr", "shape")
BROKEN = (OSError, EOFError, LookupError, AttributeError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)
# One row: what one item of the user's history (because_idx) adds to the score of an item. `share` is the contribution
# / the sum of all contributions' sizes, so that it keeps its sign: the sizes of a pair's shares sum to 1.
EXPLAINED = {
    "user_idx": pl.Int32,
    "item_idx": pl.Int32,
    "because_idx": pl.Int32,
    "contribution": pl.Float64,
    "share": pl.Float64,
}
# One row: one item in one order before the cut; orders are numbered from 0.
BASKETS = {"user_idx": pl.Int32, "item_idx": pl.Int32, "basket": pl.Int64, "timestamp": TIMESTAMP}
Arrays = dict[str, "np.ndarray | sparse.csr_matrix"]
Rows = Callable[[np.ndarray], pl.DataFrame]


@dataclass(frozen=True)
class TrainData:
    """All that a model may know at a cut: one row per user-item pair (`schemas.INTERACTIONS`), and matrix views of it.

    For models that read features: `lesson` (candidates at earlier cuts with their columns then and a `label`; `own`:
    the user had taken the item), `features` (of the pairs with a relevant event, now), and `candidates`, a function
    from user_idx to the columns of these users' candidates now. See `lessons` and `candidates`. None: not known.

    For models that read attributes: `users` (user_idx and what is known of every user, like country) and `items`
    (item_idx, name, category, brand, price), one row per index. None: nothing is known of them.

    For models of orders: `baskets` (`BASKETS`). None: nothing is known of them.

    Every view has the shape (n_users, n_items), is float64 CSR, is built once, and must not be changed in place.
    """

    interactions: pl.DataFrame
    n_users: int
    n_items: int
    cut: datetime
    lesson: pl.DataFrame | None = None
    features: pl.DataFrame | None = None
    users: pl.DataFrame | None = None
    items: pl.DataFrame | None = None
    baskets: pl.DataFrame | None = None
    candidates: Rows | None = None

    @classmethod
    def of(
        cls,
        interactions: pl.DataFrame,
        n_users: int,
        n_items: int,
        cut: datetime,
        lesson: pl.DataFrame | None = None,
        features: pl.DataFrame | None = None,
        users: pl.DataFrame | None = None,
        items: pl.DataFrame | None = None,
        baskets: pl.DataFrame | None = None,
        candidates: Rows | None = None,
    ) -> TrainData:
        """Check the pairs and sort them by user_idx and item_idx.

        Parameters
        ----------
        interactions
            One row per pair; columns beyond `schemas.INTERACTIONS` are dropped.
        cut
            With a time zone; every event lies strictly before it.

        Raises
        ------
        UserError
            If there is no pair at all: a model has nothing to learn.
        ValueError
            If a column is missing, a pair comes twice, an index is out of range, an event lies at or after the cut, or
            `users` or `items` have not one row per index.
        """
        if missing := [name for name in INTERACTIONS if name not in interactions.columns]:
            raise ValueError(f"interactions lack the columns {', '.join(missing)}")
        pairs = interactions.select(*INTERACTIONS).sort("user_idx", "item_idx")
        if not pairs.height:
            raise UserError(f"No interaction lies before {cut:%Y-%m-%d}: there is nothing to learn from.")
        if twice := pairs.height - pairs.select("user_idx", "item_idx").n_unique():
            raise ValueError(f"interactions have {twice} user-item pairs more than once")
        for column, size in (("user_idx", n_users), ("item_idx", n_items)):
            if not 0 <= pairs[column].min() <= pairs[column].max() < size:
                raise ValueError(f"{column} must lie in [0, {size}): {pairs[column].min()} to {pairs[column].max()}")
        if late := pairs.filter(pl.col("last_timestamp") >= cut).height:
            raise ValueError(f"last_timestamp of {late} pairs lies at or after the cut {cut}: the future has leaked in")
        _require_past(lesson, "as_of", "the lesson", cut)
        _require_past(baskets, "timestamp", "the baskets", cut)
        users, items = _one_each(users, "user_idx", n_users), _one_each(items, "item_idx", n_items)
        return cls(pairs, n_users, n_items, cut, lesson, features, users, items, baskets, candidates)

    @cached_property
    def relevant(self) -> sparse.csr_matrix:
        """1 where the pair has a relevant event."""
        return self.matrix(pl.col("n_relevant") > 0)

    @cached_property
    def seen(self) -> sparse.csr_matrix:
        """1 where the pair has any event that weighs."""
        return self.matrix(pl.col("weight") > 0)

    @cached_property
    def weights(self) -> sparse.csr_matrix:
        """The pair's implicit weight."""
        return self.matrix(pl.col("weight"))

    def matrix(self, value: pl.Expr) -> sparse.csr_matrix:
        """`value` of every pair where it is above zero; nothing is stored elsewhere."""
        entries = self.interactions.select("user_idx", "item_idx", value=value.cast(pl.Float64))
        entries = entries.filter(pl.col("value") > 0)
        users, items, values = (entries[name].to_numpy() for name in entries.columns)
        return sparse.csr_matrix((values, (users, items)), shape=(self.n_users, self.n_items))

    def popularity(self, kept: pl.Expr | None = None) -> np.ndarray:
        """Distinct users with a relevant event, per item: float64 (n_items,). `kept` filters the pairs further."""
        pairs = self.interactions.filter(pl.col("n_relevant") > 0)
        pairs = pairs if kept is None else pairs.filter(kept)
        return np.bincount(pairs["item_idx"].to_numpy(), minlength=self.n_items).astype(np.float64)


class Model(Protocol):
    """A recommender. Scores order the items of one user; nothing else about them is comparable between models."""

    name: ClassVar[str]

    def fit(self, data: TrainData) -> Self:
        """Learn; the same data, hyper-parameters and seed give the same bytes."""

    def score(self, users: np.ndarray) -> np.ndarray:
        """Finite float64 scores (len(users), n_items), the higher the better. Callers ask in blocks of users."""

    def save(self, folder: Path) -> None:
        """Write the model into a folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""


def check_index(name: str, index: np.ndarray, size: int) -> None:
    """Raise IndexError unless all lie in [0, size): NumPy would take a negative one from the other end."""
    if len(index) and not 0 <= index.min() <= index.max() < size:
        raise IndexError(f"{name} must lie in [0, {size}): {index.min()} to {index.max()}")


def at_least(default: float, minimum: float) -> Any:
    """A numeric hyper-parameter: an integer if its default is one, and never below `minimum`."""
    return field(default=default, metadata={"minimum": minimum})


def one_of(default: str, *others: str) -> Any:
    """A hyper-parameter that is one of a few words."""
    return field(default=default, metadata={"choices": (default, *others)})


def popularity_where_silent(scores: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """Scores in which an exact 0, where a model knows nothing of user and item, is left to the items' popularity.

    Popularity (users per item) is made far smaller than any real score, so that it decides among the silent only.
    """
    return np.where(scores == 0, SILENT * popularity / max(popularity.max(initial=0), 1), scores)


@dataclass(eq=False)
class ArrayModel(ABC):
    """A model whose fields are its hyper-parameters, and whose fitted state is a few named arrays.

    `save` leaves a JSON card and an uncompressed npz: no pickles, so that a file from elsewhere cannot run code.
    """

    name: ClassVar[str]
    reads_features: ClassVar[bool] = False  # True: `fit` needs `TrainData.features` and `lesson` to be itself
    arrays: Arrays = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for parameter in fields(self):
            if parameter.metadata:
                _check(self.name, parameter.name, getattr(self, parameter.name), parameter.default, parameter.metadata)

    @classmethod
    def hyper_names(cls) -> list[str]:
        """The names of the hyper-parameters."""
        return [parameter.name for parameter in fields(cls) if parameter.init]

    @property
    def hyper(self) -> dict[str, Any]:
        """The hyper-parameters, as `models.create` takes them."""
        return {name: getattr(self, name) for name in self.hyper_names()}

    @abstractmethod
    def score(self, users: np.ndarray) -> np.ndarray:
        """See `Model.score`."""

    def explain(self, users: np.ndarray, items: np.ndarray) -> pl.DataFrame:
        """Why the model gives these distinct pairs their scores, exactly: one row per pair and item of the history.

        Returns
        -------
        DataFrame
            `EXPLAINED`, in the order of the pairs, the largest contribution first. Contributions sum to the score.

        Raises
        ------
        UserError
            If the score is no sum over the items of the user's history.
        """
        raise UserError(
            f"{self.name} cannot say which items of the history made a score: ask ease, item_knn, basket or content."
        )

    def chance(self) -> pl.DataFrame | None:
        """One row per pair of which the model tells a probability: user_idx, item_idx (Int32), probability.

        The probability that the user takes the item in the window after the cut; None: the model tells none.
        """
        return None

    def save(self, folder: Path) -> None:
        """Write model.json and arrays.npz; the same model gives the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        kinds = {name: "csr" if sparse.issparse(array) else "dense" for name, array in self.arrays.items()}
        card = {"model": self.name, "hyper": self.hyper, "arrays": kinds}
        (folder / CARD_FILE).write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        np.savez(folder / ARRAYS_FILE, **_flat(self.arrays))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        UserError
            If a file is missing, damaged, of another model or of another make; the message names the file.
        """
        card = read_card(folder)
        if card["model"] != cls.name:
            raise UserError(f"{folder / CARD_FILE} holds the model {card['model']}, not {cls.name}.")
        try:
            model = cls(**card["hyper"])
        except TypeError as error:
            raise UserError(f"{folder / CARD_FILE} has wrong hyper-parameters: {error}. Train it again.") from error
        path = folder / ARRAYS_FILE
        try:
            with np.load(path, allow_pickle=False) as stored:
                model.arrays = _restored(card["arrays"], stored)
            _probe(model)  # a foreign file shows itself here, not in a long run
        except BROKEN as error:
            raise UserError(f"{path} is no file of the model {cls.name}: {error}. Train it again.") from error
        return model


def read_card(folder: Path) -> dict[str, Any]:
    """What a model file says of itself: model, hyper, arrays. Raises UserError that names the file."""
    path = folder / CARD_FILE
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no model card: {error}. Train the model first.") from error
    wanted = {"model": str, "hyper": dict, "arrays": dict}
    if not isinstance(card, dict) or any(not isinstance(card.get(key), kind) for key, kind in wanted.items()):
        raise UserError(f"{path} is no model card: expected the keys {', '.join(wanted)}. Train the model again.")
    return card


def _require_past(table: pl.DataFrame | None, column: str, what: str, cut: datetime) -> None:
    if table is not None and (late := table.filter(pl.col(column) >= cut).height):
        raise ValueError(f"{late} rows of {what} are as of {cut} or later: the future has leaked in")


def _one_each(table: pl.DataFrame | None, index: str, size: int) -> pl.DataFrame | None:
    """The table in the order of its index; ValueError unless every index has one row."""
    if table is None:
        return None
    ordered = table.sort(index)
    if not np.array_equal(ordered.get_column(index).to_numpy(), np.arange(size)):
        raise ValueError(f"{table.height} rows of attributes are not one row for each {index} in [0, {size})")
    return ordered


def _probe(model: ArrayModel) -> None:
    scores = model.score(np.zeros(1, dtype=np.int64))
    if not isinstance(scores, np.ndarray) or scores.ndim != 2 or not np.isfinite(scores).all():
        raise ValueError("it gives no finite scores")


def _check(model: str, name: str, value: Any, default: Any, rule: Any) -> None:
    if choices := rule.get("choices"):
        if value not in choices:
            raise UserError(f"{model}: {name} is {value!r}; expected one of {', '.join(choices)}.")
        return
    kind, word = (Integral, "an integer") if isinstance(default, int) else (Real, "a number")
    if isinstance(value, bool) or not isinstance(value, kind) or not rule["minimum"] <= value < np.inf:
        raise UserError(f"{model}: {name} is {value!r}; expected {word} that is at least {rule['minimum']}.")


def _flat(arrays: Arrays) -> dict[str, np.ndarray]:
    flat = {name: array for name, array in arrays.items() if not sparse.issparse(array)}
    for name, matrix in arrays.items():
        if sparse.issparse(matrix):
            flat |= {f"{name}.{part}": np.asarray(getattr(matrix, part)) for part in SPARSE_PARTS}
    return flat


def _restored(kinds: dict[str, str], stored: Any) -> Arrays:
    return {name: _sparse(name, stored) if kind == "csr" else stored[name] for name, kind in kinds.items()}


def _sparse(name: str, stored: Any) -> sparse.csr_matrix:
    data, indices, indptr, shape = (stored[f"{name}.{part}"] for part in SPARSE_PARTS)
    matrix = sparse.csr_matrix((data, indices, indptr), shape=tuple(int(size) for size in shape))
    matrix.check_format(full_check=True)  # scipy's products trust the indices: wrong ones read foreign memory
    return matrix
