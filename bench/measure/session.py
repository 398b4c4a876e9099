"""One run of `pytest bench`: its cases and backends in their order, its time budget, what is done, and its journal.

bench/conftest.py has pytest's hooks, which call this.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import inf, isnan, nan
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest

from bench.grid import profiles, selection, workloads
from bench.hardware import cpu_peaks, gpu_peaks, machine, product_peaks
from bench.journal import plan, reader, resume
from bench.journal.plan import Key
from bench.journal.status import MORE_TIME
from bench.journal.writer import Journal, Unwritable
from bench.measure import backends, timing
from bench.measure.trial import Past, Unsuitable
from relufit.errors import RelufitError

ORDER_SEED = 0
QUICK_SECONDS = 110.0  # with what is compiled and probed before, under 3 minutes
CASE_SECONDS = {"full": 0.6, "headline": 3.0, "solvers": 10.0}  # without a limit
MAX_CASE_SECONDS = 2.0
# Of a run with --within: to print and end, the row of a case for which no time is left, and to measure ceilings, where
# the journal does not say how long that took at its begin.
ENDING_SECONDS, SKIP_SECONDS, CEILING_SECONDS = 4.0, 0.01, 15.0
KEPT_SHARE = 0.25  # of the first share of each case, whatever other backends take


class Budget:
    """The time that is left, shared evenly over the cases that are left; without a limit, `case_seconds` for each.

    Each backend has a part of the whole. One that has spent its part is refused where what is left is needed by the
    others: a quarter of the first share is kept for each of their cases.
    """

    def __init__(self, seconds: float | None, cases: Mapping[str, int], case_seconds: float = MAX_CASE_SECONDS) -> None:
        self.seconds, self.cases_left, self.case_seconds = seconds, Counter(cases), case_seconds
        self.start = self._since = time.monotonic()
        self._name = ""  # of the backend whose case is being measured since then
        self._spent: dict[str, float] = dict.fromkeys(cases, 0.0)  # seconds of each backend
        self._first_share = inf if seconds is None else seconds / max(1, self.cases_left.total())
        self.parts = {name: self._first_share * count for name, count in cases.items()}  # seconds for each backend

    @property
    def round_seconds(self) -> float:
        """The least length of a round; without a limit, the rounds fill the time of the case.

        Other processes disturb a machine for milliseconds at a time: a round as short is disturbed fully or not at all.
        """
        if self.seconds is not None:
            return timing.ROUND_SECONDS
        return max(timing.ROUND_SECONDS, timing.SHARE_FOR_ROUNDS * self.case_seconds / timing.MAX_ROUNDS)

    def most_seconds(self, name: str) -> float:
        """Seconds that a case of backend `name` may take: its part of the whole, and no more than is left."""
        left = inf if self.seconds is None else self.seconds - (time.monotonic() - self.start)
        return min(self.parts[name], left)

    def next_share(self, name: str) -> float:
        """Seconds for the next case, a case of backend `name`. Raises Unsuitable if no time is left."""
        if self.seconds is None:
            return self.case_seconds
        now = time.monotonic()
        if self._name:
            self._spent[self._name] += now - self._since
        self._name, self._since = name, now
        left, cases_left = self.seconds - (now - self.start), self.cases_left.total()
        kept = KEPT_SHARE * self._first_share * (cases_left - self.cases_left[name])
        self.cases_left[name] -= 1
        if left <= 0:
            raise Unsuitable(f"the time budget of {self.seconds:g} s was spent; {MORE_TIME}")
        if self._spent[name] > self.parts[name] and left <= kept:
            raise Unsuitable(f"{name} has spent its part of {self.seconds:g} s; {MORE_TIME}")
        return min(left / cases_left, max(MAX_CASE_SECONDS, self.case_seconds))


def seconds_since_start() -> float:
    """Seconds since this process was started, those of its imports too."""
    return max(0.0, time.time() - psutil.Process().create_time())


class Session:
    """What the options of a run ask for, and what is done of it. Raises RelufitError for options that do not fit."""

    def __init__(self, option: Any) -> None:
        self.option = option
        self.cases, self.names = selection.select(option)
        self.past = Past()
        self.hung: dict[str, str] = {}  # backends that are not tried again, and why
        self.nothing_left = False  # whether the journal holds all that was asked for
        self.journal: Journal | None = None  # once it is open
        within = option.within
        self.deadline = inf if within is None else time.monotonic() - seconds_since_start() + within
        self.gpu_bytes = inf if option.gpu_memory is None else option.gpu_memory * 2**30
        count = len(self.names)
        self._orders = {case: random.Random(f"{ORDER_SEED} {case}").sample(self.names, count) for case in self.cases}
        self._places = {case: place for place, case in enumerate(self.cases)}

    @property
    def seconds(self) -> float | None:
        """The limit of the run; None without one."""
        return self.option.seconds or (QUICK_SECONDS if self.option.profile == profiles.QUICK else None)

    def keys(self, work: str) -> list[Key]:
        """What is measured of this workload. Later passes repeat what is timed, not what is learned or compared."""
        passes = range(self.option.passes if workloads.workload(work).repeated else 1)
        own = [case for case in self.cases if case.work == work]
        pairs = [(case, name) for case in own for name in self.names if backends.has(name, case.dtype)]
        return [(case, name, number) for case, name in pairs for number in passes]

    def demand_precisions(self) -> None:
        """Raise RelufitError where no backend of the run has a precision that --dtype names.

        With --isolate each process has one backend only, which need not have it.
        """
        if not self.option.isolate:
            backends.demand_precisions(self.names, selection.asked(self.option.dtype))

    def turn(self, key: Key | None) -> tuple[int, int, int]:
        """The place in the order of a run: pass by pass, most valuable case first.

        Within a case the backends follow in a seeded order, each pass the other way round.
        """
        if key is None:
            return -1, 0, 0
        case, name, number = key
        return number, self._places[case], self._orders[case].index(name) * (-1 if number % 2 else 1)

    def budget(self, cases: Mapping[str, int], timed: bool) -> Budget:
        """The time for so many cases of each backend; where nothing is timed every body runs once, without a limit."""
        seconds = self.seconds if timed else None
        if timed and self.deadline < inf:
            beside = self.ceiling_seconds + ENDING_SECONDS + SKIP_SECONDS * sum(cases.values())
            seconds = min(inf if seconds is None else seconds, max(0.0, self.deadline - time.monotonic() - beside))
        return Budget(seconds, cases, CASE_SECONDS.get(self.option.profile, MAX_CASE_SECONDS))

    @property
    def ceiling_seconds(self) -> float:
        """What measuring the ceilings took at the begin of the journal, and takes again at its end."""
        found = nan if self.journal is None else reader.read_first_line(self.journal.path)["ceiling_seconds"]
        return CEILING_SECONDS if isnan(found) else found

    def measure_ceilings_again(self, keys: Iterable[Key] = ()) -> None:
        """Add the ceilings of the end to a journal that has begun, where the deadline leaves the time for it.

        The peaks of products, which `keys` may need, take longer: they are measured again where there is no deadline.
        """
        has_time = self.deadline - time.monotonic() > self.ceiling_seconds + ENDING_SECONDS
        if self.journal is not None and not self.nothing_left and has_time:
            measure_ceilings_again(self.journal, self.names, self.option.threads)
            if self.deadline == inf:
                measure_products(self.journal, keys, self.option.threads)

    def finished(self) -> set[Key]:
        """What the journal of --resume holds, which is resumed unless cases are only collected.

        Raises RelufitError where the journal does not exist, or is of a run under other conditions or with other
        options.
        """
        path = self.option.resume
        differences = resume.demand_same_run(path, self.option, conditions(self.option.threads, self.names))
        if not self.option.collectonly:
            journal = self.open_journal()  # which adds a row for the case in which the run was ended
            if differences:
                journal.write({"kind": "resumed", "resumed": differences})
        self.hung = resume.hung(path)
        for line in resume.gradients(path):  # else a case that is too slow is begun, not predicted
            self.past.learn(line["backend"], plan.key_of(line)[0], median(line["seconds"]))
        return resume.finished(path)

    def begin(self, keys: list[Key]) -> Journal:
        """The journal, opened, with what is going to be measured: in the first line, or in a line of its own."""
        journal = self.open_journal(keys)
        if self.option.resume is not None and keys:
            journal.write({"kind": "plan", "plan": plan.compact(keys)})
        measure_products(journal, keys, self.option.threads)
        return journal

    def open_journal(self, keys: Sequence[Key] = ()) -> Journal:
        """The journal of this run, begun or resumed at the first call."""
        if self.journal is None:
            path = self.option.resume
            self.journal = self._begin(keys) if path is None else Journal.resume(path)
            for name in self.names:
                if name not in reader.read_lines(self.journal.path)[0]["backends"]:
                    self.journal.write({"kind": "backend", "backend": name, **backends.state(name)})
        return self.journal

    def _begin(self, keys: Sequence[Key]) -> Journal:
        settings = {name: getattr(self.option, name) for name in ("profile", "seconds", "threads", "device")}
        settings |= {"order_seed": ORDER_SEED, "isolated": self.option.isolate}
        settings["selection"] = resume.selection(self.option)
        return begin_journal(Path(self.option.results), self.names, settings, keys)


def positive(option: str, kind: type[float]) -> Callable[[str], float]:
    """Reads the number above 0 that an option is given; raises UsageError, for argparse would print its usage."""

    def read(text: str) -> float:
        with suppress(ValueError):
            if (number := kind(text)) > 0:
                return number
        what = "an integer >= 1" if kind is int else "a number above 0"
        raise pytest.UsageError(f"--{option} must be {what}, not {text!r}")

    return read


@contextmanager
def usage_errors() -> Iterator[None]:
    """What a user can mend is a sentence, and pytest's exit code for wrong usage."""
    try:
        yield
    except RelufitError as error:
        raise pytest.UsageError(str(error)) from None


