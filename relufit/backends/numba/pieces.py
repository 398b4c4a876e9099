"""Evaluate a piecewise-linear function at many points by a compiled loop: the piece of each point by a guide to breaks.

One thread evaluates 10^6 points in 2 to 4 ms. Starting a second one was measured to gain nothing, on two busy cores.
"""

import numpy as np
from numba import njit

from relufit.backends.numba.dense import EXACT
from relufit.backends.numba.knots import cell_of, fill_guide
from relufit.network.sorted.polyline import Polyline

CELLS_PER_PIECE, MOST_CELLS = 16, 2**20
FEW = np.uint32(8)  # breaks of a cell that are compared in turn; more are bisected


class PieceTable:
    """A Polyline with a guide to its breaks, whose cells divide the domain."""

    def __init__(self, line: Polyline) -> None:
        anchors, low, high = line.anchors, line.x[line.first], line.x[line.last]
        self.rows = np.empty((line.y.shape[1], len(anchors), 3))
        self.rows[..., 0], self.rows[..., 1], self.rows[..., 2] = line.x[anchors], line.y[anchors].T, line.slope.T
        self.marks = np.append(line.x, np.nan)
        self.guide = np.empty(min(CELLS_PER_PIECE * len(anchors), MOST_CELLS) + 1, np.int32)
        with np.errstate(over="ignore"):
            self.low, self.scale = low, np.float64((len(self.guide) - 1) / (high - low))
        fill_guide(line.x, self.low, self.scale, self.guide)

    def at(self, x: np.ndarray) -> np.ndarray:
        """The values at x, (N,) or (N, 1) in float64, equal to those of Polyline.at: (N, O)."""
        x, y = x.ravel(), np.empty((x.size, len(self.rows)))  # a view where x is contiguous
        for output, rows in enumerate(self.rows):
            evaluate_pieces(x, self.marks, self.guide, self.low, self.scale, rows, y, output)
        return y


@njit(**EXACT)
def evaluate_pieces(x, marks, guide, low, scale, rows, y, output):
    """Write y[:, output], the values at x (N,), by the expression of np.interp.

    marks (K + 2,) are the breaks, followed by nan; guide and `scale`, from `low` on: see knots.fill_guide; rows (K + 2,
    3) has x and y of a point on each piece, and its slope, in one cache line. A loop over outputs in that over points
    would cost one output 40 %.

    The cell of a break is computed as that of a point, and rounding is monotone. So the breaks of the cells before that
    of the point are left of it, and only those in the cell are compared with it.
    """
    cells, crowded = len(guide) - 1, False
    for cell in range(cells):
        crowded |= guide[cell + 1] - guide[cell] > FEW
    for i in range(len(x)):
        point = np.float64(x[i])
        cell = np.uint32(cell_of(point, low, scale, cells))  # unsigned: numba need not handle negative indices
        k = np.uint32(guide[cell])
        if crowded:
            last = np.uint32(guide[cell + np.uint32(1)])
            while last - k > FEW:
                middle = (k + last) >> np.uint32(1)
                if marks[middle] <= point:
                    k = middle + np.uint32(1)
                else:
                    last = middle
        while marks[k] <= point:  # false for nan
            k += np.uint32(1)
        value = rows[k, 2] * (point - rows[k, 0]) + rows[k, 1]
        y[i, output] = value
        if value != value and point == point:  # 0 times infinity
            y[i, output] = rows[k, 1]
