"""Options, fixtures and hooks of `pytest bench`; what they do is in bench/measure/session.py and trial.py.

    pytest bench --benchmark-only                     the quick profile: 110 s shared over the cases
    pytest bench --benchmark-only --profile full      the whole grid, without a limit
    pytest bench --benchmark-only --profile headline  the cases of the headline ratios, at small and large N
    pytest bench --benchmark-only --profile solvers   what each solver makes of a function in 10 s, on one backend
    pytest bench --benchmark-disable                  every body once, nothing timed or written: the smoke test

Cases run most valuable first; within a case the backends follow each other in a seeded, recorded order.
"""

import os
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.grid.workloads import workload
from bench.hardware import machine
from bench.journal.plan import Key
from bench.journal.reader import read_first_line
from bench.journal.status import Status, row, status_of
from bench.journal.writer import RESULTS, Unwritable
from bench.measure import isolation, process, timing
from bench.measure.backends import free_memory, has_failed, load_or_skip, unavailable
from bench.measure.session import (
    QUICK_SECONDS,
    Budget,
    Session,
    positive,
    unwritable_ends_run,
    usage_errors,
)
from bench.measure.trial import MAX_NOISE, Trial, Unsuitable, demand_support
from bench.progress import Progress
from relufit import Backend

# Options of pytest with which a run stays in one process, and those of pytest-benchmark with which nothing is timed.
IN_THIS_PROCESS = {"help", "version", "collectonly", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow",
                   "setuponly", "setupplan", "usepdb", "trace"}  # fmt: skip
