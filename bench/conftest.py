"""Options, fixtures and the journal of `pytest bench`.

    pytest bench --benchmark-only                     the quick profile: 110 s shared over the cases
    pytest bench --benchmark-only --profile full      the whole grid, without a limit
    pytest bench --benchmark-only --profile headline  the cases of the headline ratios, at small and large N
    pytest bench --benchmark-only --profile solvers   what each solver makes of a function in 10 s, on one backend
    pytest bench --benchmark-disable                  every body once, nothing timed or written: the smoke test

Cases run most valuable first; within a case the backends follow each other in a seeded, recorded order.
"""

import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.grid.case import REPEATED, Case
from bench.grid.profiles import PROFILES
from bench.hardware import machine
from bench.journal import resume
from bench.journal.reader import read_lines
from bench.journal.status import row, status_of
from bench.journal.writer import Journal
from bench.measure import backends, isolation, options, recording, timing
from bench.measure.backends import has_failed, load_or_skip, unavailable
from bench.measure.budget import CASE_SECONDS, MAX_CASE_SECONDS, QUICK_SECONDS, Budget, Unsuitable
from bench.measure.gating import Past
from bench.measure.trial import Trial
from relufit import Backend
from relufit.errors import RelufitError

ORDER_SEED = 0
DEVICE_FAILED = 70  # the exit code of a run whose device no longer works in this process


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the harness."""
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check every option, and set what pytest and pytest-benchmark print to what can be read here."""
    config.addinivalue_line("markers", "work(name): the kind of work that a benchmark measures")
    # A warning of a library is no reason to lose a measurement, and a skipped case need not use its fixture.
    config.addinivalue_line("filterwarnings", "default")
    config.addinivalue_line("filterwarnings", "ignore:Benchmark fixture was not used")
    config.stash[SELECTED] = options.choose(config.option)
    machine.limit_threads(config.option.threads)
    machine.share_gpu_memory()
    # What is skipped is told below the run, reason by reason; pytest would tell it place by place.
    config.option.reportchars = config.option.reportchars.replace("a", "xXEf")
    config.option.benchmark_disable_gc = True
    if not config.option.benchmark_columns:
        config.option.benchmark_columns = ["median", "iqr", "min", "rounds", "iterations"]
    if config.option.benchmark_sort == "min":
        config.option.benchmark_sort = "mean"


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """With --isolate this process only watches those that measure."""
    option = config.option
    if not option.isolate or isolation.CHILD in os.environ or option.collectonly:
        return None
    names = options.choose(option)[1]
    seconds = option.seconds or (QUICK_SECONDS if option.profile == PROFILES[0] else None)
    say = lambda text: print(f"bench: {text}", file=sys.stderr, flush=True)  # noqa: E731, T201
    arguments = list(config.invocation_params.args)
    try:
        return isolation.run_each(arguments, names, option.passes, Path(option.results), seconds, say, option.resume)
    except RelufitError as error:
        raise pytest.UsageError(str(error)) from None


SELECTED: pytest.StashKey[tuple[list[Case], list[str]]] = pytest.StashKey()
JOURNAL: pytest.StashKey[Journal] = pytest.StashKey()
HUNG: pytest.StashKey[dict[str, str]] = pytest.StashKey()  # backends that are not tried again, and why
NOTHING_LEFT: pytest.StashKey[bool] = pytest.StashKey()  # all that was asked for stands in the journal already


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case of the marked kind of work, each backend and each pass."""
    marker = metafunc.definition.get_closest_marker("work")
    if marker is None:
        return
    cases, names = metafunc.config.stash[SELECTED]
    own = [case for case in cases if case.work == marker.args[0]]
    passes = range(metafunc.config.option.passes)
    keys = [(case, name, number) for case in own for name in names for number in passes[: None if repeats(case) else 1]]
    ids = [f"{case.id}-{name}" + (f"-pass{number}" if number else "") for case, name, number in keys]
    metafunc.parametrize(("case", "name", "number"), keys, ids=ids)


def repeats(case: Case) -> bool:
    """Whether later passes measure the case again: what is timed, not what is learned or compared."""
    return case.work in REPEATED


@pytest.hookimpl(trylast=True)  # so that what -k leaves out is out already
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Pass by pass; most valuable case first; within a case the backends in a seeded order, each pass the other way."""
    cases, names = config.stash[SELECTED]
    # A kind of work that the profile has no case of is not a test that is skipped.
    items[:] = [item for item in items if not hasattr(item, "callspec") or item.callspec.params.get("name") in names]
    if config.option.resume is not None and items:
        leave_out_finished(config, items)
    rank = {
        case: (place, random.Random(f"{ORDER_SEED} {case}").sample(names, len(names)))
        for place, case in enumerate(cases)
    }

    def turn(item: pytest.Item) -> tuple[int, int, int]:
        key = key_of(item)
        if key is None:
            return (-1, 0, 0)
        (_, name, number), (place, order) = key, rank[key[0]]
        return number, place, order.index(name) * (-1 if number % 2 else 1)

    items.sort(key=turn)


