"""Second derivatives of the loss: products with its Hessian by hand, its largest curvature, the largest stable rate.

With relu'' = 0 almost everywhere the loss is a polynomial on each piece of the weights, and its Hessian times v follows
from forward and backward passes differentiated in the direction v (Pearlmutter 1994, "Fast exact multiplication by the
Hessian"): J^T J v, and the products of w1, b1 with w2 times the residuals. The Hessian itself is never built.
"""

from typing import Any

import numpy as np

from relufit.errors import RelufitError, counted
from relufit.network.data import check_table
from relufit.network.params import Params, demand_network

BLOCK = 2**20  # hidden values in memory at once
TOLERANCE = 1e-6  # relative error of the largest curvature


def hessian_vector_product(params: Params, direction: Params, x: np.ndarray, y: np.ndarray) -> Params:
    """The Hessian of mean((network - y)^2), over N and O, times a direction; float64, in O(N H (D + O)).

    x (N, D), y (N, O); `direction` and the result have the shapes of `params`. A unit is off on its knot.
    """
    rows = max(1, BLOCK // params.b1.shape[0])
    total = Params(*(np.zeros(p.shape) for p in params))
    for first in range(0, len(x), rows):
        part = slice(first, first + rows)
        for sums, more in zip(total, _product_over(params, direction, x[part], y[part]), strict=True):
            sums += more
    return Params(*(sums * (2 / y.size) for sums in total))


def _product_over(params: Params, direction: Params, x: np.ndarray, y: np.ndarray) -> Params:
    """The sums over some samples; `r...` is the derivative of ... in the direction, as in Pearlmutter's R{...}."""
    w1, b1, w2, b2 = params
    v1, c1, v2, c2 = direction
    h = np.maximum(x @ w1 + b1, 0)  # (N, H)
    on = h > 0
    error = h @ w2 + b2 - y  # (N, O)

    rh = np.where(on, x @ v1 + c1, 0)  # (N, H)
    rerror = rh @ w2 + h @ v2 + c2  # (N, O)
    rdz = np.where(on, rerror @ w2.T + error @ v2.T, 0)  # (N, H)
    return Params(x.T @ rdz, rdz.sum(axis=0), h.T @ rerror + rh.T @ error, rerror.sum(axis=0))


def largest_curvature(params: Params, x: Any, y: Any, *, seed: int = 0) -> float:
    """The largest eigenvalue of the Hessian of the loss, to 1e-6 relative: x (N,) or (N, D), y (N,) or (N, O).

    By scipy's Lanczos method (ARPACK) from a random start; power iteration would find the eigenvalue of largest
    magnitude, which may be negative. The result is positive: along b2 the curvature is 2 / O. Raises RelufitError for
    weights that do not form a network or are not finite, for tables that do not fit it, if the curvature overflows, and
    if it does not converge.
    """
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh  # here: it takes a while to import

    exact, x, y = _check(params, x, y)
    size = sum(p.size for p in exact)

    def product(direction: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            found = _flat(hessian_vector_product(exact, _shaped(direction, exact), x, y))
        if not np.isfinite(found).all():
            raise RelufitError(
                "the curvature of the loss overflows: the weights, or the numbers in the table, are too large"
            )
        return found

    hessian = LinearOperator((size, size), matvec=product, dtype=np.float64)
    start = np.random.default_rng(seed).standard_normal(size)
    try:
        return float(eigsh(hessian, k=1, which="LA", v0=start, tol=TOLERANCE, return_eigenvectors=False)[0])
    except ArpackNoConvergence as error:
        raise RelufitError(f"the largest curvature of the loss was not found to {TOLERANCE:g}: {error}") from None


def largest_stable_learning_rate(params: Params, x: Any, y: Any) -> float:
    """2 / (largest curvature of the loss): x (N,) or (N, D), y (N,) or (N, O), in the units that the network acts on.

    Full-batch gradient descent on mean((network - y)^2), over N and O, is locally stable at these weights below this
    rate and unstable above it; at other weights the curvature differs. Raises RelufitError as `largest_curvature` does.
    """
    return 2 / largest_curvature(params, x, y)


def _check(params: Params, x: Any, y: Any) -> tuple[Params, np.ndarray, np.ndarray]:
    x, y = check_table(x, y)
    demand_network(params)
    exact = Params(*(np.asarray(p, dtype=np.float64) for p in params))
    if (x.shape[1], y.shape[1]) != (exact.w1.shape[0], exact.w2.shape[1]):
        raise RelufitError(
            f"a network of {counted(exact.w1.shape[0], 'input')} and {counted(exact.w2.shape[1], 'output')} does not "
            f"fit tables with {x.shape[1]} and {counted(y.shape[1], 'column')}"
        )
    return exact, x, y


def _flat(params: Params) -> np.ndarray:
    return np.concatenate([p.ravel() for p in params])


def _shaped(flat: np.ndarray, like: Params) -> Params:
    ends = np.cumsum([p.size for p in like])[:-1]
    return Params(*(part.reshape(p.shape) for part, p in zip(np.split(flat, ends), like, strict=True)))
