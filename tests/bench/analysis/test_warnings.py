"""Each sign of an unsound time is seen where it is, and only there; backends that deceive the clock are found out."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journals import learned, line, solved, write
from trials import make

from bench import report
from bench.analysis import throughput, warnings
from bench.analysis.frames import Run, read
from bench.analysis.learning import solvers
from bench.analysis.pairs import comparison
from bench.analysis.runs import runs
from bench.grid.case import Case
from bench.journal.schema import ROOFS
from bench.journal.status import Unsound
from bench.measure import rounds, timing
from bench.measure import throughput as measuring
from bench.reporting.document import markdown
from bench.reporting.provenance import legend
from bench.reporting.tables.throughput import THROUGHPUT
from relufit.backends.numpy import NumpyBackend

RNG = np.random.default_rng(0)
STEADY = (1e-3 * np.exp(RNG.normal(0, 0.01, 25))).tolist()


def case(tmp_path: Path, header: dict[str, Any] | None = None, **fields: Any) -> tuple[Run, dict[str, Any]]:
    """A run of one row, and the row."""
    run = read(write(tmp_path / "raw" / "m" / "r.jsonl", line(**{"seconds": STEADY, **fields}), **(header or {})))
    return run, run.cases[run.cases.backend == "numpy"].to_dict("records")[0]


def seen(tmp_path: Path, header: dict[str, Any] | None = None, **fields: Any) -> list[str]:
    """The words of the notes on such a row; of an unsound one those of its reason."""
    run, row = case(tmp_path, header, **fields)
    return [note.word for note in warnings.notes(run.header, row)] + warnings.words(row["reason"])


WATCHED = {"watched_seconds": 1.0, "cores_used": 1.0, "cores_of_others": 0.02, "cores_stolen": 0.0}
TF32 = {"backends": {"numpy": {"reason": None, "facts": {"tf32": "on"}}}}
LARGE_HOST = {"machine": {"logical_cores": 64}}
ONE_THREAD = {"settings": {"threads": 1}}
CEILINGS = {"one_core": dict.fromkeys(ROOFS, 1e10), "cores": 1, "cache_bytes": 2**25}


@pytest.mark.parametrize(
    ("word", "header", "fields"),
    [
        ("unsynchronized", {}, {"read_back_seconds": 5e-3}),
        ("TF32", TF32, {}),
        ("threads not as asked", ONE_THREAD, {**WATCHED, "cores_used": 1.9}),
        ("thread beside", {}, {"cores_idle": 0.9}),
        ("throttled", {}, {**WATCHED, "throttled_share": 0.2}),
        ("throttled", {}, {"gpu": {"throttled": "software power cap"}}),
        ("shared GPU", {}, {"gpu": {"processes": 2}}),
        ("loaded machine", {}, {**WATCHED, "cores_of_others": 0.8}),
        ("loaded machine", {}, {**WATCHED, "cores_stolen": 0.3}),
        ("loaded machine", LARGE_HOST, {**WATCHED, "cores_of_others": 4.0}),
        ("other kernels", {"settings": {"environment": {"OPENBLAS_CORETYPE": "Haswell"}}}, {}),
        ("drifting", {}, {"seconds": [s * (1 + 0.2 * k / 25) for k, s in enumerate(STEADY)]}),
        ("noisy", {}, {"seconds": [1e-3, 1.4e-3] * 12}),
        ("too short for the timer", {"timer_seconds": 1e-4}, {}),
        ("subnormals", {}, {"subnormals": 3}),
        ("page faults", {}, {"minor_faults_per_call": 800}),
    ],
)
def test_each_is_said(tmp_path: Path, word: str, header: dict[str, Any], fields: dict[str, Any]) -> None:
    """Each fault is said, and nothing else of a row that is otherwise steady."""
    assert seen(tmp_path, header, **fields) == [word]


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        ({}, {}),
        ({}, {"read_back_seconds": 2e-3}),
        ({}, {"cores_idle": 0.1}),
        (TF32, {"dtype": "float64"}),
        (ONE_THREAD, {**WATCHED, "cores_used": 1.02}),
        (ONE_THREAD, {**WATCHED, "cores_used": 2.0, "watched_seconds": 0.02}),  # two ticks of the counters
        ({"settings": {"threads": None}}, {**WATCHED, "cores_used": 2.0}),
        ({}, {**WATCHED, "cores_of_others": 0.5, "watched_seconds": 0.05}),
        (LARGE_HOST, {**WATCHED, "cores_of_others": 3.0}),
        ({}, {"gpu": {"processes": 1, "throttled": ""}}),
        ({"timer_seconds": 1e-7}, {}),
        ({}, {"subnormals": 0, "minor_faults_per_call": 20}),
        ({}, {"seconds": [1e-3] * 24 + [1.0]}),  # an outlier is no spread
    ],
)
def test_nothing_is_said_of_a_sound_time(tmp_path: Path, header: dict[str, Any], fields: dict[str, Any]) -> None:
    """Nothing is said of numbers just below each limit, or of too few for it."""
    assert seen(tmp_path, header, **fields) == []


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize(
    ("header", "fields"),
    [
        ({}, {"read_back_seconds": 5e-3}),
        (TF32, {}),
        (ONE_THREAD, {**WATCHED, "cores_used": 1.9}),
        ({"ceilings": CEILINGS, **ONE_THREAD}, {"seconds": [1e-4] * 9}),
    ],
)
def test_an_unsound_row_has_no_time_anywhere(
    header: dict[str, Any], fields: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a grave note a row is UNSOUND: no table, .csv, verdict or terminal shows a time or a ratio of it."""
    ours = line(**{"seconds": [7.77e-4] * 9, "first_call_seconds": 7.77, "device_seconds": [7.77e-4] * 9, **fields})
    trained = learned(train_seconds=[7.77, 7.77, 7.77]) if header is TF32 else line(batch=32, seconds=STEADY)
    write(tmp_path / "raw" / "m" / "r.jsonl", ours, line("torch-cpu", seconds=STEADY), trained, **header)
    report.report(tmp_path)
    printed = capsys.readouterr().out
    (run,) = runs(tmp_path)
    row = run.cases.query("backend == 'numpy' and batch == 800").iloc[0]
    assert (row.status, row.seconds, row.passes) == ("UNSOUND", [], {})
    assert "UNSOUND" in printed
    verdicts = comparison.two_backends(run, "numpy", "torch-cpu")
    assert verdicts.query("batch == 800").a_us.isna().all()
    for path in [tmp_path / "README.md", *(tmp_path / "tables").iterdir()]:
        assert "777" not in path.read_text().replace("7.77 s", "777"), path
        assert "100 us" not in path.read_text()


