"""The best linear spline with K pieces: values by least squares, knots by Newton's method on both together.

For given knots the best values solve a tridiagonal system of the moments of the pieces (pieces.py). Half the
sum of squares has a banded Hessian in (v_0, t_0, v_1, t_1, ...), so that a joint Newton step costs O(K) too. It is
damped until the Hessian is positive definite and the error falls; Levenberg and Marquardt's way.

With n weight of samples per length, e = spline - target, hats phi and slopes s, the derivatives of half the squares are

    d/dv_j     = integral n e phi_j                  d/dt_j = -sum over both pieces of s integral n e phi_j
    d2/dv dv'  = integral n phi phi'                 d2/dv dt' = -s integral n phi phi' - integral n e phi' phi_x
    d2/dt dt'  = s^2 integral n phi phi' + s integral n e (phi phi_x' + phi_x phi')
                 + [j = j'] n e(t_j) (s_right - s_left)

in which phi_x = -1/h, 1/h in a piece of length h. A closed spline, sum of a_k s_k = 0 (units.py says why), adds
Lagrange's multiplier times that sum, and a border to both systems.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from relufit.spline.banded import definite, indefinite, tridiagonal
from relufit.spline.breaks import NARROWEST
from relufit.spline.pieces import Moments, Pieces

STEPS = 80  # at the most
DAMPING = 1e-2  # of the first step
HOPELESS = 1e5  # damping at which no step is left that gains anything
ENOUGH = 1e-5  # part of the error: the second step in a row that gains less is the last
PATIENCE = 4  # steps, tried or taken,
LITTLE = 5e-4  # that together gain no more than this part of the error, are the last too
STRIDE = 0.4  # of the shorter piece beside it: the most that a knot moves in a step
RIDGE = 1e-12  # of the largest diagonal element: the weight of a guess of the values beside the target
FIRM = 1e-2  # of a sample's weight: that of the guess where values go astray
REPAIRS = 3  # rounds of looking for values that do


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
    is_converged: bool = False  # no step of its knots gains anything worth while

    @cached_property
    def lengths(self) -> np.ndarray:
        """Of the pieces, (K,)."""
        return np.diff(self.knots)

    @cached_property
    def slopes(self) -> np.ndarray:
        """(K,)."""
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
        """The sum of e^2 over each piece, (K,): what its own best line leaves, and how far the spline is from that."""
        m = self.moments
        return m.rest + m.mass * self._mean_residual**2 + (self.slopes - m.slope) ** 2 * m.sxx

    @cached_property
    def squares(self) -> Any:
        """The sum of e^2; of splines side by side, (S,) of them."""
        return self.errors.sum(axis=-1)

    @property
    def mse(self) -> float:
        """Mean of e^2."""
        return float(self.squares / self.pieces.mass)

    @property
    def is_exact(self) -> bool:
        """Whether there is nothing left but rounding, and what every spline leaves."""
        return bool(self.squares - self.pieces.least < self.pieces.rounding * self.pieces.mass)

    @cached_property
    def _mean_residual(self) -> np.ndarray:
        return self.values[..., :-1] + self.slopes * (self.moments.x - self.knots[..., :-1]) - self.moments.y


def solve(pieces: Pieces, knots: np.ndarray, closure: np.ndarray | None = None) -> Spline:
    """The values that make the squares least, for K + 1 sorted knots, whose ends are those of the target."""
    m, h = pieces.moments(knots), np.diff(knots)
    place, spread = (m.x - knots[..., :-1]) / h, m.sxx / (h * h)
    both = m.mass * place * (1 - place) - spread
    left, right = m.mass * (1 - place) ** 2 + spread, m.mass * place**2 + spread
    to_right = m.mass * place * m.y + m.sxy / h
    wanted = _by_knot(m.mass * m.y - to_right, to_right)
    diagonal = _by_knot(left, right)
    # Values that no sample determines, of two knots between the same two samples, are those of the samples beside them.
    guess = pieces.guess(knots)
    ridge = RIDGE * diagonal.max(axis=-1, keepdims=True) + np.zeros(knots.shape)
    firm = FIRM * pieces.mass / (pieces.most + 1)
    border = None if closure is None else _by_knot(-closure / h, closure / h)
    for _ in range(REPAIRS + 1):
        values, multiplier = _values(diagonal + ridge, both, wanted + ridge * guess, border)
        spline = Spline(pieces, knots, values, m, (left, both, right), closure, multiplier)
        astray = pieces.astray(knots, values, guess, spline.errors) & (ridge < firm)
        if not astray.any():
            break
        ridge[astray] = firm
    return spline


def _values(
    diagonal: np.ndarray, beside: np.ndarray, wanted: np.ndarray, border: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The values of least squares, (..., K + 1), and the multiplier (..., 1) of what makes `border` . values 0."""
    if border is None:
        return tridiagonal(diagonal, beside, wanted)[0], np.zeros((*diagonal.shape[:-1], 1))
    values, along = tridiagonal(diagonal, beside, wanted, border)
    multiplier = _dot(border, values) / _dot(border, along)
    return values - multiplier * along, multiplier


