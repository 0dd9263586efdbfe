"""EASE: a linear item-to-item model with a closed-form solution."""

from __future__ import annotations

import contextlib
import ctypes
from dataclasses import dataclass
from threading import Lock
from typing import ClassVar, Self

import numpy as np
import polars as pl
import psutil
from scipy import sparse
from scipy.linalg import cython_lapack
from threadpoolctl import threadpool_limits

from recomart_lib.core.errors import UserError
from recomart_lib.models.base import TrainData, categorical, numeric
from recomart_lib.models.item_to_item import ItemToItem

LARGE_CATALOGUE, LARGE_FIT = 7_000, Lock()  # above this size (1 GB) models are fitted one at a time
BYTES_PER_PAIR = 20  # of memory per pair of items, while the Gram matrix is both sparse and dense


@dataclass(eq=False)
class Ease(ItemToItem):
    """score(u, :) = x(u) B, with B = argmin |X - X B|^2 + reg |B|^2 and a zero diagonal.

    In closed form P = (X'X + reg I)^-1, B[i, j] = -P[i, j] / P[j, j], B[j, j] = 0. X is the binary matrix of `signal`:
    `relevant` events only, or all events (`seen`). A user without history gets the popularity order.

    With `closeness` > 0, X'X + closeness * C takes the place of X'X: C[i, j] = sum over the users who have both of
    exp(-|t(u, i) - t(u, j)| / within_seconds), with t the pair's last relevant event: items bought at
    nearly the same time are more closely related.

    `precision` single needs half the time and memory; scores agree to about four digits.

    Time grows with n_items^3, memory with up to 20 n_items^2 bytes (0.3 GB at 3,600 items, 8 GB at 20,000).

    Source: Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019.
    """

    name: ClassVar[str] = "ease"
    reg: float = numeric(200.0, 1e-6)
    signal: str = categorical("relevant", "seen")
    closeness: float = numeric(0.0, 0.0)
    within_seconds: float = numeric(120.0, 1e-3)
    max_items: int = numeric(20_000, 1)
    precision: str = categorical("double", "single")

    def fit(self, data: TrainData) -> Self:
        """Invert the regularised Gram matrix.

        Raises
        ------
        UserError
            If the catalogue has more than `max_items` items, or the model would not fit in the available memory.
        """
        with LARGE_FIT if data.n_items > LARGE_CATALOGUE else contextlib.nullcontext():
            self._check_size(data.n_items)
            return self._fit(data)

    def _fit(self, data: TrainData) -> Self:
        history = data.relevant if self.signal == "relevant" else data.seen
        gram = (history.T @ history).toarray(order="F")
        if self.closeness:
            gram += self.closeness * closeness_matrix(data, self.within_seconds)
        gram[np.diag_indices_from(gram)] += self.reg
        weights = _inverse(gram if self.precision == "double" else np.asfortranarray(gram, dtype=np.float32))
        weights /= -weights.diagonal().copy()
        np.fill_diagonal(weights, 0.0)
        self.arrays = {"history": history, "weights": weights, "popularity": data.popularity()}
        return self

    def score_histories(self, history: sparse.csr_matrix) -> np.ndarray:
        """See `ItemToItem.score_histories`."""
        weights = self.arrays["weights"]
        return history.astype(weights.dtype) @ weights  # with two dtypes, SciPy would copy the large matrix each time

    def weight(self, because: np.ndarray, item: np.ndarray) -> np.ndarray:
        """See `ItemToItem.weight`."""
        return self.arrays["weights"][because, item]

    def _check_size(self, n_items: int) -> None:
        required, available = BYTES_PER_PAIR * n_items**2, available_memory()
        if n_items > self.max_items:
            limit = f"are more than max_items = {self.max_items:,}"
        elif required > available:
            limit = f"do not fit in the {_size(available)} of available memory"
        else:
            return
        raise UserError(
            f"ease: {n_items:,} items {limit}: they need up to {_size(required)}. Use als or item_knn instead: remove "
            "ease from train.models."
        )


def closeness_matrix(data: TrainData, within_seconds: float) -> np.ndarray:
    """(n_items, n_items): C of `Ease`; its diagonal is the number of users."""
    pairs = data.interactions.filter(pl.col("n_relevant") > 0).sort("user_idx")
    seconds = pairs.get_column("last_relevant_timestamp").dt.epoch("us").to_numpy() / 1e6
    users, items = (pairs.get_column(name).to_numpy() for name in ("user_idx", "item_idx"))
    closeness = np.zeros((data.n_items, data.n_items))
    for part in np.split(np.arange(len(users)), np.flatnonzero(np.diff(users)) + 1):
        distance = np.abs(seconds[part, None] - seconds[part])
        closeness[np.ix_(items[part], items[part])] += np.exp(-distance / within_seconds)
    return closeness


def available_memory() -> int:
    """Bytes of memory available without swapping."""
    return psutil.virtual_memory().available


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.1f} GB"


def _inverse(gram: np.ndarray) -> np.ndarray:
    """The inverse of a positive definite matrix in Fortran order, by Cholesky, in place.

    Takes a third of the time of a general inverse; in one thread, as the last bits depend on the number of threads.
    """
    with threadpool_limits(1, "blas"):
        failed = _lapack("potrf", gram) or _lapack("potri", gram)
    if failed:
        raise UserError("ease: the matrix cannot be inverted: increase reg.")
    for row in range(len(gram)):  # LAPACK fills the lower half only
        gram[row, row + 1 :] = gram[row + 1 :, row]
    return gram.T  # symmetric: the same numbers, in C order


def _lapack(routine: str, matrix: np.ndarray) -> int:
    """Run a routine of (uplo, n, a, lda, info) on the lower half of a square matrix in Fortran order, in place.

    By ctypes, as in numba: `scipy.linalg.lapack` would hold Python's global lock and block all other fits.

    Returns
    -------
    int
        LAPACK's info: 0 means success.
    """
    name = ("s" if matrix.dtype == np.float32 else "d") + routine
    capsule = cython_lapack.__pyx_capi__[name]
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)(_address(capsule, _signature(capsule)))
    n, info = ctypes.c_int(len(matrix)), ctypes.c_int(0)
    call(b"L", ctypes.addressof(n), matrix.ctypes.data, ctypes.addressof(n), ctypes.addressof(info))
    return info.value


_signature = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
_address = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