def test_what_an_honest_row_may_reach_of_its_roof(tmp_path: Path) -> None:
    """1.2 times as fast as the ceilings allow is an error of the ceilings, 1.3 times is not."""
    header = {"ceilings": CEILINGS, **ONE_THREAD}
    roof = 9 * 800 * 512 / 1e10  # its lane instructions
    for share, status in ((1.2, "OK"), (1.3, "UNSOUND")):
        _, row = case(tmp_path, header, seconds=[roof / share] * 9)
        assert row["status"] == status
    assert row["reason"].startswith("above the measured ceilings: 1.3 times")


def test_a_row_without_a_time_has_no_unsound_one(tmp_path: Path) -> None:
    """A comparison with float64 that was made in TF32 stands: it has no time."""
    _, row = case(tmp_path, TF32, work="agreement", seconds=None)
    assert row["status"] == "OK"


def test_every_warning_ends_with_what_to_do(tmp_path: Path) -> None:
    """The text of each warning ends with how to measure better."""
    run, row = case(tmp_path, seconds=[1e-3, 1.4e-3] * 12, subnormals=3)
    text = warnings.in_words(warnings.notes(run.header, row), "gradient")
    assert re.fullmatch(r"noisy: .* \(.*--passes 12\); subnormals: 3 weights \(.*float64.*\)", text)
    assert all(warnings.REMEDIES.values())


def test_passes_are_not_advised_where_they_repeat_nothing(tmp_path: Path) -> None:
    """What to do about noise in work that each run measures once: an idle machine, and no number of passes."""
    noise = [1e-3 * (1 + k % 5) for k in range(25)]
    works = ("gradient", "forward", "scaling")
    lines = [line(name, work=work, seconds=noise) for name in ("numpy", "torch-cpu") for work in works]
    run = read(write(tmp_path / "r.jsonl", *lines, solved("spline", seconds=noise)))
    for frame, advised in ((throughput.throughput(run), True), (throughput.scaling(run), False), (solvers(run), False)):
        assert ("--passes 12" in "".join(frame.unsound)) == advised
        told = "".join(map(str, legend(frame)))  # of throughput: with the rows of backward
        assert ("noisy: --passes 12" in told, "noisy: measure on an idle machine" in told) == (advised, not advised)
    verdicts = comparison.two_backends(run, "numpy", "torch-cpu").set_index("work")
    assert verdicts.detail.str.contains("--passes").to_dict() == {"gradient": True, "forward": True, "scaling": False}


