"""What all models share: training data, the methods of a model, and model files that cannot execute code."""

from __future__ import annotations

import json
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core import files
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import INTERACTIONS, TIMESTAMP
from recomart_lib.models.cost import Budget, Cost, current_budget
from recomart_lib.models.shared import Shared

CARD_FILE = "model.json"
ARRAYS_FILE = "arrays.npz"
MAX_FALLBACK_SCORE = 1e-9  # the largest score of an item that the model has no information about
SPARSE_PARTS = ("data", "indices", "indptr", "shape")
BROKEN = (OSError, EOFError, LookupError, AttributeError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)
BROKEN += (MemoryError,)  # a header may promise any number of values
# One row: what one item of the user's history (because_idx) adds to the score of an item. `share` is the contribution
# divided by the sum of all absolute contributions: it keeps its sign, and the absolute shares of a pair sum to 1.
EXPLANATIONS = {
    "user_idx": pl.Int32,
    "item_idx": pl.Int32,
    "because_idx": pl.Int32,
    "contribution": pl.Float64,
    "share": pl.Float64,
}
# One row: one item of one order before the cut; orders are numbered from 0.
BASKETS = {"user_idx": pl.Int32, "item_idx": pl.Int32, "basket": pl.Int64, "timestamp": TIMESTAMP}
Value = TypeVar("Value")
Arrays = dict[str, "np.ndarray | sparse.csr_matrix"]
CandidateGenerator = Callable[[np.ndarray], pl.DataFrame]


