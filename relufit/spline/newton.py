"""The best linear spline with K pieces: Newton's method on values and knots together.

Half the sum of squares has a banded Hessian in (v_0, t_0, v_1, t_1, ...), so that a joint step costs O(K). It is damped
until it is positive definite and the error falls, as in Levenberg and Marquardt's method. Much damping would slow down
all knots because of a few; instead, the terms with a residual as a factor (the curvature) are reduced.

With n weight of samples per length, e = spline - target, hats phi and slopes s, the derivatives of half the squares are

    d/dv_j     = integral n e phi_j                  d/dt_j = -sum over both pieces of s integral n e phi_j
    d2/dv dv'  = integral n phi phi'                 d2/dv dt' = -s integral n phi phi' - integral n e phi' phi_x
    d2/dt dt'  = s^2 integral n phi phi' + s integral n e (phi phi_x' + phi_x phi')
                 + [j = j'] n e(t_j) (s_right - s_left)

in which phi_x = -1/h, 1/h in a piece of length h. For a closed spline, the constraint adds a Lagrange multiplier and a
border to the system.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from relufit.spline.least_squares import Spline, by_knot, definite, dot, indefinite, ridge_of, solve
from relufit.spline.moments.pieces import Moments

STEPS = 80  # largest number of steps
DAMPING = 1e-2  # of the first step
STRONG = 2.0  # damping above which the curvature is reduced if the Hessian is not positive definite
LAST_DAMPING = 1e5  # damping at which the method ends
LEAST_SHARE = 0.1  # least share of the curvature that is used, besides none
ENOUGH = 1e-5  # relative gain below which a second step in a row is the last
PATIENCE = 4  # steps, tried or taken,
LITTLE = 5e-4  # that end the method if their relative gain together is below this
STRIDE = 0.4  # largest move of a knot in a step, relative to the shorter piece beside it


def improve(spline: Spline, held: np.ndarray, steps: int = STEPS) -> Spline:
    """Move the knots, except the ends and those at `held`, until the error no longer falls; it never rises."""
    free = _free(spline.knots, held)
    if spline.is_converged or spline.is_exact or not free.any():
        return spline
    damping, share, too_little, nearly_done = DAMPING, 1.0, 0.0, False
    squares = [spline.squares]
    equations: _Equations | None = None
    for _ in range(steps):
        equations = equations or _equations(spline, free)
        step = _newton_step(equations, damping, share)
        while step is None and damping >= STRONG and share > 0:
            share = share / 2 if share > 2 * LEAST_SHARE else 0.0
            step = _newton_step(equations, damping, share)
        if step is None:
            too_little, damping = damping, max(4 * damping, DAMPING)
        else:
            tried = solve(spline.pieces, _moved(spline, step), spline.closure)
            gain = spline.squares - tried.squares
            if gain > 0:
                small = gain < ENOUGH * spline.squares
                if small and (nearly_done or (damping < 1e-3 and share == 1)):
                    return replace(tried, is_converged=True)
                # Just above the least damping that makes the Hessian positive definite, steps are longest.
                too_little /= 2
                floor = 1.1 * too_little if damping < 2 * too_little else np.sqrt(damping * too_little)
                spline, nearly_done, damping = tried, small, max(damping / 6, floor)
                share, equations = min(1.0, max(2 * share, 2 * LEAST_SHARE)), None
            else:
                damping = max(4 * damping, 1e-3)
            squares.append(spline.squares)
            if len(squares) > PATIENCE and squares[-1 - PATIENCE] - squares[-1] < LITTLE * squares[-1]:
                return replace(spline, is_converged=True)
        if damping > LAST_DAMPING:
            return replace(spline, is_converged=True)
    return spline


def improve_all(splines: Spline, held: np.ndarray, steps: int) -> Spline:
    """Move the knots of splines side by side, (S, K + 1), for `steps` steps: fast, to compare the splines."""
    free = _free(splines.knots, held)
    damping = np.ones((len(splines.knots), 1))  # strong at first, because a step that fails is wasted
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
    """Mask of the knots that may move: neither the ends nor the `held` ones."""
    free = ~np.isin(knots, held)
    free[..., [0, -1]] = False
    return free


def _moved(spline: Spline, step: np.ndarray) -> np.ndarray:
    """The knots after a step that leaves them in order, (..., K + 1)."""
    h = spline.lengths
    most = np.maximum(STRIDE * np.minimum(h[..., :-1], h[..., 1:]) - spline.pieces.narrowest, 0.0)
    knots = spline.knots.copy()
    knots[..., 1:-1] += np.clip(step[..., 1:-1], -most, most)
    return knots


def _chosen(mask: np.ndarray, first: Spline, second: Spline) -> Spline:
    """Choose from splines side by side: those of `first` where the mask (S, 1) is true, else those of `second`."""

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


@dataclass(frozen=True)
class _Equations:
    """The system of Newton's step from a spline, in (v_0, t_0, v_1, t_1, ...), stored as in least_squares.definite."""

    spline: Spline
    free: np.ndarray  # (..., K + 1): the knots that move
    hessian: np.ndarray  # (4, ..., 2 K + 2)
    downhill: np.ndarray  # (2, ..., 2 K + 2): the negative gradient, and the gradient of the constraint
    stiffness: np.ndarray  # (..., K + 1), which times the damping is added to the diagonal of t

    @property
    def is_closed(self) -> bool:
        return self.spline.closure is not None

    @cached_property
    def products(self) -> np.ndarray:
        """The Hessian without terms that have a residual as a factor (Gauss-Newton), which is never indefinite."""
        s, (left, both, right) = self.spline.slopes, self.spline.gram
        at_knots, across = by_knot(s * s * left, s * s * right), by_knot(-s * left, -s * right)
        band = np.zeros_like(self.hessian)
        band[3, ..., 0::2] = self.hessian[3, ..., 0::2]
        _fill(band, self.free, at_knots, across, (both, -s * both, -s * both, s * s * both))
        return band


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
    at_knots = by_knot(t0t0, t1t1)
    at_knots[..., 1:-1] += (density * (spline.values - target))[..., 1:-1] * turn
    stiffness = np.zeros(at_knots.shape)
    stiffness[..., 1:-1] = _stiffness(turn, m.mass, h, free[..., 1:-1])
    band = np.zeros((4, *spline.knots.shape[:-1], 2 * spline.knots.shape[-1]))
    diagonal = by_knot(left, right)
    band[3, ..., 0::2] = diagonal + ridge_of(diagonal)
    _fill(band, free, at_knots, by_knot(v0t0, v1t1), (both, t0v1, v0t1, t0t1))

    downhill = np.zeros((2, *band.shape[1:]))
    downhill[0, ..., 1::2] = np.where(free, by_knot(s * spline.residuals[0], s * spline.residuals[1]), 0.0)
    if spline.closure is not None:
        per_length = spline.closure / h
        downhill[1, ..., 0::2] = by_knot(-per_length, per_length)
        downhill[1, ..., 1::2] = np.where(free, by_knot(per_length * s, -per_length * s), 0.0)
        downhill[0, ..., 0::2] = spline.multiplier * downhill[1, ..., 0::2]
    return _Equations(spline, free, band, downhill, stiffness)


