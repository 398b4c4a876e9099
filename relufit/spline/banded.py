"""Solve symmetric banded systems by LAPACK; several systems of one size are solved as one long system."""

import numpy as np


def tridiagonal(diagonal: np.ndarray, beside: np.ndarray, *wanted: np.ndarray) -> np.ndarray:
    """Solve a positive definite tridiagonal system for each right-hand side; returns the solutions as rows."""
    from scipy.linalg.lapack import dptsv

    beside = np.concatenate([beside, np.zeros((*beside.shape[:-1], 1))], axis=-1).ravel()[:-1]  # one long system
    _, _, found, failed = dptsv(diagonal.ravel(), beside, np.stack([rows.ravel() for rows in wanted], axis=1))
    if failed:
        raise np.linalg.LinAlgError(f"the least-squares system is singular at its leading minor {failed}")
    return found.T.reshape(len(wanted), *diagonal.shape)


def definite(band: np.ndarray, wanted: np.ndarray) -> np.ndarray | None:
    """Solve a symmetric system (4, n), the element (i, j) at [3 + i - j, j], for rows (R, n).

    Returns None if it is not positive definite.
    """
    from scipy.linalg.lapack import dpbsv

    _, found, failed = dpbsv(band, wanted.T)
    return None if failed else found.T


def indefinite(band: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solve symmetric systems (4, ..., n), stored as in `definite`, definite or not, for rows (R, ..., n).

    Returns the solutions and the sign of each determinant, (..., 1). If any system is singular, all are 0.
    """
    from scipy.linalg.lapack import dgbsv

    upper = band.reshape(4, -1)  # systems side by side are one long system
    whole = np.zeros((10, upper.shape[1]))
    whole[3:7] = upper
    for k in (1, 2, 3):
        whole[6 + k, :-k] = upper[3 - k, k:]
    factors, pivots, found, failed = dgbsv(3, 3, whole, wanted.reshape(len(wanted), -1).T)
    if failed:
        return np.zeros(wanted.shape), np.zeros((*band.shape[1:-1], 1))
    odd = ((factors[6] < 0) ^ (pivots != np.arange(len(pivots)))).reshape(band.shape[1:])
    return found.T.reshape(wanted.shape), 1.0 - 2.0 * np.logical_xor.reduce(odd, axis=-1, keepdims=True)