@contextmanager
def unwritable_ends_run(run: Session) -> Iterator[None]:
    """A journal that cannot be written, as on a full disk, ends the run; the case in flight is left to --resume."""
    try:
        yield
    except Unwritable as error:
        if run.journal is not None:
            run.journal.end_case()
        pytest.exit(f"{error}; --resume continues it")


def begin_journal(results: Path, names: list[str], settings: dict[str, Any], keys: Sequence[Key] = ()) -> Journal:
    """A journal with its first line, all that holds for the run of these backends; measures the ceilings for it.

    `settings` are those of the command; `threads` must be among them: a number, or None for "as installed". `keys` are
    what is planned. Takes some seconds.
    """
    start = time.perf_counter()
    measured = _ceilings(names, settings["threads"])
    ended = time.perf_counter()
    contexts, states = backends.contexts(names), {name: backends.state(name) for name in names}
    header = {
        **conditions(settings["threads"], names),
        "backends": {name: {**state, **contexts.get(name, {})} for name, state in states.items()},
        "plan": plan.compact(keys),
        "timer_seconds": timing.resolution(),
        "threads_in_force": machine.threads_in_force(),
        "kernels_in_force": machine.kernels_in_force(),
        **measured,
        "ceiling_seconds": ended - start,
    }
    header["settings"] |= {**settings, "garbage_collector": "off while timing"}
    folder = results / "raw" / header["machine"]["slug"]
    header["warnings"] = resume.unlike_earlier(measured["ceilings"], folder)
    return Journal.begin(results, header)