UNTIMED = {"benchmark_disable", "benchmark_skip"}
SESSION: pytest.StashKey[Session] = pytest.StashKey()
TIMER: pytest.StashKey[timing.Replay] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the harness; all selections are comma-separated lists."""
    add = parser.getgroup("relufit bench").addoption
    add("--profile", default="quick", help="quick (default), full, headline or solvers")
    add("--seconds", type=positive("seconds", float), help=f"time budget; quick: {QUICK_SECONDS:g}, others: none")
    within = "end within so many seconds of the start, with all that is not a case; what does not fit is SKIPPED"
    add("--within", type=positive("within", float), help=within)
    add("--backend", help="only these backends and recipes")
    add("--device", help="cuda:N: the GPU of all CUDA backends; default: the first")
    add("--gpu-memory", type=positive("gpu-memory", float), help="GiB that a backend may hold on a GPU; default: all")
    add("--target", help="only these functions, for trajectory, convergence and solvers")
    add("--batch", help="only these batch sizes; other sizes than the grid's are allowed")
    add("--hidden", help="only these widths; other widths than the grid's are allowed")
    add("--dtype", help="only float32, float64, or products in bfloat16, float16 or tf32")
    add("--threads", type=positive("threads", int), help="threads of the CPU libraries; default: as installed")
    add("--passes", type=positive("passes", int), default=1, help="passes over the timed cases, for bench.compare; 1")
    noise = "sampling ends where half the interval of the median is below so many %% of it, or time is up; 3"
    add("--max-noise", type=positive("max-noise", float), default=100 * MAX_NOISE, help=noise)
    add("--isolate", action="store_true", help="each backend and pass in its own process, which is watched")
    add("--resume", type=Path, help="continue this journal: cases in it are not measured again")
    anyway = "resume a journal of another machine, version or commit too; the journal and the tables say so"
    add("--resume-anyway", action="store_true", help=anyway)
    add("--results", default=str(RESULTS), help="folder for the journal")


def pytest_configure(config: pytest.Config) -> None:
    """Check every option, and set what pytest and pytest-benchmark print to what can be read here."""
    config.addinivalue_line("markers", "work(name): the workload that a benchmark measures")
    # A warning of a library is no reason to lose a measurement, and a skipped case need not use its fixture.
    config.addinivalue_line("filterwarnings", "default")
    config.addinivalue_line("filterwarnings", "ignore:Benchmark fixture was not used")
    with usage_errors():
        config.stash[SESSION] = Session(config.option)
    process.end_with_watcher()
    machine.limit_threads(config.option.threads)
    machine.share_gpu_memory()
    # Skips are listed below the run, reason by reason; pytest would list them place by place.
    config.option.reportchars = config.option.reportchars.replace("a", "xXEf")
    config.option.benchmark_disable_gc = True
    # The tables of pytest-benchmark rank calls, of which a call of `train` makes many steps: they are for -v.
    if config.option.verbose <= 0:
        config.option.benchmark_quiet = True
    if not config.option.benchmark_columns:
        config.option.benchmark_columns = ["median", "iqr", "min", "rounds", "iterations"]
    if config.option.benchmark_sort == "min":
        config.option.benchmark_sort = "mean"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Write a line of progress in place of letters."""
    plugins, option = session.config.pluginmanager, session.config.option
    if option.verbose <= 0 and not option.collectonly and (reporter := plugins.getplugin("terminalreporter")):
        plugins.register(Progress(reporter, session.config.stash[SESSION], key_of))


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """A run is measured in another process than this one, which only watches it; --isolate has one for each backend.

    What has a user at its prompt, measures nothing, or was called with plugins in memory stays in this process.
    """
    option, arguments = config.option, list(config.invocation_params.args)
    given = [name for name, value in vars(option).items() if value]
    if process.CHILD in os.environ or config.invocation_params.plugins or IN_THIS_PROCESS.intersection(given):
        return None
    if not option.isolate and UNTIMED.intersection(given):
        return None
    say = lambda text: print(f"bench: {text}", file=sys.stderr, flush=True)  # noqa: E731, T201
    with usage_errors():
        if option.isolate:
            return isolation.run_each(arguments, Session(option), say)
        if (capture := config.pluginmanager.getplugin("capturemanager")) is not None:
            capture.suspend_global_capture(in_=True)  # the process that measures reads what this one would
        return isolation.run_pytest(arguments, say, option.within)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case of the marked workload, each backend and each pass."""
    marker = metafunc.definition.get_closest_marker("work")
    if marker is not None:
        keys = metafunc.config.stash[SESSION].keys(marker.args[0])
        ids = [f"{case.id}-{name}" + (f"-pass{number}" if number else "") for case, name, number in keys]
        metafunc.parametrize("key", keys, ids=ids)


def key_of(item: pytest.Item) -> Key | None:
    """The case, the backend and the pass of a benchmark; None of other tests."""
    key = item.callspec.params.get("key") if item.get_closest_marker("work") and hasattr(item, "callspec") else None
    return key if isinstance(key, tuple) else None  # pytest has a mark in place of what it parametrizes with nothing


@pytest.hookimpl(trylast=True)  # so that what -k leaves out is out already
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the journal of --resume holds, and put the rest in its order."""
    run = config.stash[SESSION]
    # A benchmark whose work has no case in this profile is left out, not skipped: pytest parametrizes it with nothing.
    items[:] = [item for item in items if not item.get_closest_marker("work") or key_of(item) is not None]
    with usage_errors():
        run.demand_precisions()
    if config.option.resume is not None and items:
        with usage_errors():
            finished = run.finished()
        items[:] = [item for item in items if key_of(item) not in finished]
        run.nothing_left = not items
    items.sort(key=lambda item: run.turn(key_of(item)))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run with nothing left to do has ended well, an interrupted case is a row, ceilings are measured again."""
    run = session.config.stash[SESSION]
    if run.nothing_left and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK
    # With --isolate the process that watches measures them, once for all.
    has_ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not run.option.isolate
    with unwritable_ends_run(run):
        if run.journal is not None and exitstatus == pytest.ExitCode.INTERRUPTED:
            content = run.journal.path.read_bytes()
            run.journal.give_up_case(Status.INTERRUPTED, "the user ended the run during this case", content)
        if has_ended:
            run.measure_ceilings_again(filter(None, map(key_of, session.items)))
    process.note(code=int(session.exitstatus))  # to the process that watches


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Session:
    """The run that this benchmark is part of."""
    return request.config.stash[SESSION]


@pytest.fixture(scope="session")
def budget(request: pytest.FixtureRequest, run: Session) -> Budget:
    """The budget of this run; what cannot run here takes none of it."""
    keys = filter(None, map(key_of, request.session.items))
    cases = Counter(name for _, name, _ in keys if unavailable(name) is None)
    return run.budget(cases, timed=measures(request.config))


@pytest.fixture
def backend(request: pytest.FixtureRequest, run: Session, key: Key) -> Iterator[Backend]:
    """The backend with its modes pinned; it sets the clock of the `benchmark` fixture, which must come after it."""
    if (name := key[1]) in run.hung:
        pytest.skip(run.hung[name])
    loaded = run.past.loaded[name] = load_or_skip(name, key[0].dtype)
    if measures(request.config):
        run.open_journal().begin_case(row(*key))
    timer = request.node.stash[TIMER] = timing.Replay(timing.synchronized_clock(loaded))
    request.node.add_marker(pytest.mark.benchmark(timer=timer))
    with loaded.pinned():
        yield loaded
    with suppress(Exception):  # each library has errors of its own, and a device that has failed gives nothing back
        loaded.memory()  # gives what its allocator keeps back to the device, where other libraries find it


@pytest.fixture
def trial(
    request: pytest.FixtureRequest,
    run: Session,
    budget: Budget,
    key: Key,
    backend: Backend,
    benchmark: BenchmarkFixture,
) -> Trial:
    """The case with its backend, its clock and its share of the time."""
    case, name, number = key
    benchmark.group = f"{case.work} {case.id}"
    try:
        write = lambda line: run.open_journal().write(line)  # noqa: E731
        share = budget.next_share(name)
        ready = Trial(case, backend, benchmark, write, share, run.past, budget.round_seconds, number)
        ready.max_noise, ready.limit_seconds = run.option.max_noise / 100, budget.most_seconds(name)
        ready.gpu_bytes = run.gpu_bytes
        ready.hand_over = partial(request.node.stash[TIMER].hand_over, benchmark)
        demand_support(ready)
    except Unsuitable as error:
        pytest.skip(str(error))
    return ready


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A case whose first call shows that it would take too long is skipped, as one that is known before to be so."""
    try:
        yield
    except Unsuitable as error:
        pytest.skip(str(error))


