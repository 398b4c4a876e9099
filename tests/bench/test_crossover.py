"""`python -m bench.crossover` from the command line to the journal, with backends on a clock of their own."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journals import MACHINE, write_aa
from printed import printed

from bench import crossover
from bench.agreement import gate
from bench.analysis import frames
from bench.analysis.pairs import comparison
from bench.grid.case import Case
from bench.hardware import cpu_peaks, interference
from bench.measure import rounds, timing
from bench.measure.backends import load, unavailable
from bench.recipes import RECIPES
from bench.reporting.tables.crossovers import crossover_in_words
from relufit import Params, State, backends
from relufit.backend import Backend, Samples
from relufit.backends.numpy import NumpyBackend
from relufit.network.data import Plan

HERE = "test_crossover"


class Early(NumpyBackend):
    """A gradient takes 1 ms a sample: it leads up to N = 200. Calls as long need no others in their round."""

    now = 0.0  # of the clock that all of them share

    def __init__(self) -> None:
        super().__init__()
        self.name = type(self).__name__.lower()

    def seconds(self, samples: int) -> float:
        return 1e-3 * samples

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Any, Params]:
        Early.now += self.seconds(len(samples))
        return super().loss_and_grads(params, samples)

    def train(self, state: State, samples: Samples, optimizer: Any, plan: Any, epochs: range) -> Any:
        Early.now += self.seconds(plan.batch) * len(epochs) * plan.steps_per_epoch(len(samples))
        return super().train(state, samples, optimizer, plan, epochs)


class Steady(Early):
    """It takes 0.2 s, for as many as there are."""

    def seconds(self, samples: int) -> float:
        return 0.2


class OnGpu(Steady):
    """Steady, on a device."""

    def __init__(self) -> None:
        super().__init__()
        self.device = "cuda"


class Behind(Early):
    """Three times as long as the early one at any size."""

    def seconds(self, samples: int) -> float:
        return 3e-3 * samples


class Wrong(Steady):
    """Steady, and off by a thousandth from 1000 samples on."""

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Any, Params]:
        loss, grads = super().loss_and_grads(params, samples)
        return loss, Params(*(g * g.dtype.type(1.001 if len(samples) >= 1000 else 1) for g in grads))


class Small(Steady):
    """Steady, and refuses more than 600 samples."""

    def supports(self, sizes: Any, dtype: str, optimizer: Any = None, plan: Any = None) -> str | None:
        return "no more than 600 samples" if sizes.samples > 600 else None


class Full(Steady):
    """Steady, and out of memory above 600 samples."""

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Any, Params]:
        if len(samples) > 600:
            raise MemoryError("nothing is left")
        return super().loss_and_grads(params, samples)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backends by name, seconds that only their calls take, and no ceilings."""
    for kind in (Early, Steady, OnGpu, Behind, Wrong, Small, Full):
        monkeypatch.setitem(RECIPES, kind.__name__.lower(), (f"{HERE}:{kind.__name__}", "numpy"))
    # The same classes as those that the table of recipes leads to, wherever this file was imported from.
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])
    load.cache_clear()
    unavailable.cache_clear()
    monkeypatch.setattr(time, "perf_counter", lambda: Early.now)
    # The counters of what else the machine does know nothing of this clock.
    monkeypatch.setattr(interference, "together", lambda stretches, calls: {})
    monkeypatch.setattr(rounds, "_reference_clock", lambda: Early.now)  # a fake clock is no slow one
    monkeypatch.setattr(timing, "resolution", lambda: 1e-9)
    monkeypatch.setattr(cpu_peaks, "measure", lambda threads: {})
    monkeypatch.setattr(crossover.machine, "describe", lambda index: MACHINE)


@pytest.fixture
def cross(tmp_path: Path, without_figures: None) -> Callable[..., tuple[int, frames.Run]]:
    """Runs the command on a small network, draws nothing; returns its exit code and what the journal holds."""

    def run(*words: str) -> tuple[int, frames.Run]:
        code = crossover.main([*words, "--hidden", "4", "--passes", "10", "--results", str(tmp_path)])
        (path,) = tmp_path.rglob("*.jsonl")
        return code, frames.read(path)

    return run


