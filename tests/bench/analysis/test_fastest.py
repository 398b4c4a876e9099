"""The fastest backend of each case: ties, what is certain, what a first call costs, and the nearest measured sizes."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from journals import line, make

from bench.analysis.fastest import fastest, nearest


def passes(backend: str, seconds: float, **changes: Any) -> list[dict[str, Any]]:
    """Twelve passes of three rounds each around these seconds."""
    rounds = [seconds * (1 + k / 1000) for k in range(3)]
    return [line(backend, seconds=rounds, **{"pass": number}, **changes) for number in range(12)]


def test_the_fastest_stands_with_the_next_and_how_far_it_is_ahead(tmp_path: Path) -> None:
    """Numba is 4 times as fast as the next, 10 times torch-cpu, and that is certain by twelve passes."""
    lines = [*passes("numpy", 4e-3), *passes("numba", 1e-3, first_call_seconds=3.001), *passes("torch-cpu", 1e-2)]
    (row,) = fastest(make(tmp_path, *lines)).to_dict("records")
    assert (row["fastest"], row["tied"], row["next"], row["doubt"]) == ("numba", "", "numpy", "")
    assert row["median_us"] == pytest.approx(1001)
    assert (row["ahead"], row["times_torch"], row["times_numpy"]) == pytest.approx((4, 10, 4))
    assert row["first_call_seconds"] == 3.001
    assert row["calls_to_pay"] == 1000  # (3.001 s - 1 ms) over the 3 ms that a call gains


def test_what_cannot_be_told_apart_is_tied(tmp_path: Path) -> None:
    """Two backends whose intervals overlap share the first place; the next is the third."""
    near = [1e-3 * (1 + k / 100) for k in range(-4, 5)]
    lines = [line("numpy", seconds=near), line("numba", seconds=[1.01 * second for second in near]),
             line("torch-cpu", seconds=[5 * second for second in near])]  # fmt: skip
    (row,) = fastest(make(tmp_path, *lines)).to_dict("records")
    assert (row["fastest"], row["tied"], row["next"], row["doubt"]) == ("numpy", "numba", "torch-cpu", "")


def test_load_is_a_doubt_and_no_tie(tmp_path: Path) -> None:
    """A backend that is five times slower is not tied because its machine was loaded; the lead is not certain."""
    near = [1e-3 * (1 + k / 100) for k in range(-4, 5)]
    loaded = line("torch-cpu", seconds=[5 * second for second in near], watched_seconds=1.0, cores_of_others=0.8)
    (row,) = fastest(make(tmp_path, line("numpy", seconds=near), loaded)).to_dict("records")
    assert (row["tied"], row["next"], row["doubt"]) == ("", "torch-cpu", "loaded")


def test_few_rounds_are_a_doubt(tmp_path: Path) -> None:
    """Without rounds enough for an interval nothing is certain, however far the two are apart."""
    (row,) = fastest(make(tmp_path, line(seconds=[1e-3] * 3), line("torch-cpu", seconds=[1.0] * 3))).to_dict("records")
    assert (row["fastest"], row["next"], row["doubt"]) == ("numpy", "torch-cpu", "few")


def test_a_case_needs_two_backends(tmp_path: Path) -> None:
    """A case that one backend alone has timed has no fastest; a failed row is no time."""
    assert fastest(make(tmp_path, line(), line("torch-cpu", status="OOM", seconds=None))).empty
    assert "fastest" in fastest(make(tmp_path, line())).columns


def test_the_first_call_is_the_one_that_compiled(tmp_path: Path) -> None:
    """Only the first case of a process compiles: the longest first call of the kind of work counts for every size."""
    sizes = {800: 2.0, 8192: 1e-3}
    lines = [line("numba", batch=n, seconds=[1e-3] * 6, first_call_seconds=first) for n, first in sizes.items()]
    lines += [line("numpy", batch=n, seconds=[2e-3] * 6) for n in sizes]
    assert set(fastest(make(tmp_path, *lines)).first_call_seconds) == {2.0}


SIZES = pd.DataFrame(
    [("step", rule, "float32", n, h) for rule in ("adam", "sgd") for n in (32, 800, 8192) for h in (64, 512)],
    columns=["work", "optimizer", "dtype", "batch", "hidden"],
)


@pytest.mark.parametrize(
    ("wanted", "batches", "hidden"),
    [
        ({"batch": 800, "hidden": 512}, {800}, {512}),
        ({"batch": 5000, "hidden": 256}, {800, 8192}, {512}),  # 256 is nearer to 512 than to 64, as a ratio
        ({"batch": 1, "hidden": 100}, {32}, {64}),
        ({"batch": 10**6, "hidden": 512}, {8192}, {512}),
        ({"hidden": 64}, {32, 800, 8192}, {64}),
    ],
)
def test_the_nearest_sizes_are_those_around(wanted: dict[str, int], batches: set[int], hidden: set[int]) -> None:
    """The nearest width by ratio, and the measured batch sizes below and above."""
    found = nearest(SIZES, work="step", optimizer="adam", **wanted)
    assert (set(found.batch), set(found.hidden), set(found.optimizer)) == (batches, hidden, {"adam"})
    assert nearest(SIZES, work="gradient", **wanted).empty
