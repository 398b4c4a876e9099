"""The tree of moments: what each row says of its run."""

import numpy as np
import pytest

from relufit.network.sorted.moments import FAN, FROM, LEAF, OWN, UP_TO, tabulate


def moments(x: np.ndarray, y: np.ndarray) -> list[float]:
    """Counted again from the samples x (n,), y (O, n): mean of x, its spread, and the same of each output."""
    dx = x - x.mean()
    counted = [x.mean(), np.sum(dx**2)]
    for row in y:
        counted += [row.mean(), np.sum(dx * (row - row.mean())), np.sum((row - row.mean()) ** 2)]
    return counted


@pytest.mark.parametrize("samples", [1, LEAF - 1, LEAF, 3 * LEAF, LEAF * FAN, LEAF * FAN**2 + 7 * LEAF * FAN + 5])
@pytest.mark.parametrize("outputs", [1, 3])
def test_every_row_holds_the_moments_of_its_run(samples: int, outputs: int) -> None:
    """Each row holds the moments of its node, of its parent's nodes up to it and from it on, far from zero."""
    rng = np.random.default_rng(0)
    x, y = np.sort(rng.uniform(0, 1, samples)) + 1000, rng.normal(size=(outputs, samples))
    table = tabulate(x, y)
    assert table.offsets[-1] == len(table.nodes)
    for level, base in enumerate(table.offsets[:-1]):
        size = LEAF * FAN**level
        assert table.offsets[level + 1] - base == samples // size
        for i in range(samples // size):
            begin, end = i // FAN * FAN * size, (i // FAN + 1) * FAN * size
            runs = {OWN: (i * size, (i + 1) * size), UP_TO: (begin, (i + 1) * size)}
            if end <= samples:
                runs[FROM] = (i * size, end)
            for kind, (first, last) in runs.items():
                wanted = moments(x[first:last], y[:, first:last])
                np.testing.assert_allclose(table.nodes[base + i, kind], wanted, rtol=1e-9, atol=1e-10)


def test_the_tree_is_small() -> None:
    """The tree takes about 8 bytes a sample for one output."""
    table = tabulate(np.linspace(0, 1, 2**16, dtype="f4"), np.zeros((1, 2**16), "f4"))
    assert table.nodes.nbytes / 2**16 < 8.1
