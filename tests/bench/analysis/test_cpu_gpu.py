"""CPU against GPU, out of planted journals: the numbers here are invented, and stay in this file."""

from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import pytest
from journals import HEADER, line, write

from bench.analysis import cpu_gpu
from bench.analysis.frames import Run, read
from bench.reporting.number_format import NO_BREAK
from bench.reporting.tables import crossovers

MACHINE = {"cpu": "A CPU", "gpus": [{"name": "A GPU"}, {"name": "Another"}], "gpu": {"index": 1, "name": "Another"}}
STATES = {name: {"reason": None, "facts": {}} for name in ("numpy", "numba", "cupy:1", "torch-cuda:1")}


def timed(name: str, work: str, batch: int, seconds: float, spread: float = 0.01, **more: Any) -> dict[str, Any]:
    """A case whose rounds scatter by that much; on the device nine tenths of it are launches at small N."""
    rounds = [seconds * (1 + spread * (k - 3.5) / 3.5) for k in range(8)]
    rule = "adam" if work == "step" else ""
    own: dict[str, Any] = {"work": work, "batch": batch, "optimizer": rule, "seconds": rounds}
    if ":" in name:
        own |= {"device": "cuda:1", "first_call_seconds": 0.5, "build_seconds": 0.25}
        own |= {"device_seconds": [seconds / 10 if batch < 10_000 else 0.9 * seconds]}
    return line(name, **{**own, **more})


def run_of(folder: Path, *lines: dict[str, Any], context: float | None = 1.25, machine: Any = MACHINE) -> Run:
    """A run on that machine whose second GPU was measured."""
    states = {**STATES, "cupy:1": {**STATES["cupy:1"], "context_seconds": context}}
    return read(
        write(folder / "raw" / "m" / "r.jsonl", *lines, machine={**HEADER["machine"], **machine}, backends=states)
    )


def usual(folder: Path) -> Run:
    """The CPU takes 1 us a sample, the best GPU 1 ms at any size: it overtakes at N = 1000."""
    lines = []
    for n in (100, 800, 10_000, 100_000):
        lines += [timed("numba", "gradient", n, 1e-6 * n), timed("numpy", "gradient", n, 3e-6 * n)]
        lines += [timed("cupy:1", "gradient", n, 1e-3), timed("torch-cuda:1", "gradient", n, 2e-3)]
    return run_of(folder, *lines)


def test_the_best_of_each_kind_are_compared(tmp_path: Path) -> None:
    """In each case the fastest CPU and the fastest GPU backend stand beside each other, with what a start costs."""
    frame = cpu_gpu.cpu_gpu(usual(tmp_path))
    assert frame.batch.tolist() == [100, 800, 10_000, 100_000]
    assert set(frame.cpu) == {"numba"}
    assert set(frame.gpu) == {"cupy:1"}
    assert frame.faster.tolist() == ["CPU", "CPU", "GPU", "GPU"]
    assert frame.launch_bound_share.tolist() == pytest.approx([0.9, 0.9, 0.1, 0.1])
    assert frame.gpu_times_faster.tolist() == pytest.approx([0.1, 0.8, 10, 100])
    assert frame.start_seconds.tolist() == pytest.approx([2.0] * 4)
    assert frame.steps_to_pay.tolist() == [inf, inf, 223, 21]  # 2 s over 9 ms and over 99 ms a step


@pytest.mark.parametrize(
    ("seconds", "steps"),
    [
        ((1.0, 0.5, 0.5, 0.3, 0.1), 10),  # 2 s at a gain of 0.2 s a step
        ((1.0, 0.5, 0.5, 0.1, 0.1), inf),
        ((1.0, 0.5, 0.5, 0.1, 0.3), inf),
        ((nan, 0.5, 0.5, 0.3, 0.1), nan),
        ((1.0, 0.5, 0.5, nan, 0.1), nan),
        ((0.0, 0.0, 0.0, 0.3, 0.1), 0),
    ],
)
def test_the_steps_that_pay_a_start(seconds: tuple[float, ...], steps: float) -> None:
    """The start over the gain of a step; never where nothing is gained, unknown where something was not measured."""
    found = cpu_gpu.steps_to_pay(*seconds)
    assert found == pytest.approx(steps, abs=1) or (isnan(found) and isnan(steps))