def test_the_crossover_is_found_where_it_is(
    cross: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command finds the crossover within ten per cent, and gives its sentence and table."""
    code, run = cross("early", "steady", "--most", "4096")
    assert code == 0
    (found,) = comparison.crossings(run)
    assert found.low < 200 < found.high < 1.1 * found.low
    assert found.size == pytest.approx(200, rel=1e-3)  # to the rounding of the journal
    assert crossover_in_words(run).startswith("steady overtakes early at N = 20")
    assert crossover_in_words(run) in printed(capsys)
    assert list(tmp_path.rglob("*.now")) == []


def test_the_journal_holds_alternating_blocks(cross: Callable[..., Any]) -> None:
    """The journal has a line for each block, the backends alternating, and what was asked in its first line."""
    _, run = cross("early", "steady", "--most", "8")
    head, *lines = (json.loads(text) for text in run.path.read_text().splitlines())
    assert head["settings"]["profile"] == "crossover"
    assert head["settings"]["crossover"] == {
        "a": "early", "b": "steady", "over": "batch", "fixed": 4, "least": 1, "most": 8, "work": "gradient",
        "optimizer": "", "dtype": "float32",
    }  # fmt: skip
    assert run.sweep == crossover.Sweep(**head["settings"]["crossover"])
    first = [(line["backend"], line.get("pass", 0)) for line in lines if line["batch"] == 1]
    turns = [("early", "steady"), ("steady", "early")] * 5
    assert first == [(name, number) for number, turn in enumerate(turns) for name in turn]
    assert all(line["agreement"] and line["hidden"] == 4 for line in lines)


def test_agreement_is_checked_once_at_a_size(cross: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each backend is gated once at a size, before its first block there."""
    seen, compare = [], gate.compare

    def noted(backend: Backend, case: Case, plan: Plan) -> gate.Checks:
        seen.append((backend.name, case.batch))
        return compare(backend, case, plan)

    monkeypatch.setattr(gate, "compare", noted)
    cross("early", "behind", "--most", "8")
    assert seen == [("early", 1), ("behind", 1), ("early", 8), ("behind", 8)]


def test_what_this_machine_cannot_tell_apart_is_not_claimed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three times is drawn and not claimed where the newest A/A run of the folder resolves only more."""
    write_aa(tmp_path / "raw" / MACHINE["slug"], apart=4.0)
    words = ["--hidden", "4", "--passes", "10", "--most", "8", "--results", str(tmp_path)]
    assert crossover.main(["early", "behind", *words]) == 0
    assert "Neither early nor behind is clearly faster" in printed(capsys)
    assert len(list(tmp_path.rglob("crossover-*.png"))) == 1


def test_no_crossover_is_a_result_too(cross: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    """A search without a crossover measures every size of the scan and says who is faster."""
    code, run = cross("behind", "early", "--least", "3", "--most", "200")
    assert code == 0
    assert comparison.crossover(run)["size"].tolist() == [3, 24, 192, 200]
    sentence = (
        "early is faster than behind at every size measured, from N = 3 to 200: gradient, H = 4, float32; 3 times."
    )
    assert sentence in printed(capsys)


def test_a_backend_that_disagrees_ends_the_search_without_a_claim(
    cross: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A backend that disagrees ends the search with exit code 1 and the reason, however fast it is."""
    code, run = cross("early", "wrong", "--most", "4096")
    assert code == 1
    assert comparison.crossings(run) == []
    text = printed(capsys)
    assert "No crossover is claimed. N = 4 096 DISAGREES: wrong: " in text
    assert "overtakes" not in text


@pytest.mark.parametrize(
    ("backend", "said"),
    [("small", "was not measured: small: no more than 600 samples."), ("full", "OOM: full: nothing is left.")],
)
def test_a_failure_ends_the_scan_and_keeps_what_was_found(
    backend: str, said: str, cross: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure ends the scan, and the sizes below it are an answer."""
    code, run = cross("early", backend, "--most", "4096")
    assert code == 0
    (found,) = comparison.crossings(run)
    assert found.low < 200 < found.high
    assert f"N = 4 096 {said}" in printed(capsys)


def test_a_refusal_of_every_size_is_no_answer(cross: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    """A backend that refuses every size gives exit code 2, with the reason."""
    code, _ = cross("small", "early", "--least", "601", "--most", "700")
    assert code == 2
    sentence = "Nothing was compared. N = 601 was not measured: small: no more than 600 samples."
    assert sentence in printed(capsys)


@pytest.mark.parametrize(("spent_after", "blocks"), [(1, 1), (4, 4)])
def test_the_time_is_kept(
    spent_after: int,
    blocks: int,
    cross: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The time ends the search between two pairs of blocks; the next size has none and says why."""
    passes = iter([0.0] * (1 + 10 + spent_after))  # the start, ten pairs at the first size, and some at the second
    monkeypatch.setattr(time, "monotonic", lambda: next(passes, 100.0))
    _, run = cross("early", "steady", "--most", "4096", "--seconds", "50")
    sizes = run.cases[run.cases.backend == "early"].set_index("batch")
    assert [len(sizes.loc[size, "passes"]) for size in (1, 8, 64)] == [10, blocks, 0]
    assert "N = 64 was not measured: the 50 s were spent; --seconds gives more." in printed(capsys)


@pytest.mark.usefixtures("without_figures")
def test_a_step_over_the_width(tmp_path: Path) -> None:
    """Every line says what varies, what is timed and by which optimizer; batches of 32 are a case like any."""
    words = ["--over", "hidden", "--work", "step", "--batch", "32", "--most", "8", "--passes", "10"]
    code = crossover.main(["early", "behind", *words, "--results", str(tmp_path)])
    (path,) = tmp_path.rglob("*.jsonl")
    cases = frames.read(path).cases
    assert code == 0
    assert comparison.crossover(frames.read(path)).times_faster.tolist() == pytest.approx([3, 3], rel=0.1)
    assert set(cases.work) == {"step"}
    assert set(cases.optimizer) == {"adam"}
    assert set(cases.batch) == {32}
    assert set(cases.hidden) >= {1, 8}


@pytest.fixture
def beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of two backends on the CPU and one on a GPU."""
    rows = {"behind": "cpu", "early": "cpu", "ongpu": "cuda"}
    table = {name: backends.Row(f"{HERE}:{name}", device, "numpy", "-") for name, device in rows.items()}
    monkeypatch.setattr(backends, "table", lambda: table)
    monkeypatch.setattr(crossover, "is_on_cuda", lambda name: name == "ongpu")


@pytest.mark.usefixtures("beside_a_gpu", "without_figures")
def test_the_best_cpu_against_the_best_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The best on either side are named, gradient and step have a journal each, and one paragraph answers for both."""
    words = ["--cpu-gpu", "--hidden", "4", "--passes", "10", "--most", "512", "--results", str(tmp_path)]
    assert crossover.main(words) == 0
    asked = [
        json.loads(path.read_text().splitlines()[0])["settings"]["crossover"] for path in tmp_path.rglob("*.jsonl")
    ]
    assert sorted((sweep["a"], sweep["b"], sweep["work"], sweep["optimizer"]) for sweep in asked) == [
        ("early", "ongpu", "gradient", ""), ("early", "ongpu", "step", "adam"),
    ]  # fmt: skip
    said = capsys.readouterr().err
    assert "CPU, a gradient at N = 800: early 800 ms, behind 2.4 s" in said
    assert "GPU, a gradient at N = 800: ongpu 200 ms" in said
    assert "beside A CPU: below N = 20" in said
    assert "the CPU is faster for a gradient, above the GPU" in said
    assert "the CPU is faster for an adam step, above the GPU" in said


@pytest.mark.usefixtures("beside_a_gpu")
def test_without_a_gpu_there_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no GPU can be used it is a sentence with the reason, exit code 2, and nothing is measured."""
    monkeypatch.setattr(crossover.backends, "unavailable", lambda name: "no driver" if name == "ongpu" else None)
    assert crossover.main(["--cpu-gpu", "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "bench.crossover: no GPU can be used here: ongpu (no driver)\n"
    assert list(tmp_path.iterdir()) == []