def key_of(item: pytest.Item) -> tuple[Case, str, int] | None:
    """The case, the backend and the pass of a benchmark."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return (params["case"], params["name"], params["number"]) if "case" in params else None


def leave_out_finished(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what stands in the journal that is gone on with."""
    path = config.option.resume
    try:
        if path.is_file():  # else the next line says that there is none
            resume.demand_same_run(path, config.option)
        journal_of(config)  # which adds the case that the run was ended in
        done = resume.finished(path)
        config.stash[HUNG] = resume.hung(path)
    except RelufitError as error:
        raise pytest.UsageError(str(error)) from None
    items[:] = [item for item in items if key_of(item) not in done]
    config.stash[NOTHING_LEFT] = not items


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run that has nothing left to do has ended well."""
    if session.config.stash.get(NOTHING_LEFT, False) and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


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
def past() -> Past:
    """What this run knows of its backends so far."""
    return Past()


@pytest.fixture
def backend(request: pytest.FixtureRequest, name: str) -> Iterator[Backend]:
    """The backend with its modes pinned; it sets the clock of the `benchmark` fixture, which must come after it."""
    if (reason := request.config.stash.get(HUNG, {}).get(name)) is not None:
        pytest.skip(reason)
    loaded = load_or_skip(name)
    request.node.add_marker(pytest.mark.benchmark(timer=timing.synchronized_clock(loaded)))
    with loaded.pinned():
        yield loaded
    loaded.memory()  # gives what its allocator keeps back to the device, where other libraries find it


@pytest.fixture
def trial(
    request: pytest.FixtureRequest,
    case: Case,
    number: int,
    budget: Budget,
    past: Past,
    backend: Backend,
    benchmark: BenchmarkFixture,
) -> Trial:
    """The case with its backend, its clock and its share of the time."""
    benchmark.group = f"{case.work} {case.id}"
    if measures(request.config):
        journal_of(request.config).begin_case(row(case, backend.name, number))
    try:
        write = lambda line: journal_of(request.config).write(line)  # noqa: E731
        run = Trial(case, backend, benchmark, write, budget.next_share(), past, budget.round_seconds, number)
        run.demand_support()
    except Unsuitable as error:
        pytest.skip(str(error))
    return run


def journal_of(config: pytest.Config) -> Journal:
    """The journal of this run; one that is gone on with is told of backends that it does not know."""
    if JOURNAL not in config.stash:
        path = config.option.resume
        if path is None:
            first_line = recording.first_line(config.stash[SELECTED][1], settings(config))
            config.stash[JOURNAL] = Journal.begin(Path(config.option.results), first_line)
        else:
            config.stash[JOURNAL] = Journal.resume(path)
            for name in config.stash[SELECTED][1]:
                if name not in read_lines(path)[0]["backends"]:
                    config.stash[JOURNAL].write({"kind": "backend", "backend": name, **backends.state(name)})
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


def settings(config: pytest.Config) -> dict[str, Any]:
    """How this run measures: its part of the journal's first line."""
    return {
        "profile": config.option.profile,
        "seconds": config.option.seconds,
        "threads": config.option.threads,
        "order_seed": ORDER_SEED,
        "isolated": config.option.isolate,
        "selection": resume.selection(config.option),
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
            line = row(item.callspec.params["case"], name, item.callspec.params["number"])
            journal_of(item.config).write({**line, "status": status, "reason": reason})
            if status != "SKIPPED" and has_failed(name):
                journal_of(item.config).end_case()
                pytest.exit(f"the device failed under {name}; --resume goes on in a new process", DEVICE_FAILED)
    if call.when == "teardown" and JOURNAL in item.config.stash:
        item.config.stash[JOURNAL].end_case()
    yield


@pytest.hookimpl(trylast=True)  # below the tables of pytest-benchmark
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was not measured, each reason once, where the journal is and what to do with it."""
    skipped = terminalreporter.stats.get("skipped", [])
    for reason, count in Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped).items():
        terminalreporter.write_line(f"SKIPPED [{count}] {reason}")
    if terminalreporter.config.stash.get(NOTHING_LEFT, False):
        terminalreporter.write_line("nothing is left to do: all that these options ask for stands in the journal")
    if JOURNAL in terminalreporter.config.stash:
        path = terminalreporter.config.stash[JOURNAL].path
        terminalreporter.write_line(f"journal: {path}; python -m bench.report makes the tables and figures")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the journal."""
    if JOURNAL in config.stash:
        config.stash[JOURNAL].close()
