"""Options, fixtures and the journal of `pytest bench`.

    pytest bench --benchmark-only                     the quick profile: 110 s shared over the cases
    pytest bench --benchmark-only --profile full      the whole grid, without a limit
    pytest bench --benchmark-only --profile headline  the cases of the headline ratios, at small and large N
    pytest bench --benchmark-disable                  every body once, nothing timed or written: the smoke test

Cases run most valuable first; within a case the backends follow each other in a seeded, recorded order.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import ceilings, device_ceilings, machine, timing
from bench.cases import PROFILES, Case
from bench.frames import CASE_FIELDS, read
from bench.journal import RESULTS, Journal
from bench.loading import load, load_or_skip, unavailable
from bench.selection import select
from bench.trial import SHARE_FOR_ROUNDS, Pace, Trial, Unsuitable, row, status_of
from relufit import Backend
from relufit.errors import RelufitError

QUICK_SECONDS = 110.0  # with what is compiled and probed before, under 3 minutes
CASE_SECONDS = {"full": 0.6, "headline": 3.0}
MAX_CASE_SECONDS = 2.0
ORDER_SEED = 0
DEVICE_FAILED = 70  # the exit code of a run whose device no longer works in this process


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the harness; all selections are comma-separated lists."""
    group = parser.getgroup("relufit bench")
    group.addoption("--profile", default="quick", help="quick (default), full or headline")
    group.addoption("--seconds", type=float, help=f"time budget; quick: {QUICK_SECONDS:g}, others: none")
    group.addoption("--backend", help="only these backends and recipes")
    group.addoption("--target", help="only these functions, for trajectory and convergence")
    group.addoption("--batch", help="only these batch sizes; an own size is added to the grid")
    group.addoption("--hidden", help="only these widths; an own width is added to the grid")
    group.addoption("--dtype", help="only float32 or float64")
    group.addoption("--threads", type=int, help="threads of the CPU libraries; default: as installed")
    group.addoption("--resume", type=Path, help="go on with this journal: what stands in it is not measured again")
    group.addoption("--results", default=str(RESULTS), help="folder for the journal")


def pytest_configure(config: pytest.Config) -> None:
    """Check every option before any work, and set the table of pytest-benchmark to what can be read here."""
    config.addinivalue_line("markers", "work(name): the kind of work that a benchmark measures")
    # A warning of a library is no reason to lose a measurement, and a skipped case need not use its fixture.
    config.addinivalue_line("filterwarnings", "default")
    config.addinivalue_line("filterwarnings", "ignore:Benchmark fixture was not used")
    try:
        config.stash[SELECTED] = select(config.option)
        if config.option.threads is not None and config.option.threads < 1:
            raise RelufitError(f"--threads must be at least 1, not {config.option.threads}")
        if config.option.seconds is not None and not config.option.seconds > 0:
            raise RelufitError(f"--seconds must be positive, not {config.option.seconds}")
    except RelufitError as error:
        raise pytest.UsageError(str(error)) from None
    machine.limit_threads(config.option.threads)
    machine.share_gpu_memory()
    config.option.benchmark_disable_gc = True
    if not config.option.benchmark_columns:
        config.option.benchmark_columns = ["median", "iqr", "min", "rounds", "iterations"]
    if config.option.benchmark_sort == "min":
        config.option.benchmark_sort = "mean"


SELECTED: pytest.StashKey[tuple[list[Case], list[str]]] = pytest.StashKey()
JOURNAL: pytest.StashKey[Journal] = pytest.StashKey()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case of the marked kind of work and each backend."""
    marker = metafunc.definition.get_closest_marker("work")
    if marker is None:
        return
    cases, names = metafunc.config.stash[SELECTED]
    own = [case for case in cases if case.work == marker.args[0]]
    pairs = [(case, name) for case in own for name in names]
    metafunc.parametrize(("case", "name"), pairs, ids=[f"{case.id}-{name}" for case, name in pairs])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Most valuable case first; within a case the backends in a seeded order."""
    cases, names = config.stash[SELECTED]
    # A kind of work that the profile has no case of is not a test that is skipped.
    items[:] = [item for item in items if not hasattr(item, "callspec") or item.callspec.params.get("name") in names]
    if config.option.resume is not None:
        done = finished(config)
        items[:] = [item for item in items if pair_of(item) not in done]
    rank = {
        case: (place, random.Random(f"{ORDER_SEED} {case}").sample(names, len(names)))
        for place, case in enumerate(cases)
    }

    def key(item: pytest.Item) -> tuple[int, int]:
        if not hasattr(item, "callspec") or "case" not in item.callspec.params:
            return (-1, 0)
        place, order = rank[item.callspec.params["case"]]
        return place, order.index(item.callspec.params["name"])

    items.sort(key=key)