def pytest_runtestloop(session: pytest.Session) -> None:
    """Begin the journal before anything is measured, so that a folder that cannot be written costs no time."""
    if measures(session.config) and not session.config.option.collectonly:
        keys = [key for key in map(key_of, session.items) if key and unavailable(key[1]) is None]
        with usage_errors():
            journal = session.config.stash[SESSION].begin(keys)
        process.note(journal=str(journal.path.resolve()))


def measures(config: pytest.Config) -> bool:
    """Whether this run times anything: not with --benchmark-disable or --benchmark-skip."""
    benchmarks = config._benchmarksession  # type: ignore[attr-defined]
    return not (benchmarks.disabled or benchmarks.skip)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A case that did not end well is a row with its status and reason, never an absence."""
    key, run = key_of(item), item.config.stash[SESSION]
    # What is not installed is in the first line of the journal, and needs no row for each case.
    if call.excinfo and call.when != "teardown" and key and measures(item.config) and unavailable(key[1]) is None:
        (status, reason), journal = status_of(call.excinfo.value), run.open_journal()
        with unwritable_ends_run(run):
            if isinstance(call.excinfo.value, Unwritable):
                raise call.excinfo.value
            journal.write({**row(*key), "status": status, "reason": reason})
        if status == Status.OOM:
            free_memory(run.past.loaded.values(), key[1], call.excinfo.value)
        if status != Status.SKIPPED and has_failed(key[1]):
            journal.end_case()
            pytest.exit(f"the device failed under {key[1]}; --resume continues in a new process", process.DEVICE_FAILED)
    if call.when == "teardown" and run.journal is not None:
        run.journal.end_case()
    yield


@pytest.hookimpl(wrapper=True)
def pytest_benchmark_group_stats() -> Generator[None, list[tuple[str, Any]], list[tuple[str, Any]]]:
    """What is compared or trained once has no place in pytest-benchmark's ranking: its seconds are no measurement."""
    groups = yield
    return [(name, found) for name, found in groups if workload(str(name).partition(" ")[0]).timed]


@pytest.hookimpl(trylast=True)  # below the tables of pytest-benchmark
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was not measured, each reason once, where the journal is and what to do with it."""
    run, say = terminalreporter.config.stash[SESSION], terminalreporter.write_line
    skipped = terminalreporter.stats.get("skipped", [])
    for reason, count in Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped).items():
        say(f"SKIPPED [{count}] {reason}")
    if run.nothing_left:
        say("nothing is left to do: all that these options ask for is in the journal")
    if run.journal is not None:
        for text in read_first_line(run.journal.path)["warnings"]:
            say(text)
        say(f"journal: {run.journal.path}; python -m bench.report makes the tables and figures")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the journal."""
    if SESSION in config.stash and (journal := config.stash[SESSION].journal) is not None:
        journal.close()