@dataclass(frozen=True)
class TrainData:
    """All that a model may know at a cut: one row per user-item pair (`schemas.INTERACTIONS`), and matrix views of it.

    `of` checks the pairs; the `with_...` methods return a copy with optional parts, which are None where unknown:

    - `examples`: training examples of rankers, one row per candidate at earlier cuts, with its columns at that cut,
      `label` (1: bought in the window that followed) and `own` (the user had already bought the item)
    - `features`: features as of the cut of the pairs with a relevant event
    - `users` (user_idx, and attributes such as country) and `items` (item_idx, name, category, brand, price):
      one row per index
    - `baskets`: orders (`BASKETS`)
    - `candidates`: a function from user_idx to one row per candidate of these users, as of the cut

    `budget` is what the fit of one model may need: some models are simplified to keep it (see `ArrayModel.notes`).

    Every matrix view has the shape (n_users, n_items), is float64 CSR, is built once, and must not be changed in place.
    """

    interactions: pl.DataFrame
    n_users: int
    n_items: int
    cut: datetime
    examples: pl.DataFrame | None = None
    features: pl.DataFrame | None = None
    users: pl.DataFrame | None = None
    items: pl.DataFrame | None = None
    baskets: pl.DataFrame | None = None
    candidates: CandidateGenerator | None = None
    budget: Budget = field(default_factory=current_budget)
    _shared: Shared = field(default_factory=Shared, repr=False, compare=False)  # by all copies: they have equal pairs

    @classmethod
    def of(cls, interactions: pl.DataFrame, n_users: int, n_items: int, cut: datetime) -> Self:
        """Check the pairs and sort them by user_idx and item_idx.

        Parameters
        ----------
        interactions
            One row per pair; columns beyond `schemas.INTERACTIONS` are dropped.
        cut
            With a time zone; every event is strictly before it.

        Raises
        ------
        UserError
            If there are no pairs: a model has nothing to learn from.
        ValueError
            If a column is missing, a pair is duplicated, an index is out of range, or an event is at or after the cut.
        """
        if missing := [name for name in INTERACTIONS if name not in interactions.columns]:
            raise ValueError(f"interactions lack the columns {', '.join(missing)}")
        pairs = interactions.select(*INTERACTIONS).sort("user_idx", "item_idx")
        if not pairs.height:
            raise UserError(f"There are no interactions before {cut:%Y-%m-%d}: nothing to learn from.")
        if n_duplicates := pairs.height - pairs.select("user_idx", "item_idx").n_unique():
            raise ValueError(f"interactions have {n_duplicates} user-item pairs more than once")
        for column, size in (("user_idx", n_users), ("item_idx", n_items)):
            if not 0 <= pairs[column].min() <= pairs[column].max() < size:
                raise ValueError(f"{column} must be in [0, {size}): {pairs[column].min()} to {pairs[column].max()}")
        if n_late := pairs.filter(pl.col("last_timestamp") >= cut).height:
            raise ValueError(f"last_timestamp of {n_late} pairs is at or after the cut {cut}: the future has leaked in")
        return cls(pairs, n_users, n_items, cut)

    def with_examples(self, examples: pl.DataFrame | None) -> Self:
        """A copy with training examples. ValueError if `as_of` of an example is at or after the cut."""
        _require_past(examples, "as_of", "the training examples", self.cut)
        return replace(self, examples=examples)

    def with_features(self, features: pl.DataFrame | None) -> Self:
        """A copy with the features of the pairs with a relevant event."""
        return replace(self, features=features)

    def with_attributes(self, users: pl.DataFrame | None = None, items: pl.DataFrame | None = None) -> Self:
        """A copy with attributes of users and items, sorted by index. ValueError unless every index has one row."""
        users = _sorted_by_index(users, "user_idx", self.n_users)
        return replace(self, users=users, items=_sorted_by_index(items, "item_idx", self.n_items))

    def with_baskets(self, baskets: pl.DataFrame | None) -> Self:
        """A copy with orders. ValueError if one is at or after the cut."""
        _require_past(baskets, "timestamp", "the baskets", self.cut)
        return replace(self, baskets=baskets)

    def with_candidates(self, candidates: CandidateGenerator | None) -> Self:
        """A copy with the function that generates candidates."""
        return replace(self, candidates=candidates)

    @property
    def relevant(self) -> sparse.csr_matrix:
        """1 where the pair has a relevant event."""
        return self.once("relevant", lambda: self.matrix(pl.col("n_relevant") > 0))

    @property
    def seen(self) -> sparse.csr_matrix:
        """1 where the pair has an event with a weight above 0."""
        return self.once("seen", lambda: self.matrix(pl.col("weight") > 0))

    @property
    def weights(self) -> sparse.csr_matrix:
        """The pair's implicit weight."""
        return self.once("weights", lambda: self.matrix(pl.col("weight")))

    def once(self, key: Hashable, build: Callable[[], Value]) -> Value:
        """What depends on the pairs alone, such as a matrix: built once and kept, also for copies of these data."""
        return self._shared.once((id(self.interactions), key), build)

    def fitted(self, model: ArrayModel) -> ArrayModel:
        """A new model, fitted on these data, or one with the same name and hyper-parameters that already is.

        Fitted once: whoever asks for an equal one while it is in use gets the same, also from a copy of these data that
        has the same optional parts that the model reads. Nobody may change it.
        """
        parts = [self.interactions, *(getattr(self, part) for part in model.reads)]
        self._shared.once(("parts", *map(id, parts)), lambda: parts)  # alive, so that no other object gets their ids
        key = (model.name, json.dumps(model.hyperparameters, sort_keys=True), *map(id, parts))
        return self._shared.while_used(key, lambda: model.fit(self))

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
        """Fit the model; the same data, hyper-parameters and seed give the same bytes."""

    def score(self, users: np.ndarray) -> np.ndarray:
        """Finite float64 scores (len(users), n_items), the higher the better. Callers pass blocks of users."""

    def save(self, folder: Path) -> None:
        """Write the model into a folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""


def check_index(name: str, index: np.ndarray, size: int) -> None:
    """Raise IndexError unless all lie in [0, size): NumPy would count negative ones from the end."""
    if len(index) and not 0 <= index.min() <= index.max() < size:
        raise IndexError(f"{name} must be in [0, {size}): {index.min()} to {index.max()}")


def numeric(default: float, minimum: float) -> Any:
    """A numeric hyper-parameter with a lower bound; an integer if its default is one."""
    return field(default=default, metadata={"minimum": minimum})


def categorical(default: str, *others: str) -> Any:
    """A hyper-parameter with a fixed set of string values."""
    return field(default=default, metadata={"choices": (default, *others)})


def fill_with_popularity(scores: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """Replace scores of exactly 0, where the model has no information, by the scaled popularity of the items.

    Popularity (users per item) is scaled to at most `MAX_FALLBACK_SCORE`, far below any real score, so that it orders
    only the items without information. Scores in double precision are changed in place: a second array takes long.
    """
    filled = scores.astype(np.float64, copy=False)
    np.copyto(filled, MAX_FALLBACK_SCORE * popularity / max(popularity.max(initial=0), 1), where=filled == 0)
    return filled


@dataclass(eq=False)
class ArrayModel(ABC):
    """A model whose fields are its hyper-parameters, and whose fitted state is a few named arrays.

    `save` writes a JSON card and an uncompressed npz: no pickles, so a file from elsewhere cannot execute code.
    """

    name: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ()  # the optional parts of `TrainData` that `fit` reads
    reads_features: ClassVar[bool] = False  # True: without `TrainData.examples` it falls back to a simpler model
    arrays: Arrays = field(init=False, repr=False, default_factory=dict)
    notes: list[str] = field(init=False, repr=False, default_factory=list)  # how the fit was simplified: sentences

    def __post_init__(self) -> None:
        for parameter in fields(self):
            if parameter.metadata:
                _check_hyperparameter(
                    self.name, parameter.name, getattr(self, parameter.name), parameter.default, parameter.metadata
                )

    @classmethod
    def hyperparameter_names(cls) -> list[str]:
        """The names of the hyper-parameters."""
        return [parameter.name for parameter in fields(cls) if parameter.init]

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The hyper-parameters, as `models.create` takes them."""
        return {name: getattr(self, name) for name in self.hyperparameter_names()}

    @abstractmethod
    def score(self, users: np.ndarray) -> np.ndarray:
        """See `Model.score`."""

    def cost(self, data: TrainData) -> Cost:
        """What `fit` would need on these data, estimated without fitting: within a factor of two.

        Here for models that are counted from the pairs: a few columns of memory, and a few passes.
        """
        n_pairs = data.interactions.height
        return Cost.of(memory=60 * n_pairs + 16 * (data.n_users + data.n_items), other=20 * n_pairs)

    def explain(self, users: np.ndarray, items: np.ndarray) -> pl.DataFrame:
        """The exact contributions to the scores of these distinct pairs: one row per pair and item of the history.

        Returns
        -------
        DataFrame
            `EXPLANATIONS`, in the order of the pairs, largest contribution first. Contributions sum to the score.

        Raises
        ------
        UserError
            If the score is not a sum over the items of the user's history.
        """
        raise UserError(
            f"{self.name} cannot be explained as a sum of contributions: use ease, item_knn, basket or content."
        )

    def predict_probabilities(self) -> pl.DataFrame | None:
        """One row per pair with a predicted probability: user_idx, item_idx (Int32), probability.

        The probability that the user buys the item in the window after the cut; None: the model predicts none.
        """
        return None

    def save(self, folder: Path) -> None:
        """Write model.json and arrays.npz; the same model gives the same bytes.

        The card, written last, has the hash of the arrays: after a kill between the two, `load` refuses the folder.
        """
        kinds = {name: "csr" if sparse.issparse(array) else "dense" for name, array in self.arrays.items()}
        card = {"model": self.name, "hyper": self.hyperparameters, "arrays": kinds}
        with files.complete(folder / ARRAYS_FILE) as unfinished:
            with unfinished.open("wb") as stream:
                np.savez(stream, **_flat(self.arrays))
            card["arrays_sha256"] = files.sha256(unfinished)
        files.write_text(folder / CARD_FILE, json.dumps(card, indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        UserError
            If a file is missing, damaged, of another model or not a model file; the message names the file.
        """
        card = read_card(folder)
        if card["model"] != cls.name:
            raise UserError(f"{folder / CARD_FILE} contains the model {card['model']}, not {cls.name}.")
        try:
            model = cls(**card["hyper"])
        except TypeError as error:
            raise UserError(
                f"{folder / CARD_FILE} has wrong hyper-parameters: {error}. Train the model again."
            ) from error
        path = folder / ARRAYS_FILE
        _require_pair(card, path)
        try:
            with np.load(path, allow_pickle=False) as stored:
                model.arrays = _restored(card["arrays"], stored)
            _check_scores(model)  # detect an invalid file here, not in the middle of a long run
        except BROKEN as error:
            raise UserError(
                f"{path} is not a valid file of the model {cls.name}: {error}. Train the model again."
            ) from error
        return model


def read_card(folder: Path) -> dict[str, Any]:
    """The content of model.json: model, hyper, arrays. Raises UserError that names the file."""
    path = folder / CARD_FILE
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a model card: {error}. Train the model first.") from error
    types = {"model": str, "hyper": dict, "arrays": dict}
    if not isinstance(card, dict) or any(not isinstance(card.get(key), kind) for key, kind in types.items()):
        raise UserError(f"{path} is not a model card: expected the keys {', '.join(types)}. Train the model again.")
    return card


def _require_pair(card: dict[str, Any], path: Path) -> None:
    """Check that the arrays are those of the card; cards of earlier versions have no hash."""
    if path.is_file() and card.get("arrays_sha256") not in (None, files.sha256(path)):
        raise UserError(
            f"{path} does not belong to {CARD_FILE} beside it: one of the two was changed, or the training was stopped "
            "between them. Train the model again."
        )


def _require_past(table: pl.DataFrame | None, column: str, description: str, cut: datetime) -> None:
    if table is not None and (n_late := table.filter(pl.col(column) >= cut).height):
        raise ValueError(f"{n_late} rows of {description} are at or after the cut {cut}: the future has leaked in")


def _sorted_by_index(table: pl.DataFrame | None, index: str, size: int) -> pl.DataFrame | None:
    """The table sorted by its index; ValueError unless every index has exactly one row."""
    if table is None:
        return None
    ordered = table.sort(index)
    if not np.array_equal(ordered.get_column(index).to_numpy(), np.arange(size)):
        raise ValueError(f"{table.height} rows of attributes are not one row for each {index} in [0, {size})")
    return ordered


def _check_scores(model: ArrayModel) -> None:
    scores = model.score(np.zeros(1, dtype=np.int64))
    if not isinstance(scores, np.ndarray) or scores.ndim != 2 or not np.isfinite(scores).all():
        raise ValueError("its scores are not finite")


def _check_hyperparameter(model: str, name: str, value: Any, default: Any, rule: Any) -> None:
    if choices := rule.get("choices"):
        if value not in choices:
            raise UserError(f"{model}: {name} is {value!r}; expected one of {', '.join(choices)}.")
        return
    kind, kind_name = (Integral, "an integer") if isinstance(default, int) else (Real, "a number")
    if isinstance(value, bool) or not isinstance(value, kind) or not rule["minimum"] <= value < np.inf:
        raise UserError(f"{model}: {name} is {value!r}; expected {kind_name} that is at least {rule['minimum']}.")


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
    matrix.check_format(full_check=True)  # scipy's products do not check indices: wrong ones read foreign memory
    return matrix
