"""Costs against a count made by hand, one scalar operation at a time."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from bench.grid.cost import cost, is_fused, is_hinge, parameters, unfused_bytes
from relufit import Params, Sizes, init_params
from relufit.network.optim import OPTIMIZERS
from relufit.testing.definitions import exact_grads
from relufit.testing.problems import problem


class Counted:
    """A number that counts the floating-point operations that it takes part in."""

    operations = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def count(self, value: float) -> "Counted":
        """The result of one operation."""
        Counted.operations += 1
        return Counted(value)

    def __add__(self, other: "Counted") -> "Counted":
        return self.count(self.value + other.value)

    def __sub__(self, other: "Counted") -> "Counted":
        return self.count(self.value - other.value)

    def __mul__(self, other: "Counted") -> "Counted":
        return self.count(self.value * other.value)

    def where(self, z: "Counted") -> "Counted":
        """Itself where z > 0, else 0: relu and its mask are one operation each."""
        return self.count(self.value if z.value > 0 else 0.0)


def numbers(array: Any) -> Any:
    """Nested lists of counted numbers."""
    return [numbers(row) for row in array] if np.ndim(array) else Counted(float(array))


def zeros(*shape: int) -> Any:
    """Nested lists of counted zeros, with which every sum starts."""
    return numbers(np.zeros(shape))


def network(params: Params, x: np.ndarray, y: np.ndarray, *, backward: bool) -> tuple[int, list[Any]]:
    """Operations of the textbook's forward, or forward and backward, and the gradients."""
    w1, b1, w2, b2 = (numbers(p) for p in params)
    (n, d), (h, o) = x.shape, params.w2.shape
    xs, ys, scale = numbers(x), numbers(y), Counted(2 / (n * o))
    dw1, db1, dw2, db2, loss = zeros(d, h), zeros(h), zeros(h, o), zeros(o), Counted(0.0)
    Counted.operations = 0
    for s in range(n):
        z = [b1[j] for j in range(h)]
        out, hidden = [b2[k] for k in range(o)], []
        for j in range(h):
            for i in range(d):
                z[j] = z[j] + xs[s][i] * w1[i][j]
            hidden.append(z[j].where(z[j]))
            for k in range(o):
                out[k] = out[k] + hidden[j] * w2[j][k]
        if not backward:
            continue
        error = [out[k] - ys[s][k] for k in range(o)]
        dy = [error[k] * scale for k in range(o)]
        for k in range(o):
            loss = loss + error[k] * error[k]
            db2[k] = db2[k] + dy[k]
        for j in range(h):
            dh = Counted(0.0)
            for k in range(o):
                dw2[j][k] = dw2[j][k] + hidden[j] * dy[k]
                dh = dh + dy[k] * w2[j][k]
            dz = dh.where(z[j])
            db1[j] = db1[j] + dz
            for i in range(d):
                dw1[i][j] = dw1[i][j] + xs[s][i] * dz
    return Counted.operations, [dw1, db1, dw2, db2]


def values(nested: Any) -> Any:
    """The numbers without their counting."""
    return [values(item) for item in nested] if isinstance(nested, list) else nested.value


@pytest.mark.parametrize("sizes", [Sizes(3, 1, 4, 1), Sizes(5, 2, 3, 1), Sizes(4, 3, 2, 2)])
@pytest.mark.parametrize("algorithm", ["dense", "autograd", "textbook", "recipe", "dense, fused", "anything else"])
def test_dense_operations_are_those_of_the_network(sizes: Sizes, algorithm: str) -> None:
    """The formula counts what a textbook's loops do, which compute the right gradients."""
    params, x, y = problem(sizes, "float64")
    forward, _ = network(params, x, y, backward=False)
    both, grads = network(params, x, y, backward=True)
    for found, wanted in zip(grads, exact_grads(params, x, y), strict=True):
        np.testing.assert_allclose(np.asarray(values(found)), wanted, rtol=1e-9, atol=1e-12)
    assert cost("forward", sizes, "float64", algorithm).operations == forward
    assert cost("gradient", sizes, "float64", algorithm).operations == both