def improve(spline: Spline, held: np.ndarray, steps: int = STEPS) -> Spline:
    """Move the knots, except the ends and those at `held`, until nothing is gained; never a worse spline."""
    free = _free(spline.knots, held)
    if spline.is_converged or spline.is_exact or not free.any():
        return spline
    damping, too_little, nearly_done = DAMPING, 0.0, False
    squares = [spline.squares]
    equations: _Equations | None = None
    for _ in range(steps):
        equations = equations or _equations(spline, free)
        step = _newton_step(equations, damping)
        if step is None:  # not positive definite
            too_little, damping = damping, max(4 * damping, DAMPING)
        else:
            tried = solve(spline.pieces, _moved(spline, step), spline.closure)
            gain = spline.squares - tried.squares
            if gain > 0:
                small = gain < ENOUGH * spline.squares
                if small and (nearly_done or damping < 1e-3):
                    return replace(tried, is_converged=True)
                # Just above the least damping that makes the Hessian positive definite, steps are longest.
                too_little /= 2
                floor = 1.1 * too_little if damping < 2 * too_little else np.sqrt(damping * too_little)
                spline, nearly_done, damping = tried, small, max(damping / 6, floor)
                equations = None
            else:
                damping = max(4 * damping, 1e-3)
            squares.append(spline.squares)
            if len(squares) > PATIENCE and squares[-1 - PATIENCE] - squares[-1] < LITTLE * squares[-1]:
                return replace(spline, is_converged=True)
        if damping > HOPELESS:
            return replace(spline, is_converged=True)
    return spline


def improve_all(splines: Spline, held: np.ndarray, steps: int) -> Spline:
    """Move the knots of splines side by side, (S, K + 1), for so many steps: cheaply, to see which is worth more."""
    free = _free(splines.knots, held)
    damping = np.ones((len(splines.knots), 1))  # strong at first: a step that fails is lost
    for _ in range(steps):
        step = _newton_step(_equations(splines, free), damping)
        if step is None:
            damping *= 4
            continue
        tried = solve(splines.pieces, _moved(splines, np.where(np.isfinite(step), step, 0.0)), splines.closure)
        better = (tried.squares < splines.squares)[:, None]
        splines = _chosen(better, tried, splines)
        damping = np.where(better, damping / 3, np.maximum(4 * damping, 1e-3))
    return splines