def _fill(
    band: np.ndarray, free: np.ndarray, at_knots: np.ndarray, across: np.ndarray, pairs: tuple[np.ndarray, ...]
) -> None:
    """Write derivatives into the band: (..., K + 1) by t t and by v t of a knot, and `pairs` for both ends of a piece.

    The pairs (..., K) are the derivatives by v v, t v, v t and t t, with the left end first.
    """
    vv, tv, vt, tt = pairs
    band[3, ..., 1::2] = np.where(free, at_knots, 1.0)
    between, now, after = free[..., :-1] & free[..., 1:], free[..., :-1], free[..., 1:]
    band[2, ..., 1::2] = np.where(free, across, 0.0)
    band[2, ..., 2::2], band[1, ..., 2::2] = np.where(now, tv, 0.0), vv
    band[1, ..., 3::2], band[0, ..., 3::2] = np.where(between, tt, 0.0), np.where(after, vt, 0.0)


def _newton_step(equations: _Equations, damping: Any, share: float = 1.0) -> np.ndarray | None:
    """The move of each knot, (..., K + 1); None if the damped Hessian is not positive definite.

    `damping` is a number, or (S, 1) for splines side by side, of which those without a positive definite Hessian do not
    move. For closed splines, and side by side, only the sign of a determinant is tested, so the error may rise.
    """
    hessian, downhill = equations.hessian, equations.downhill
    band = hessian.copy() if share == 1 else equations.products + share * (hessian - equations.products)
    band[3, ..., 1::2] += damping * equations.stiffness
    if not equations.is_closed and band.ndim == 2:
        solved = definite(band, downhill[:1])
        return None if solved is None else solved[0, 1::2]
    found, sign = indefinite(band, downhill)
    step = found[0]
    if equations.is_closed:
        along = dot(downhill[1], found[1])
        step = step - found[1] * dot(downhill[1], found[0]) / np.where(along != 0, along, 1.0)
        sign = sign * along
    return np.where(sign > 0, step[..., 1::2], 0.0) if (sign > 0).any() else None


def _stiffness(turn: np.ndarray, mass: np.ndarray, h: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The unit of damping of each inner knot: about the squares that moving it alone would cost.

    At a knot with almost no turn these are 0. Moved by the length of a piece, all knots of a good spline cost the same,
    so each counts at least a hundredth of the average over free knots.
    """
    near = _parallel(h) ** 2
    moved, number = np.where(free, turn * turn * near / 6, 0.0), np.maximum(free.sum(axis=-1, keepdims=True), 1)
    cost = moved * _parallel(mass)
    # In a table with jumps every other piece may have no samples, and then every cost is 0.
    of_both = moved * (mass[..., :-1] + mass[..., 1:])
    average = np.where((cost > 0).any(axis=-1, keepdims=True), cost, of_both).sum(axis=-1, keepdims=True) / number
    return np.maximum(cost, 1e-2 * average) / near + 1e-300


def _parallel(of_pieces: np.ndarray) -> np.ndarray:
    """For each inner knot, (..., K - 1), a value a little smaller than the lesser of both pieces beside it."""
    left, right = of_pieces[..., :-1], of_pieces[..., 1:]
    return left * right / (left + right + 1e-300)