def pair_of(item: pytest.Item) -> tuple[Case, str] | None:
    """The case and the backend of a benchmark."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return (params["case"], params["name"]) if "case" in params else None


def finished(config: pytest.Config) -> set[tuple[Case, str]]:
    """What stands in the journal that is gone on with."""
    try:
        journal_of(config)  # which adds the case that the run was ended in
        rows = read(config.option.resume).cases
    except RelufitError as error:
        raise pytest.UsageError(str(error)) from None
    if rows.empty:
        return set()
    return {(Case(**{name: row[name] for name in CASE_FIELDS}), row["backend"]) for row in rows.to_dict("records")}


class Budget:
    """The time that is left, shared evenly over the cases that are left; without a limit, `case_seconds` for each."""

    def __init__(self, seconds: float | None, cases: int, case_seconds: float = MAX_CASE_SECONDS) -> None:
        self.seconds, self.cases_left, self.start = seconds, cases, time.monotonic()
        self.case_seconds = case_seconds

    @property
    def round_seconds(self) -> float:
        """How long a round lasts at least: without a limit, so long that the rounds fill the time of the case.

        A machine that others use is disturbed for milliseconds at a time; rounds as short are all in or all out.
        """
        if self.seconds is not None:
            return timing.ROUND_SECONDS
        return max(timing.ROUND_SECONDS, SHARE_FOR_ROUNDS * self.case_seconds / timing.MAX_ROUNDS)

    def next_share(self) -> float:
        """Seconds for the next case. Raises Unsuitable when the budget is spent."""
        if self.seconds is None:
            return self.case_seconds
        left = self.seconds - (time.monotonic() - self.start)
        if left <= 0:
            raise Unsuitable(f"the time budget of {self.seconds:g} s was spent; --seconds or --profile full gives more")
        share = left / max(1, self.cases_left)
        self.cases_left -= 1
        return min(share, MAX_CASE_SECONDS)


@pytest.fixture(scope="session")
def budget(request: pytest.FixtureRequest) -> Budget:
    """The budget of this run; what cannot run here takes none of it."""
    config = request.config
    runnable = [
        item
        for item in request.session.items
        if hasattr(item, "callspec") and unavailable(item.callspec.params.get("name", "numpy")) is None
    ]
    quick = QUICK_SECONDS if config.option.profile == PROFILES[0] else None
    # Where nothing is timed every body runs once, however long that takes.
    disabled = config._benchmarksession.disabled  # type: ignore[attr-defined]
    seconds = None if disabled else config.option.seconds or quick
    return Budget(seconds, len(runnable), CASE_SECONDS.get(config.option.profile, MAX_CASE_SECONDS))


@pytest.fixture(scope="session")
def pace() -> Pace:
    """What gradients took so far in this run."""
    return Pace()


@pytest.fixture
def backend(request: pytest.FixtureRequest, name: str) -> Iterator[Backend]:
    """The backend with its modes pinned; it sets the clock of the `benchmark` fixture, which must come after it."""
    loaded = load_or_skip(name)
    request.node.add_marker(pytest.mark.benchmark(timer=timing.synchronized_clock(loaded)))
    with loaded.pinned():
        yield loaded
    loaded.memory()  # gives what its allocator keeps back to the device, where other libraries find it


@pytest.fixture
def trial(
    request: pytest.FixtureRequest,
    case: Case,
    budget: Budget,
    pace: Pace,
    backend: Backend,
    benchmark: BenchmarkFixture,
) -> Trial:
    """The case with its backend, its clock and its share of the time."""
    benchmark.group = f"{case.work} {case.id}"
    if measures(request.config):
        journal_of(request.config).begin_case(row(case, backend.name))
    try:
        write = lambda line: journal_of(request.config).write(line)  # noqa: E731
        run = Trial(case, backend, benchmark, write, budget.next_share(), pace, budget.round_seconds)
        run.demand_support()
    except Unsuitable as error:
        pytest.skip(str(error))
    return run


def journal_of(config: pytest.Config) -> Journal:
    """The journal of this run."""
    if JOURNAL not in config.stash:
        path = config.option.resume
        config.stash[JOURNAL] = (
            Journal.begin(Path(config.option.results), header(config)) if path is None else Journal.resume(path)
        )
    return config.stash[JOURNAL]


def pytest_runtestloop(session: pytest.Session) -> None:
    """Begin the journal before anything is measured, so that a folder that cannot be written costs no time."""
    if measures(session.config) and not session.config.option.collectonly:
        try:
            journal_of(session.config)
        except RelufitError as error:
            raise pytest.UsageError(str(error)) from None


def measures(config: pytest.Config) -> bool:
    """Whether this run times anything: not with --benchmark-disable or --benchmark-skip."""
    benchmarks = config._benchmarksession  # type: ignore[attr-defined]
    return not (benchmarks.disabled or benchmarks.skip)


def facts(name: str) -> dict[str, str]:
    """What the backend says of itself under the settings that it is measured with."""
    if unavailable(name) is not None:
        return {}
    with load(name).pinned():
        return load(name).facts()


def uses_cuda(names: list[str]) -> bool:
    """Whether a backend of this run works on a CUDA device."""
    return any(unavailable(name) is None and load(name).device == "cuda" for name in names)


def header(config: pytest.Config) -> dict[str, Any]:
    """The first line of the journal: the machine, the code, the settings and every backend's state."""
    names = config.stash[SELECTED][1]
    return {
        "machine": machine.describe(),
        "code": machine.commit(),
        "settings": {
            "profile": config.option.profile,
            "seconds": config.option.seconds,
            "threads": config.option.threads,
            "order_seed": ORDER_SEED,
            "garbage_collector": "off while timing",
            "environment": machine.environment(),
        },
        "backends": {name: {"reason": unavailable(name), "facts": facts(name)} for name in names},
        "threads_in_force": machine.threads_in_force(),
        "ceilings": ceilings.measure(config.option.threads),
        "device_ceilings": device_ceilings.measure() if uses_cuda(names) else {},
    }


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A case that did not end well is a row with its status and reason, never an absence."""
    if (
        call.excinfo is not None
        and call.when != "teardown"
        and hasattr(item, "callspec")
        and "case" in item.callspec.params
    ):
        status, reason = status_of(call.excinfo.value)
        name = item.callspec.params["name"]
        # What is not installed stands in the first line of the journal, once, and not with every case.
        if measures(item.config) and unavailable(name) is None:
            line = row(item.callspec.params["case"], name)
            journal_of(item.config).write({**line, "status": status, "reason": reason})
            if status != "SKIPPED" and has_failed(name):
                journal_of(item.config).end_case()
                pytest.exit(f"the device failed under {name}; --resume goes on in a new process", DEVICE_FAILED)
    if call.when == "teardown" and JOURNAL in item.config.stash:
        item.config.stash[JOURNAL].end_case()
    yield


def has_failed(name: str) -> bool:
    """Whether the device of a backend has been left in an error state, in which it can do nothing more."""
    if unavailable(name) is not None or load(name).device == "cpu":
        return False
    try:
        load(name).synchronize()
    except Exception:  # each library has errors of its own
        return True
    return False


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say where the journal is and what to do with it."""
    if JOURNAL in terminalreporter.config.stash:
        path = terminalreporter.config.stash[JOURNAL].path
        terminalreporter.write_line(f"journal: {path}; python -m bench.report makes the tables and figures")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the journal."""
    if JOURNAL in config.stash:
        config.stash[JOURNAL].close()