def test_drift_is_looked_for_within_a_pass(tmp_path: Path) -> None:
    """Passes at different speeds are no drift of a pass; a drift within one of them is."""
    steady = [line(seconds=[s * factor for s in STEADY], **{"pass": n}) for n, factor in enumerate((1, 1.5))]
    drifting = line(seconds=[s * (1 + 0.3 * k / 25) for k, s in enumerate(STEADY)], **{"pass": 2})
    for lines, expected in ((steady, False), ([*steady, drifting], True)):
        run = read(write(tmp_path / f"{expected}.jsonl", *lines))
        row = run.cases[run.cases.backend == "numpy"].to_dict("records")[0]
        assert (warnings.drifting(run.header, row) is not None) == expected


def test_drift_is_seldom_seen_in_noise() -> None:
    """Steady rows are called drifting in 1 % at most (to sampling error), the level of the rank test."""
    rng, seen = np.random.default_rng(1), 0
    for _ in range(400):
        seconds = (1e-3 * np.exp(rng.normal(0, 0.2, 24))).tolist()
        seen += warnings.drifting({}, {"passes": {}, "seconds": seconds}) is not None
    assert seen / 400 < 0.025


def test_it_stands_in_the_row_and_in_the_report(tmp_path: Path) -> None:
    """A fault stands with numbers in the .csv and in a word in the table; a grave one takes the ratio."""
    lines = [line("torch-cpu", seconds=STEADY), line(seconds=STEADY, read_back_seconds=5e-3),
             line("textbook-numpy", seconds=[1e-3, 1.4e-3] * 12)]  # fmt: skip
    run = read(write(tmp_path / "r.jsonl", *lines))
    frame = throughput.throughput(run).set_index("backend")
    assert frame.status["numpy"] == "UNSOUND"
    assert frame.reason["numpy"].startswith("unsynchronized: 5")
    assert np.isnan(frame.times_faster_than_baseline["numpy"])
    assert frame.unsound["textbook-numpy"].startswith("noisy: the middle half of the rounds spreads by ")
    assert frame.times_faster_than_baseline["textbook-numpy"] == pytest.approx(0.83, abs=0.03)
    text = markdown(THROUGHPUT.document(run))
    assert "unsynchronized: 5" in text
    assert "noisy at N = 800" in text


def test_an_unsynchronized_baseline_gives_no_ratio(tmp_path: Path) -> None:
    """A baseline that is not synchronized gives no ratio, for its time is not true."""
    run = read(
        write(tmp_path / "r.jsonl", line("torch-cpu", seconds=STEADY, read_back_seconds=1.0), line(seconds=STEADY))
    )
    rows = throughput.throughput(run).set_index("backend")
    assert np.isnan(rows.times_faster_than_baseline["torch-cpu"])
    assert rows.baseline["numpy"] == "numpy"


class Asynchronous(NumpyBackend):
    """A device with a queue of its own: a gradient takes 2 ms there, and its result is waited for when it is read."""

    def __init__(self, *, synchronizes: bool) -> None:
        super().__init__()
        self.synchronizes, self.queue = synchronizes, ThreadPoolExecutor(1)
        self.pending: list[Future[None]] = []

    def loss_and_grads(self, params: Any, samples: Any) -> Any:
        self.pending.append(self.queue.submit(time.sleep, 2e-3))
        return super().loss_and_grads(params, samples)

    def synchronize(self) -> None:
        if self.synchronizes:
            self.wait()

    def to_host(self, array: Any) -> np.ndarray:
        self.wait()
        return super().to_host(array)

    def wait(self) -> None:
        while self.pending:
            self.pending.pop().result()


@pytest.fixture(params=[True, False], ids=["synchronizes", "forgets to"])
def asynchronous(request: pytest.FixtureRequest) -> Iterator[Asynchronous]:
    """Such a device, in order or not."""
    backend = Asynchronous(synchronizes=request.param)
    yield backend
    backend.queue.shutdown()


def test_a_backend_that_forgets_to_synchronize_is_found(asynchronous: Asynchronous, tmp_path: Path) -> None:
    """A row whose clock saw launches only says so; the same device in good order is believed."""
    run, lines = make(Case("gradient", 20, 4), asynchronous)
    params, samples = measuring.draw_samples(run)
    call = lambda: asynchronous.loss_and_grads(params, samples)  # noqa: E731
    if not asynchronous.synchronizes:
        with pytest.raises(Unsound, match=r"unsynchronized: .* times as long when results are read back"):
            rounds.time_rounds(run, call)
        assert not lines
        return
    rounds.time_rounds(run, call)
    words = seen(tmp_path, read_back_seconds=lines[0]["read_back_seconds"], seconds=lines[0]["seconds"])
    assert "unsynchronized" not in words


def test_a_sleep_of_known_length_is_measured() -> None:
    """The clock of bench gives a sleep no less than its length, and its least not much more."""
    seconds = min(timing.seconds_per_call(lambda: time.sleep(0.02), time.perf_counter, 2) for _ in range(10))
    assert 0.02 <= seconds < 0.03