@pytest.mark.parametrize(
    ("d", "o", "forward", "gradient"),
    [(1, 1, 3, 9), (2, 1, 4, 4 + 7), (1, 2, 4, 4 + 10), (3, 2, 6, 6 + 14)],
)
def test_instructions_of_the_fused_form(d: int, o: int, forward: int, gradient: int) -> None:
    """A fused unit takes three instructions a sample forward and nine with backward, no fewer than its fma."""
    sizes = Sizes(10, d, 7, o)
    pairs = 70
    assert cost("forward", sizes, "float32", "dense").instructions == pairs * forward
    both = cost("gradient", sizes, "float32", "dense")
    assert both.instructions == pairs * gradient
    assert 0 < both.multiply_adds < both.instructions
    assert cost("forward", sizes, "float32", "dense").multiply_adds == pairs * (d + o)


def test_compulsory_bytes_are_each_array_once() -> None:
    """Each array counts once: inputs, outputs or targets, weights, gradients; a step's moments are read and written."""
    sizes = Sizes(100, 2, 8, 3)
    weights = 2 * 8 + 8 + 8 * 3 + 3
    assert parameters(sizes) == weights
    assert cost("forward", sizes, "float32", "dense").bytes == 4 * (100 * 2 + 100 * 3 + weights)
    gradient = cost("gradient", sizes, "float64", "dense")
    assert gradient.bytes == 8 * (100 * 2 + 100 * 3 + 2 * weights)
    assert cost("step", sizes, "float64", "dense", "adam").bytes == gradient.bytes + 8 * 4 * weights


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_an_update_costs_what_its_formula_says(name: str) -> None:
    """An update costs what is counted in the update itself, a root as one operation."""
    Counted.operations = 0

    class Weight(Counted):
        def __mul__(self, other: Any) -> "Weight":
            return Weight(self.count(self.value * getattr(other, "value", other)).value)

        __rmul__ = __mul__

        def __add__(self, other: Any) -> "Weight":
            return Weight(self.count(self.value + getattr(other, "value", other)).value)

        def __sub__(self, other: Any) -> "Weight":
            return Weight(self.count(self.value - other.value).value)

        def __truediv__(self, other: Any) -> "Weight":
            return Weight(self.count(self.value / other.value).value)

        def __pow__(self, power: float) -> "Weight":
            return Weight(self.count(self.value**power).value)

    rule = OPTIMIZERS[name]()
    start = rule.init(Params(*(Weight(1.0) for _ in range(4))))
    Counted.operations = 0
    rule.update(start, Params(*(Weight(0.5) for _ in range(4))))
    sizes = Sizes(1, 1, 1, 1)  # four weights
    update = (
        cost("step", sizes, "float32", "dense", name).operations
        - cost("gradient", sizes, "float32", "dense").operations
    )
    assert update == Counted.operations


