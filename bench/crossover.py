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
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bench.analysis import comparison
from bench.analysis.frames import Run, newest_aa, read
from bench.grid.selection import is_backend
from bench.grid.sweep import FIXED, MOST, Sweep
from bench.hardware import machine
from bench.journal.writer import RESULTS, Journal
from bench.measure import recording
from bench.measure.backends import unavailable
from bench.measure.crossover import Search
from bench.measure.throughput import WORK
from bench.recipes import known_names
from bench.reporting import figures, terminal
from bench.reporting.number_format import digits, whole
from bench.statistics.bisection import Measured
from relufit.errors import RelufitError

PASSES = 16  # one block that a shared machine disturbed does not undo the verdict of so many
LEAST_PASSES = 10  # fewer could not tell two backends apart in a table of 15 sizes, whatever they take
SECONDS = 120.0


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, search, and print the result; errors that a user can cause are a sentence."""
    options = _parse(arguments)
    try:
        sweep = ask(options)
        machine.limit_threads(options.threads)
        machine.share_gpu_memory()
        for name in (sweep.a, sweep.b):
            if (reason := unavailable(name)) is not None:
                raise RelufitError(f"{name} cannot run here: {reason}")
        return _answer(sweep, options)
    except RelufitError as error:
        _say(str(error))
        return 2


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.crossover", description=(__doc__ or "").partition("\n")[0])
    not_given = {"default": None}
    own: dict[str, dict[str, Any]] = {"work": {"choices": WORK}, "most": not_given, "optimizer": not_given}
    for item in (item for item in fields(Sweep) if item.metadata):
        words = {**item.metadata, **own.get(item.name, {})}
        parser.add_argument(words.pop("flag"), **words)
    for other, (varies, unit) in {"batch": ("width", "batch size"), "hidden": ("batch size", "width")}.items():
        text = f"the {unit}, where the {varies} varies (default: {FIXED[other]})"
        parser.add_argument(f"--{other}", type=int, help=text)
    parser.add_argument("--passes", type=int, default=PASSES, help=f"blocks of each backend at a size ({PASSES})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"time to search for ({SECONDS:g})")
    parser.add_argument("--threads", type=int, help="threads of the CPU libraries; default: as installed")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the journal (default: results)")
    return parser.parse_args(arguments)


def ask(options: argparse.Namespace) -> Sweep:
    """The sweep that the options put. Raises RelufitError for what cannot be asked."""
    for name in (options.a, options.b):
        if not is_backend(name):
            raise RelufitError(f"unknown backend {name!r}; choose two of {', '.join(known_names())}")
    if options.a == options.b:
        raise RelufitError(f"{options.a} cannot overtake itself; name two backends")
    if getattr(options, options.over) is not None:
        raise RelufitError(f"--{options.over} is the size that varies; --least and --most say from where to where")
    if options.optimizer is not None and options.work != "step":
        raise RelufitError(f"--optimizer is for --work step; a {options.work} has none")
    usual = Sweep(options.a, options.b, options.over)
    fixed = FIXED[usual.other] if getattr(options, usual.other) is None else getattr(options, usual.other)
    most = MOST[options.over] if options.most is None else options.most
    threads = 1 if options.threads is None else options.threads
    counts = {"least": options.least, usual.other: fixed, "threads": threads, "passes": options.passes}
    for name, value in counts.items():
        allowed = LEAST_PASSES if name == "passes" else 1
        if value < allowed:
            raise RelufitError(f"--{name} must be at least {allowed}, not {value}")
    if most <= options.least:
        raise RelufitError(f"--most must be above --least, which is {options.least}, not {most}")
    if not options.seconds > 0:
        raise RelufitError(f"--seconds must be positive, not {options.seconds:g}")
    optimizer = (options.optimizer or "adam") if options.work == "step" else ""
    sizes = {"fixed": fixed, "least": options.least, "most": most}
    return replace(usual, **sizes, work=options.work, optimizer=optimizer, dtype=options.dtype)


def _answer(sweep: Sweep, options: argparse.Namespace) -> int:
    """Measure, then print and draw what the journal says; returns the exit code."""
    settings = {
        "profile": "crossover",
        "crossover": sweep.settings(),
        **{name: getattr(options, name) for name in ("seconds", "threads")},
    }
    _say(f"{sweep.title}: first the machine, then {options.seconds:g} s at the most")
    journal = Journal.begin(options.results, recording.first_line([sweep.a, sweep.b], settings))
    aa = newest_aa(journal.path.parent)

    def tell(found: Measured) -> None:
        times = f"{sweep.a} is {digits(found.ratio)} times as fast as {sweep.b}"
        _say(f"{sweep.symbol} = {whole(found.size)}: {times}")

    known = lambda: comparison.measured(replace(read(journal.path), aa=aa))  # noqa: E731
    Search(sweep, journal, options.passes, options.seconds, known, tell).run()
    journal.close()
    run = replace(read(journal.path), aa=aa)
    terminal.show(run)
    for path in _draw(run, options.results / "figures"):
        _say(f"the figure is {path}")
    if comparison.disagrees(run):
        return 1
    return 0 if comparison.measured(run) else 2


def _draw(run: Run, folder: Path) -> list[Path]:
    try:
        folder.mkdir(exist_ok=True)
        return figures.draw_all(run, folder, run.slug)
    except OSError as error:
        raise RelufitError(f"cannot write to {folder}: {error.strerror}") from None


def _say(text: str) -> None:
    print(f"bench.crossover: {text}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