def _free(knots: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Which knots may move: neither the ends nor those held."""
    free = ~np.isin(knots, held)
    free[..., [0, -1]] = False
    return free


def _moved(spline: Spline, step: np.ndarray) -> np.ndarray:
    """The knots after a step that leaves them in order, (..., K + 1)."""
    h, narrowest = spline.lengths, NARROWEST * (spline.pieces.high - spline.pieces.low)
    most = np.maximum(STRIDE * np.minimum(h[..., :-1], h[..., 1:]) - narrowest, 0.0)
    knots = spline.knots.copy()
    knots[..., 1:-1] += np.clip(step[..., 1:-1], -most, most)
    return knots


def _chosen(mask: np.ndarray, first: Spline, second: Spline) -> Spline:
    """Of splines side by side, those of the first where the mask (S, 1) says so, those of the second elsewhere."""

    def pick(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(mask, a, b)

    return Spline(
        first.pieces,
        pick(first.knots, second.knots),
        pick(first.values, second.values),
        Moments(*map(pick, first.moments, second.moments)),
        (pick(first.gram[0], second.gram[0]), pick(first.gram[1], second.gram[1]), pick(first.gram[2], second.gram[2])),
        first.closure,
        pick(first.multiplier, second.multiplier),
    )


class _Equations(NamedTuple):
    """Of Newton's step from a spline, in (v_0, t_0, v_1, t_1, ...); banded.py says how the Hessian is laid out."""

    hessian: np.ndarray  # (4, ..., 2 K + 2)
    downhill: np.ndarray  # (2, ..., 2 K + 2): against the gradient, which in v is 0 or what the closure holds; along it
    stiffness: np.ndarray  # (..., K + 1), what damping adds to the elements of t
    is_closed: bool


def _equations(spline: Spline, free: np.ndarray) -> _Equations:
    h, s, m, (left, both, right) = spline.lengths, spline.slopes, spline.moments, spline.gram
    e_left, e_right = (e / h for e in spline.residuals)
    # Of each piece: v and t at its left end (0) and its right end (1).
    v0t0, v0t1, t0v1, v1t1 = -s * left + e_left, -s * both + e_right, -s * both - e_left, -s * right - e_right
    t0t0, t0t1, t1t1 = s * (s * left - 2 * e_left), s * (s * both + e_left - e_right), s * (s * right + 2 * e_right)
    if spline.closure is not None:
        bent = spline.multiplier * spline.closure / (h * h)
        v0t0, v0t1, t0v1, v1t1 = v0t0 - bent, v0t1 + bent, t0v1 + bent, v1t1 - bent
        t0t0, t0t1, t1t1 = t0t0 + 2 * bent * s, t0t1 - 2 * bent * s, t1t1 + 2 * bent * s

    density, target = spline.pieces.at_knots(spline.knots, m)
    turn = np.diff(s)  # (..., K - 1)
    at_knots = _by_knot(t0t0, t1t1)
    at_knots[..., 1:-1] += (density * (spline.values - target))[..., 1:-1] * turn
    stiffness = np.zeros(at_knots.shape)
    stiffness[..., 1:-1] = _stiffness(turn, m.mass, h, free[..., 1:-1])
    band = np.zeros((4, *spline.knots.shape[:-1], 2 * spline.knots.shape[-1]))
    band[3, ..., 0::2] = _by_knot(left, right) * (1 + RIDGE)
    band[3, ..., 1::2] = np.where(free, at_knots, 1.0)
    between, now, after = free[..., :-1] & free[..., 1:], free[..., :-1], free[..., 1:]
    band[2, ..., 1::2] = np.where(free, _by_knot(v0t0, v1t1), 0.0)
    band[2, ..., 2::2], band[1, ..., 2::2] = np.where(now, t0v1, 0.0), both
    band[1, ..., 3::2], band[0, ..., 3::2] = np.where(between, t0t1, 0.0), np.where(after, v0t1, 0.0)

    downhill = np.zeros((2, *band.shape[1:]))
    downhill[0, ..., 1::2] = np.where(free, _by_knot(s * spline.residuals[0], s * spline.residuals[1]), 0.0)
    if spline.closure is not None:
        per_length = spline.closure / h
        downhill[1, ..., 0::2] = _by_knot(-per_length, per_length)
        downhill[1, ..., 1::2] = np.where(free, _by_knot(per_length * s, -per_length * s), 0.0)
        downhill[0, ..., 0::2] = spline.multiplier * downhill[1, ..., 0::2]
    return _Equations(band, downhill, stiffness, spline.closure is not None)


def _newton_step(equations: _Equations, damping: Any) -> np.ndarray | None:
    """By how much each knot moves, (..., K + 1); None where the damped Hessian is not positive definite.

    `damping` is a number; (S, 1) of splines side by side, and those whose Hessian is not stay where they are. Of closed
    splines, and side by side, that is told by the sign of a determinant, which is wrong for some: their error may rise.
    """
    band, downhill = equations.hessian.copy(), equations.downhill
    band[3, ..., 1::2] += damping * equations.stiffness
    if not equations.is_closed and band.ndim == 2:
        solved = definite(band, downhill[:1])
        return None if solved is None else solved[0, 1::2]
    found, sign = indefinite(band, downhill)
    step = found[0]
    if equations.is_closed:
        along = _dot(downhill[1], found[1])
        step = step - found[1] * _dot(downhill[1], found[0]) / np.where(along != 0, along, 1.0)
        sign = sign * along
    return np.where(sign > 0, step[..., 1::2], 0.0) if (sign > 0).any() else None


def _stiffness(turn: np.ndarray, mass: np.ndarray, h: np.ndarray, free: np.ndarray) -> np.ndarray:
    """What damping is measured by, for each inner knot: the squares that moving it alone would cost, about.

    Where the slope hardly turns that is nothing. Moved by a piece's length all knots of a good spline cost the same: so
    each counts a hundredth of the average, of those that are free to move, at least.
    """
    near = _parallel(h) ** 2
    cost = np.where(free, turn * turn * _parallel(mass) * near / 6, 0.0)
    average = cost.sum(axis=-1, keepdims=True) / np.maximum(free.sum(axis=-1, keepdims=True), 1)
    return np.maximum(cost, 1e-2 * average) / near + 1e-300


def _parallel(of_pieces: np.ndarray) -> np.ndarray:
    """For each inner knot, (..., K - 1), a value a little smaller than the lesser of both pieces beside it."""
    left, right = of_pieces[..., :-1], of_pieces[..., 1:]
    return left * right / (left + right + 1e-300)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of products over the last axis, (..., 1)."""
    return (a * b).sum(axis=-1, keepdims=True)


def _by_knot(at_left: np.ndarray, at_right: np.ndarray) -> np.ndarray:
    """Sums over the two pieces beside each knot, (K + 1,), of what each piece has at its left and its right end."""
    total = np.zeros((*at_left.shape[:-1], at_left.shape[-1] + 1))
    total[..., :-1] = at_left
    total[..., 1:] += at_right
    return total