def conditions(threads: int | None, names: Sequence[str] = ()) -> dict[str, Any]:
    """What two parts of one run must share: machine, code, and what of the environment changes a speed."""
    settings = {"threads": threads, "environment": machine.environment()}
    return {"machine": machine.describe(selection.device_index(names)), "code": machine.commit(), "settings": settings}


def measure_ceilings_again(journal: Journal, names: list[str], threads: int | None) -> None:
    """Add the ceilings of the end of a run, of which the higher ones count.

    Those of its begin may have been measured while something else was running, and would condemn honest rows.
    """
    again = _ceilings(names, threads)
    if "one_core" in again["ceilings"]:
        journal.write({"kind": "ceilings", **again})


def measure_products(journal: Journal, keys: Iterable[Key], threads: int | None) -> None:
    """Add the peak rates of products in the reduced precisions of these cases, the highest of their backends."""
    cores, device = dict[str, float](), dict[str, float]()
    for precision, name in dict.fromkeys((case.precision, name) for case, name, _ in keys if case.precision):
        found, rate = f"products_per_second_{precision}", product_peaks.rate(backends.load_at(name, precision))
        rates = cores if backends.load(name).device == "cpu" else device
        rates[found] = max(rate, rates.get(found, 0.0))
    if cores or device:
        ceilings = {"one_core" if threads == 1 else "all_cores": cores}
        journal.write({"kind": "ceilings", "ceilings": ceilings, "device_ceilings": device})


def _ceilings(names: list[str], threads: int | None) -> dict[str, Any]:
    device = gpu_peaks.measure(selection.device_index(names)) if any(map(backends.runs_on_cuda, names)) else {}
    return {"ceilings": cpu_peaks.measure(threads), "device_ceilings": device}
