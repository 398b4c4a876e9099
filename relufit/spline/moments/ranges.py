"""Moments of any run of consecutive samples, at a cost that does not grow with its length.

Three ways, from the fastest to the most robust:

- the difference of two running totals. Totals are about one centre, so the second moments of a run cancel where the
  run is narrow beside its distance from that centre;
- for a short run of this kind, a sum over its samples;
- for a long one, a join of runs whose moments are about their own means. Runs are joined by the parallel-axis theorem,
  which adds positive numbers only: the result is as accurate as the samples, however narrow the run, how far and light.

The joined runs are those of a disjoint sparse table of blocks of samples. Level l of the table has groups of 2^l
blocks. A block in the left half of its group has the moments of the run from it to the middle of the group, a block in
the right half those from the middle to it. The highest bit in which the numbers of two blocks differ is the level on
which they lie in different halves of one group: the run from one to the other is two rows of that level.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

# Totals cancel where the variance of x in a run, over its mean square distance from the centre, is below NARROW over
# the square of the number of samples. The limit is higher for short runs, whose direct sum is cheap.
NARROW = 1e-8
LOST = 1e-22  # part of the last total up to which a difference of two has lost digits: pairs of floats have 32
BLOCK = 32  # samples in a block; shorter runs are summed directly


class RangeMoments:
    """Moments of N samples, or cells of samples, in order: mass, mean x, mean y, and sxx, sxy, syy about the means."""

    def __init__(self, samples: np.ndarray) -> None:
        """The six moments of each sample, (6, N); the last three are 0 for a single one."""
        self.samples = samples
        mass, x, y = samples[:3]
        # The median, not the middle of the range: beside an outlier all other samples lie close together.
        self.centre = float(x[len(x) // 2])
        dx, my = x - self.centre, mass * y
        mx = mass * dx
        # Each total is a pair of floats, so that a short run of a long table keeps its digits. The second one holds
        # what each addition lost: Knuth, The Art of Computer Programming 2, 4.2.2, theorem B.
        self.totals = np.zeros((2, 6, len(x) + 1))
        own: Sequence[Any] = list(samples[3:]) if samples[3:].any() else [0.0, 0.0, 0.0]
        terms = mass, mx, my, mx * dx + own[0], my * dx + own[1], my * y + own[2]
        for term, totals, losses in zip(terms, *self.totals, strict=True):
            total, before, lost = totals[1:], totals[:-1], losses[1:]
            np.cumsum(term, out=total)
            added = total - before
            np.subtract(term, added, out=lost)
            lost += before - (total - added)
            np.cumsum(lost, out=lost)

    def between(self, ranks: np.ndarray) -> np.ndarray:
        """Moments between neighbouring ranks, integers (..., K + 1) from 0 to N: (6, ..., K), zeros for no samples."""
        at = self.totals.take(ranks, axis=2)
        return self._from_totals(ranks[..., :-1], ranks[..., 1:], at[..., :-1], at[..., 1:])

    def runs(self, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Moments of the samples from number `begin` up to `end`, integers (...) from 0 to N: (6, ...)."""
        return self._from_totals(begin, end, self.totals.take(begin, axis=2), self.totals.take(end, axis=2))

    def _from_totals(self, begin: np.ndarray, end: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        found = (last[0] - first[0]) + (last[1] - first[1])
        mass, mx, my, mxx = found[:4]
        samples = end - begin
        inverse = 1 / np.where(samples > 0, mass, 1.0)
        x, y = mx * inverse, my * inverse
        spread = mxx - mx * x
        cancels = spread * np.minimum(samples, BLOCK) ** 2 <= NARROW * mxx
        cancels = (cancels | (spread <= LOST * self.totals[0, 3, -1])) & (samples > 2)
        found[3:] -= mx * x, mx * y, my * y
        found[1:3] = x + self.centre, y
        single = samples == 1
        if single.any():
            found[:, single] = self.samples[:, begin[single]]
        pair = samples == 2
        if pair.any():
            first_of = begin[pair]
            found[:, pair] = join(self.samples[:, first_of], self.samples[:, first_of + 1])
        if cancels.any():
            found[:, cancels] = self._local(begin[cancels], end[cancels])
        return found

    def _local(self, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Moments of runs of at least one sample, without the totals: (6, R)."""
        long = end - begin > BLOCK
        if not long.any():
            return self._summed(begin, end)
        first, last = -(-begin // BLOCK), end // BLOCK  # whole blocks, of long runs
        found = self._summed(begin, np.where(long, first * BLOCK, end))
        first, last, end = first[long], last[long], end[long]
        within, right = _of_blocks(self._table, first, last), self._summed(last * BLOCK, end)
        found[:, long] = join(join(found[:, long], within), right)
        return found

    def _summed(self, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Moments of runs of up to BLOCK samples, one by one: (6, R)."""
        places = begin[:, None] + np.arange((end - begin).max(initial=1))  # (R, longest)
        mass, x, y, sxx, sxy, syy = self.samples[:, np.minimum(places, self.samples.shape[1] - 1)]
        inside = (places < end[:, None]) + 0.0
        mass = mass * inside
        total = mass.sum(axis=1)
        divisor = np.where(total > 0, total, 1.0)
        mean_x, mean_y = (v[:, 0] + (mass * (v - v[:, :1])).sum(axis=1) / divisor for v in (x, y))
        dx, dy = x - mean_x[:, None], y - mean_y[:, None]
        products = ((sxx, dx, dx), (sxy, dx, dy), (syy, dy, dy))
        sums = (np.sum(own * inside + mass * a * b, axis=1) for own, a, b in products)
        return np.stack([total, mean_x, mean_y, *sums])

    @cached_property
    def _table(self) -> np.ndarray:
        """The sparse table of all whole blocks."""
        starts = np.arange(self.samples.shape[1] // BLOCK) * BLOCK
        return _sparse_table(self._summed(starts, starts + BLOCK))


def join(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Moments of two runs taken together, (6, ...), either of which may be empty: the parallel-axis theorem.

    Chan, Golub and LeVeque (1983), The American Statistician 37(3), 242-247.
    """
    joined = left + right
    share = right[0] / np.where(joined[0] > 0, joined[0], 1.0)
    gap, weight = right[1:3] - left[1:3], left[0] * share
    joined[1:3] = left[1:3] + share * gap
    joined[3] += weight * gap[0] * gap[0]
    joined[4] += weight * gap[0] * gap[1]
    joined[5] += weight * gap[1] * gap[1]
    return joined


def _sparse_table(blocks: np.ndarray) -> np.ndarray:
    """The disjoint sparse table of blocks (6, B): (6, levels, a power of two above B)."""
    bits = blocks.shape[1].bit_length()
    to_end = np.pad(blocks, ((0, 0), (0, 2**bits - blocks.shape[1])))  # from a place to the end of its group
    from_start = to_end.copy()  # from the start of its group to a place
    table = np.empty((6, bits + 1, 2**bits))
    table[:, 0] = to_end
    for bit in range(bits):
        ends, starts = (runs.reshape(6, -1, 2, 2**bit) for runs in (to_end, from_start))
        left, right = ends[:, :, 0], starts[:, :, 1]
        level = table[:, bit + 1].reshape(6, -1, 2, 2**bit)
        level[:, :, 0], level[:, :, 1] = left, right
        left[:], right[:] = join(left, right[..., -1:]), join(left[..., :1], right)
    return table


def _of_blocks(table: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Moments of the blocks from number `first` up to `last`, (R,) each: (6, R)."""
    empty, last, nothing = last <= first, last - 1, table.shape[2] - 1  # no block has the highest number
    level = np.frexp((first ^ last).astype(np.float64))[1]
    left = table[:, np.where(empty, 0, level), np.where(empty, nothing, first)]
    right = table[:, np.where(empty, 0, level), np.where(empty | (level == 0), nothing, last)]
    right[:, level == 0] = 0.0  # a single block is its own row
    return join(left, right)
