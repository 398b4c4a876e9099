"""Ridge regression, and a network that represents it: two units per direction, since relu(z) - relu(-z) = z."""

import numpy as np

from relufit.network.params import Params

PENALTIES = np.logspace(2, -6, 17)  # for standardised x: from nearly the mean of y to nearly least squares


def ridge_regressions(x: np.ndarray, y: np.ndarray, weight: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Regress y (N, O) on x (N, D) with weights (N,), for each of the PENALTIES.

    Returns coefficients (A, D, O) and intercepts (A, O) that minimise the weighted mean square plus the penalty times
    the sum of squares of the coefficients (Hoerl and Kennard, 1970, Technometrics 12, 55-67). Of the coefficients only
    the `rank` largest singular directions are kept.
    """
    share = weight / weight.sum()
    x_mean, y_mean, root = share @ x, share @ y, np.sqrt(share)[:, None]
    left, lengths, right = np.linalg.svd(root * (x - x_mean), full_matrices=False)
    shrunk = lengths / (lengths**2 + PENALTIES[:, None])  # (A, R)
    coefficients = (right.T * shrunk[:, None, :]) @ (left.T @ (root * (y - y_mean)))  # (A, D, O)
    if rank < min(coefficients.shape[1:]):
        inner, sizes, outer = np.linalg.svd(coefficients, full_matrices=False)
        coefficients = (inner[..., :rank] * sizes[:, None, :rank]) @ outer[:, :rank]
    return coefficients, y_mean - x_mean @ coefficients


def carry(coefficients: np.ndarray, intercept: np.ndarray, others: Params) -> Params:
    """The network whose first units give x @ coefficients (D, O) + intercept (O,); other units are from `others`."""
    hidden = len(others.b1)
    inner, sizes, outer = np.linalg.svd(coefficients, full_matrices=False)
    rank = min(len(sizes), hidden // 2)
    inner, outer = (inner * np.sqrt(sizes))[:, :rank], (np.sqrt(sizes)[:, None] * outer)[:rank]
    w1, b1, w2 = (array.copy() for array in others[:3])
    w1[:, : 2 * rank], b1[: 2 * rank] = np.hstack([inner, -inner]), 0.0
    w2[: 2 * rank] = np.vstack([outer, -outer])
    return Params(w1, b1, w2, intercept)