def test_the_answer_in_words(tmp_path: Path) -> None:
    """The paragraph names GPU and CPU, the size, the reason and the steps that pay the start, and opens the table."""
    run = usual(tmp_path)
    said = crossovers.cpu_gpu_in_words(run).replace(NO_BREAK, " ")
    assert said == (
        "On Another beside A CPU: below N = 1 000 (between 800 and 10 000) the CPU is faster for a gradient, above the "
        "GPU, because 90 % of a GPU gradient at N = 800 is launching, and the GPU has paid for its start of 2 s after "
        "21 gradients at N = 100 000."
    )
    first, table = crossovers.CPU_GPU.document(run)
    assert first == crossovers.cpu_gpu_in_words(run)
    assert len(table.frame) == 4  # type: ignore[union-attr]


def test_overlapping_intervals_are_not_certain(tmp_path: Path) -> None:
    """Where the intervals of the two medians meet nothing is claimed at that size, or at all."""
    sure = [timed("numba", "step", 32, 1e-4), timed("cupy:1", "step", 32, 1e-3)]
    open_ = [timed("numba", "step", 800, 1.02e-3, 0.1), timed("cupy:1", "step", 800, 1e-3, 0.1)]
    said = crossovers.cpu_gpu_in_words(run_of(tmp_path / "a", *sure, *open_))
    assert "the CPU is faster for a adam step" not in said
    assert "the CPU is faster for an adam step where one is clearly faster (N = 32 to 800)" in said
    assert said.endswith("; at N = 800 it is not certain: the intervals overlap.")
    said = crossovers.cpu_gpu_in_words(run_of(tmp_path / "b", *open_))
    assert said.endswith("it is not certain which is faster for an adam step, N = 800: the intervals overlap.")


def test_both_kinds_of_work_have_a_sentence(tmp_path: Path) -> None:
    """The GPU that is ahead everywhere is said so; a start whose context was not measured is not spoken of."""
    lines = [
        timed(name, work, 800, s) for work in ("gradient", "step") for name, s in (("numba", 1.0), ("cupy:1", 0.1))
    ]
    said = crossovers.cpu_gpu_in_words(run_of(tmp_path, *lines, context=None))
    assert said == (
        "On Another beside A CPU: the GPU is faster for a gradient at every N measured (N = 800). "
        "The GPU is faster for an adam step at every N measured (N = 800)."
    )


@pytest.mark.usefixtures("without_figures")
def test_a_machine_without_a_gpu_says_it_once(tmp_path: Path) -> None:
    """Without rows of a device there is no table, and one sentence on the page, however many settings it has."""
    from bench import report

    run = run_of(tmp_path / "cpu", timed("numba", "gradient", 800, 1e-3), machine={})
    assert crossovers.cpu_gpu_in_words(run) == crossovers.NO_GPU
    assert not crossovers.CPU_GPU.is_for(run)
    folder = tmp_path / "cpu" / "raw" / "m"
    settings = {"profile": "quick", "threads": 1}
    write(folder / "s.jsonl", timed("numba", "gradient", 800, 1e-3), machine={**HEADER["machine"]}, settings=settings)
    report.report(tmp_path / "cpu")
    page = (tmp_path / "cpu" / "README.md").read_text()
    assert page.count("\n## ") == 1
    assert page.count(crossovers.NO_GPU) == 1
    assert not (tmp_path / "cpu" / "tables" / "cpu_gpu.md").exists()
    usual(tmp_path / "gpu")
    report.report(tmp_path / "gpu")
    page = (tmp_path / "gpu" / "README.md").read_text()
    assert "No GPU was measured" not in page
    assert "tables/cpu_gpu.md" in page
    assert "On Another beside A CPU: below" in (tmp_path / "gpu" / "tables" / "cpu_gpu.md").read_text()