def hinge(params: Params, x: np.ndarray, y: np.ndarray) -> tuple[int, Params]:
    """Exact gradients by sorted knots and moments (D = O = 1), its operations counted; probes and sorting are apart.

    Written to be counted: segments between the knots, each with its six moments, as a table would give them.
    """
    order = np.argsort(x[:, 0])
    xs, ts = x[order, 0], y[order, 0]
    w1, b1, w2 = params.w1[0], params.b1, params.w2[:, 0]
    active = np.array([w1[j] * xs + b1[j] > 0 for j in range(len(w1))])  # (H, N)
    ranks = [int(np.argmax(row)) if row[-1] else int(np.argmin(row)) if row[0] else 0 for row in active]
    knots = sorted(range(len(w1)), key=lambda j: ranks[j])
    edges = [0, *(ranks[j] for j in knots), len(xs)]
    slope, shift = Counted(0.0), Counted(float(params.b2[0]))
    for j in range(len(w1)):
        if active[j][0]:
            slope, shift = Counted(slope.value + w1[j] * w2[j]), Counted(shift.value + b1[j] * w2[j])
    tables = [np.concatenate([[0.0], np.cumsum(t)]) for t in (xs**0, xs, xs * xs, ts, xs * ts, ts * ts)]
    sums: list[tuple[Counted, Counted]] = []
    total, total_x, loss = Counted(0.0), Counted(0.0), Counted(0.0)
    grads: list[Counted] = []
    Counted.operations = 0
    for place, (first, last) in enumerate(pairwise(edges)):
        if place == len(knots):  # the segment after the last knot: the count is per unit, so this one is not counted
            kept = Counted.operations
        m1, mx, mxx, mt, mxt, mtt = (Counted(t[last]) - Counted(t[first]) for t in tables)
        g = slope * mx + shift * m1 - mt
        gx = slope * mxx + shift * mx - mxt
        loss = loss + (slope * gx + shift * g - (slope * mxt + shift * mt - mtt))
        total, total_x = total + g, total_x + gx
        sums.append((total, total_x))
        if place < len(knots):
            j, side = knots[place], -1.0 if active[knots[place]][0] else 1.0
            left, right = Counted(side * w1[j]), Counted(side * b1[j])
            slope, shift = slope + left * Counted(w2[j]), shift + right * Counted(w2[j])
    Counted.operations = kept
    dw1, db1, dw2 = np.zeros_like(w1), np.zeros_like(b1), np.zeros_like(w2)
    for place, j in enumerate(knots):
        s0, s1 = sums[place]
        if not active[j][0]:
            s0, s1 = Counted(total.value - s0.value), Counted(total_x.value - s1.value)
        if not active[j].any():
            s0, s1 = Counted(0.0), Counted(0.0)
        elif active[j].all():
            s0, s1 = total, total_x
        v, w, b, zero = Counted(w2[j]), Counted(w1[j]), Counted(b1[j]), Counted(0.0)
        grads = [zero + v * s0, zero + v * s1, zero + w * s1 + b * s0]
        db1[j], dw1[j], dw2[j] = (2 / len(xs) * g.value for g in grads[:2] + grads[2:])
    db2 = np.array([2 / len(xs) * total.value])
    return Counted.operations, Params(dw1[None], db1, dw2[:, None], db2)


def test_hinge_operations_are_those_of_the_moment_form() -> None:
    """A counting moment form that is right takes 38 operations a unit, its rank apart."""
    params, (x, y) = init_params(6, dtype="float64", seed=3), (np.linspace(-6, 6, 40)[:, None],) * 2
    y = np.sin(y)
    counted, grads = hinge(params, x, y)
    for found, wanted in zip(grads, exact_grads(params, x, y), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)
    sizes = Sizes(40, 1, 6, 1)
    order_of_knots, ranks = 6, 6 * 9
    found = cost("gradient", sizes, "float64", "hinge").operations
    assert found - ranks - order_of_knots == pytest.approx(counted)


def test_hinge_does_not_depend_on_n() -> None:
    """Hinge with ten times the samples costs no more."""
    one, ten = (cost("gradient", Sizes(n, 1, 512, 1), "float32", "hinge, moments") for n in (10**6, 10**7))
    assert ten == one
    dense = cost("gradient", Sizes(10**7, 1, 512, 1), "float32", "dense")
    assert dense.operations > 1e5 * ten.operations


def test_algorithms_are_told_by_their_word() -> None:
    """An algorithm is known by the word that its backend says."""
    assert is_hinge("hinge")
    assert not is_hinge("dense, fused")
    assert not is_hinge(None)
    assert [word for word in ("dense", "autograd", "dense, fused", "hinge", None) if is_fused(word)] == [
        "dense, fused",
        "hinge",
    ]


def test_unfused_traffic_is_22_to_28_kb_a_sample() -> None:
    """Unfused traffic is eleven passes over (N, H) at H = 512 in float32."""
    assert unfused_bytes("gradient", Sizes(1, 1, 512, 1), "float32") == 22_528
    assert unfused_bytes("forward", Sizes(1, 1, 512, 1), "float32") == 8_192
