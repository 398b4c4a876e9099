"""`python -m bench.crossover A B`: the batch size, or the width, at which B overtakes A, by bisection.

    python -m bench.crossover numpy torch-cpu                        over the batch size of a gradient
    python -m bench.crossover numpy torch-cpu --over hidden          over the width
    python -m bench.crossover numba numpy --work step --seconds 60   of a training step

At each size both backends are gated on agreement, as in every benchmark, and timed in alternating blocks: A B, B A,
A B and so on, a line of the journal each. The answer is an interval: between the largest size at which one is clearly
the faster and the smallest at which the other is. It is made from the journal alone; `python -m bench.report` makes it
again. Inside the clock is what bench/measure/throughput.py says.

Exit code 0 with or without a crossover, 1 where a backend disagrees with float64, 2 for what cannot be asked or done.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import report
from bench.analysis import crossings
from bench.analysis.frames import Run, newest_aa, read
from bench.grid.case import RULES, Case
from bench.grid.selection import is_backend
from bench.grid.sweep import FIXED, MOST, Question
from bench.hardware import machine
from bench.journal.status import Status, status_of
from bench.journal.writer import RESULTS, Journal
from bench.measure import recording, timing
from bench.measure.backends import load, unavailable
from bench.measure.gating import demand_support
from bench.measure.throughput import WORK
from bench.measure.trial import Past, Trial
from bench.recipes import known_names
from bench.reporting import figures
from bench.reporting.number_format import digits, whole
from bench.statistics.bisection import Ended, Measured, longest_table, search
from relufit.errors import RelufitError
from relufit.params import DTYPES

BLOCK_SECONDS = 0.1  # for the rounds of a block and what comes before them, where calls are short
PASSES = 16  # one block that a shared machine disturbed does not undo the verdict of so many
LEAST_PASSES = 10  # fewer could not tell two backends apart in a table of 15 sizes, whatever they take
SECONDS = 120.0
ALONE = Status.SKIPPED, "there is nothing to compare it with"


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, search, and print the result; errors that a user can cause are a sentence."""
    options = _parse(arguments)
    try:
        question = ask(options)
        machine.limit_threads(options.threads)
        machine.share_gpu_memory()
        for name in (question.a, question.b):
            if (reason := unavailable(name)) is not None:
                raise RelufitError(f"{name} cannot run here: {reason}")
        return _answer(question, options)
    except RelufitError as error:
        _say(str(error))
        return 2


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.crossover", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("a", metavar="A", help="a backend or recipe")
    parser.add_argument("b", metavar="B", help="another one")
    parser.add_argument("--over", choices=FIXED, default="batch", help="the size that varies (default: batch)")
    parser.add_argument("--work", choices=WORK, default="gradient", help="what is timed (default: gradient)")
    parser.add_argument("--optimizer", choices=RULES, help="of a step (default: adam)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="default: float32")
    parser.add_argument("--batch", type=int, help="the batch size, where the width varies (default: 800)")
    parser.add_argument("--hidden", type=int, help="the width, where the batch size varies (default: 512)")
    parser.add_argument("--least", type=int, default=1, help="the size to begin at (default: 1)")
    parser.add_argument("--most", type=int, help="the size to end at (default: 65536 samples, 4096 units)")
    parser.add_argument("--passes", type=int, default=PASSES, help=f"blocks of each backend at a size ({PASSES})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"time to search for ({SECONDS:g})")
    parser.add_argument("--threads", type=int, help="threads of the CPU libraries; default: as installed")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the journal (default: results)")
    return parser.parse_args(arguments)


def ask(options: argparse.Namespace) -> Question:
    """The question that the options put. Raises RelufitError for what cannot be asked."""
    _check_words(options)
    other = next(name for name in FIXED if name != options.over)
    fixed = FIXED[other] if getattr(options, other) is None else getattr(options, other)
    most = MOST[options.over] if options.most is None else options.most
    threads = 1 if options.threads is None else options.threads
    counts = {"least": options.least, other: fixed, "threads": threads, "passes": options.passes}
    for name, value in counts.items():
        allowed = LEAST_PASSES if name == "passes" else 1
        if value < allowed:
            raise RelufitError(f"--{name} must be at least {allowed}, not {value}")
    if most <= options.least:
        raise RelufitError(f"--most must be above --least, which is {options.least}, not {most}")
    if not options.seconds > 0:
        raise RelufitError(f"--seconds must be positive, not {options.seconds:g}")
    optimizer = (options.optimizer or "adam") if options.work == "step" else ""
    sizes = options.over, fixed, options.least, most
    return Question(options.a, options.b, *sizes, options.work, optimizer, options.dtype)


def _check_words(options: argparse.Namespace) -> None:
    """Raise RelufitError for backends that are none, or one, and for options that do not fit the others."""
    for name in (options.a, options.b):
        if not is_backend(name):
            raise RelufitError(f"unknown backend {name!r}; choose two of {', '.join(known_names())}")
    if options.a == options.b:
        raise RelufitError(f"{options.a} cannot overtake itself; name two backends")
    if getattr(options, options.over) is not None:
        raise RelufitError(f"--{options.over} is the size that varies; --least and --most say from where to where")
    if options.optimizer is not None and options.work != "step":
        raise RelufitError(f"--optimizer is for --work step; a {options.work} has none")


def _answer(question: Question, options: argparse.Namespace) -> int:
    """Measure, then print and draw what the journal says; returns the exit code."""
    settings = {
        "profile": "crossover",
        "crossover": question.settings(),
        **{name: getattr(options, name) for name in ("seconds", "threads")},
    }
    _say(f"{question.title}: first the machine, then {options.seconds:g} s at the most")
    journal = Journal.begin(options.results, recording.first_line([question.a, question.b], settings))
    aa = newest_aa(journal.path.parent)
    arena = Arena(question, journal, options.passes, options.seconds, time.monotonic(), aa)
    longest = longest_table(options.passes)
    search(arena.look, question.least, question.most, longest, question.avoided)
    journal.close()
    run = arena.run()
    report.show(run)
    for path in _draw(run, options.results / "figures"):
        _say(f"the figure is {path}")
    if crossings.disagrees(run):
        return 1
    return 0 if crossings.measured(run) else 2


def _draw(run: Run, folder: Path) -> list[Path]:
    try:
        folder.mkdir(exist_ok=True)
        return figures.draw_all(run, folder, run.slug)
    except OSError as error:
        raise RelufitError(f"cannot write to {folder}: {error.strerror}") from None


@dataclass
class Arena:
    """Where two backends are timed in alternating blocks, until the seconds are spent."""

    question: Question
    journal: Journal
    passes: int
    seconds: float
    start: float  # time.monotonic()
    aa: Run | None  # what this machine can tell apart
    past: Past = field(default_factory=Past)

    def run(self) -> Run:
        """What the journal holds by now."""
        return replace(read(self.journal.path), aa=self.aa)

    def look(self, size: int) -> list[Measured]:
        """Time both at a size and return what is then known. Raises Ended where time or a backend does not allow it.

        When the time is up, the size at hand is compared by the blocks that it has.
        """
        case, names = self.question.case(size), [self.question.a, self.question.b]
        for number in range(self.passes):
            if time.monotonic() - self.start > self.seconds:
                if number:
                    break
                spent = Status.SKIPPED, f"the {self.seconds:g} s were spent; --seconds gives more"
                self._end(case, number, dict.fromkeys(names, spent))
            turn = names[::-1] if number % 2 else names
            for place, name in enumerate(turn):
                failure = self._time(case, name, number)
                if failure is not None:
                    self._end(case, number, {name: failure, **dict.fromkeys(turn[place + 1 :], ALONE)})
        row = crossings.measured(self.run())
        found = next(point for point in row if point.size == size)
        a, b = names
        _say(f"{self.question.symbol} = {whole(size)}: {a} is {digits(found.ratio)} times as fast as {b}")
        return row

    def _time(self, case: Case, name: str, number: int) -> tuple[str, str] | None:
        """One block of one backend, gated at the first. Returns the status and the reason where it has no time."""
        backend = load(name)
        rounds = timing.Rounds(timing.synchronized_clock(backend))
        trial = Trial(case, backend, rounds, self.journal.write, BLOCK_SECONDS, self.past, number=number)
        try:
            with backend.pinned():
                demand_support(trial)
                WORK[case.work](trial)
        except Exception as error:  # each library has errors of its own; the sizes below are an answer all the same
            return status_of(error)
        finally:
            backend.memory()  # gives what its allocator keeps back to the device, where other libraries find it
        return None

    def _end(self, case: Case, number: int, failures: dict[str, tuple[str, str]]) -> None:
        """Leave word of why nothing more is measured, and end."""
        for name, (status, reason) in failures.items():
            recording.record_failure(self.journal.write, case, name, number, status, reason)
        raise Ended


def _say(text: str) -> None:
    print(f"bench.crossover: {text}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
