"""The best linear spline on given knots: its values by least squares.

The values solve a tridiagonal system of the moments of the pieces (pieces.py), in O(K). For a closed spline, the
constraint sum of a_k s_k = 0 (see units.py) adds a border and a Lagrange multiplier. newton.py moves the knots. Banded
systems are solved by LAPACK; several of one size are solved as one long system.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from relufit.spline.moments.pieces import Moments, Pieces

RIDGE = 1e-12  # weight of the interpolated value at a knot, relative to the diagonal of the system
REPAIRS = 3  # rounds of the correction of values that are artefacts


@dataclass(frozen=True)
class Spline:
    """The best spline of a target on given knots."""

    pieces: Pieces
    knots: np.ndarray  # (K + 1,) t
    values: np.ndarray  # (K + 1,) v
    moments: Moments
    gram: tuple[np.ndarray, np.ndarray, np.ndarray]  # (K,) each: sums of phi_left^2, phi_left phi_right, phi_right^2
    closure: np.ndarray | None  # (K,) a
    multiplier: np.ndarray  # (1,) of the closure
    is_converged: bool = False  # no step of its knots reduces the error noticeably

    @cached_property
    def lengths(self) -> np.ndarray:
        """Lengths of the pieces, (K,)."""
        return np.diff(self.knots)

    @cached_property
    def slopes(self) -> np.ndarray:
        """Slopes of the pieces, (K,)."""
        return np.diff(self.values) / self.lengths

    @cached_property
    def residuals(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums of e phi_left and of e phi_right over each piece, (K,) each."""
        m, h = self.moments, self.lengths
        e, place = self._mean_residual, (m.x - self.knots[..., :-1]) / h
        right = m.mass * place * e + (self.slopes * m.sxx - m.sxy) / h
        return m.mass * e - right, right

    @cached_property
    def errors(self) -> np.ndarray:
        """The sum of e^2 over each piece, (K,): about its own best line, plus the distance of the spline from that."""
        m = self.moments
        return m.rest + m.mass * self._mean_residual**2 + (self.slopes - m.slope) ** 2 * m.sxx

    @cached_property
    def squares(self) -> Any:
        """The sum of e^2; (S,) for splines side by side."""
        return self.errors.sum(axis=-1)

    @property
    def mse(self) -> float:
        """Mean of e^2."""
        return float(self.squares / self.pieces.mass)

    @property
    def is_exact(self) -> bool:
        """Whether the error is that of every spline, `pieces.least`, up to rounding."""
        return bool(self.squares - self.pieces.least < self.pieces.rounding * self.pieces.mass)

    @cached_property
    def _mean_residual(self) -> np.ndarray:
        return self.values[..., :-1] + self.slopes * (self.moments.x - self.knots[..., :-1]) - self.moments.y


def solve(pieces: Pieces, knots: np.ndarray, closure: np.ndarray | None = None) -> Spline:
    """The least-squares spline on K + 1 sorted knots, the first and last of which are the ends of the target."""
    m, h = pieces.moments(knots), np.diff(knots)
    place, spread = (m.x - knots[..., :-1]) / h, m.sxx / (h * h)
    both = m.mass * place * (1 - place) - spread
    left, right = m.mass * (1 - place) ** 2 + spread, m.mass * place**2 + spread
    to_right = m.mass * place * m.y + m.sxy / h
    wanted = by_knot(m.mass * m.y - to_right, to_right)
    diagonal = by_knot(left, right)
    # Two knots between the same two samples leave values undetermined: interpolate them between the samples.
    interpolated = pieces.interpolated(knots)
    ridge = ridge_of(diagonal)
    border = None if closure is None else by_knot(-closure / h, closure / h)
    for _ in range(REPAIRS + 1):
        values, multiplier = _values(diagonal + ridge, both, wanted + ridge * interpolated, border)
        spline = Spline(pieces, knots, values, m, (left, both, right), closure, multiplier)
        mean_squares = spline.errors / np.where(m.mass > 0, m.mass, 1.0)
        pull = pieces.pull(knots, np.abs(values - interpolated), mean_squares)
        if (pull <= ridge).all():
            break
        ridge = np.maximum(ridge, pull)
    return spline


def ridge_of(diagonal: np.ndarray) -> np.ndarray:
    """The addition to the diagonal of the system of the values, (..., K + 1), so that it has a unique solution."""
    return RIDGE * np.where(diagonal > 0, diagonal, 1.0)


def _values(
    diagonal: np.ndarray, beside: np.ndarray, wanted: np.ndarray, border: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The least-squares values, (..., K + 1), and the multiplier (..., 1) of the constraint `border` . values = 0."""
    if border is None:
        return tridiagonal(diagonal, beside, wanted)[0], np.zeros((*diagonal.shape[:-1], 1))
    values, along = tridiagonal(diagonal, beside, wanted, border)
    multiplier = dot(border, values) / dot(border, along)
    return values - multiplier * along, multiplier


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of products over the last axis, (..., 1)."""
    return (a * b).sum(axis=-1, keepdims=True)


def by_knot(at_left: np.ndarray, at_right: np.ndarray) -> np.ndarray:
    """Sums over the two pieces beside each knot, (K + 1,), of terms at the left and right ends of pieces, (K,) each."""
    total = np.zeros((*at_left.shape[:-1], at_left.shape[-1] + 1))
    total[..., :-1] = at_left
    total[..., 1:] += at_right
    return total


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
