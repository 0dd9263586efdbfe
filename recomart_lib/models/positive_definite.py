"""Gram matrices and their inverses, in as little memory as they need."""

from __future__ import annotations

import ctypes

import numpy as np
from scipy import sparse
from scipy.linalg import cython_lapack
from threadpoolctl import threadpool_limits

from recomart_lib.models import blocks


def gram(matrix: sparse.csr_matrix, dtype: type = np.float64) -> np.ndarray:
    """X'X as a dense array in Fortran order, made in blocks: there is no second copy of it."""
    transposed, n = matrix.T.tocsr(), matrix.shape[1]
    products, step = np.empty((n, n), dtype=dtype, order="F"), blocks.rows(n)
    for start in range(0, n, step):
        products[:, start : start + step] = (transposed[start : start + step] @ matrix).toarray().T
    return products


def inverse(matrix: np.ndarray) -> np.ndarray | None:
    """The inverse of a positive definite matrix in Fortran order, by Cholesky, in place; None if it is not definite.

    Takes a third of the time of a general inverse; in one thread, as the last bits depend on the number of threads.
    """
    if not len(matrix):
        return matrix
    with threadpool_limits(1, "blas"):
        failed = _lapack("potrf", matrix) or _lapack("potri", matrix)
    if failed:
        return None
    for row in range(len(matrix)):  # LAPACK fills the lower half only
        matrix[row, row + 1 :] = matrix[row + 1 :, row]
    return matrix.T  # symmetric: the same numbers, in C order


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
