"""`python -m bench.crossover A B`: the batch size, or the width, at which B overtakes A, by bisection.

    python -m bench.crossover numpy torch-cpu                        over the batch size of a gradient
    python -m bench.crossover numpy torch-cpu --over hidden          over the width
    python -m bench.crossover numba numpy --work step --seconds 60   of a training step
    python -m bench.crossover --cpu-gpu                              the best backend on the CPU, and on the GPU

At each size both backends are gated on agreement, as in every benchmark, and timed in alternating blocks: A B, B A,
A B and so on, a line of the journal each. The answer is an interval: between the largest size at which one is clearly
the faster and the smallest at which the other is. It is made from the journal alone; `python -m bench.report` makes it
again. Inside the clock is what bench/measure/throughput.py says.

With --cpu-gpu both backends are chosen first, by a block of each that is usable here at N = 800; then a gradient and a
step are searched for, half of the time and a journal each, and one paragraph answers for both.

Exit code 0 with or without a crossover, 1 where a backend disagrees with float64 or ends the process, 2 for what cannot
be asked or done, as --cpu-gpu without a GPU.
"""

import argparse
import os
import sys
from contextlib import closing
from dataclasses import fields, replace
from math import inf
from pathlib import Path

from bench.analysis import frames, runs
from bench.analysis.pairs import comparison
from bench.grid.selection import is_backend, is_on_cuda, on_device
from bench.grid.sweep import FIXED, MOST, Sweep
from bench.hardware import machine
from bench.journal.reader import Complain
from bench.journal.writer import RESULTS
from bench.measure import backends, isolation, process
from bench.measure.crossover import Search, fastest
from bench.measure.session import begin_journal, measure_ceilings_again
from bench.measure.trial import Past
from bench.recipes import known_names
from bench.reporting import drawing, figures, number_format, terminal
from bench.reporting.tables import crossovers
from bench.statistics.bisection import Measured
from relufit import RelufitError
from relufit import backends as relufit_backends

PASSES = 16  # one block that a shared machine disturbed does not undo the verdict of so many
LEAST_PASSES = 10  # fewer could not tell two backends apart in a table of 15 sizes, whatever they take
SECONDS = 120.0
CHOSEN_AT = 800  # samples at which --cpu-gpu chooses the backends


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, search, and print the result; errors that a user can cause are a sentence.

    As a command, without `arguments`, it searches in another process than this one, which only watches it.
    """
    options = _parse(arguments)
    if arguments is None and process.CHILD not in os.environ:
        command = [sys.executable, "-m", "bench.crossover", *sys.argv[1:]]
        return terminal.run_command("crossover", lambda say: isolation.run_watched(command, say)[0])
    process.end_with_watcher()
    answer = _answer_cpu_gpu if options.cpu_gpu else _answer
    code = terminal.run_command("crossover", lambda say: answer(options, say))
    process.note(code=code)
    return code


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.crossover", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    for item in (item for item in fields(Sweep) if item.metadata):
        words = dict(item.metadata)
        words |= {"nargs": "?"} if item.name in ("a", "b") else {}  # neither with --cpu-gpu
        add(words.pop("flag"), **words)
    parser.set_defaults(most=None, optimizer=None)  # what is usual depends on --over and --work
    add("--cpu-gpu", action="store_true", help="the best CPU backend against the best GPU backend, gradient and step")
    add("--batch", type=int, help=f"the batch size, where the width varies (default: {FIXED['batch']})")
    add("--hidden", type=int, help=f"the width, where the batch size varies (default: {FIXED['hidden']})")
    add("--passes", type=int, default=PASSES, help=f"blocks of each backend at a size ({PASSES})")
    add("--seconds", type=float, default=SECONDS, help=f"time to search for ({SECONDS:g})")
    add("--device", help="cuda:N: the GPU of the CUDA backends (default: the first)")
    add("--gpu-memory", type=float, default=inf, help="GiB that a backend may hold on a GPU (default: all)")
    add("--threads", type=int, help="threads of the CPU libraries; default: as installed")
    add("--results", type=Path, default=RESULTS, help="folder for the journal (default: results)")
    options = parser.parse_args(arguments)
    if options.b is None and not options.cpu_gpu:
        parser.error("the following arguments are required: A, B, or --cpu-gpu without them")
    return options


def ask(options: argparse.Namespace) -> Sweep:
    """The sweep that the options put. Raises RelufitError for what cannot be asked."""
    sweep = Sweep(options.a, options.b, options.over, work=options.work, dtype=options.dtype)
    varies, least, optimizer = getattr(options, sweep.over), options.least, options.optimizer
    if (fixed := getattr(options, sweep.other)) is None:
        fixed = FIXED[sweep.other]
    most = MOST[sweep.over] if options.most is None else options.most
    threads = 1 if options.threads is None else options.threads
    choice = f"choose two of {', '.join(known_names())}"
    refusals = [
        *((not is_backend(name), f"unknown backend {name!r}; {choice}") for name in (sweep.a, sweep.b)),
        (sweep.a == sweep.b, f"{sweep.a} cannot overtake itself; name two backends"),
        (varies is not None, f"--{sweep.over} is the size that varies; --least and --most say from where to where"),
        (optimizer and sweep.work != "step", f"--optimizer is for --work step; a {sweep.work} has none"),
        (least < 1, f"--least must be at least 1, not {least}"),
        (fixed < 1, f"--{sweep.other} must be at least 1, not {fixed}"),
        (threads < 1, f"--threads must be at least 1, not {threads}"),
        (options.passes < LEAST_PASSES, f"--passes must be at least {LEAST_PASSES}, not {options.passes}"),
        (most <= least, f"--most must be above --least, which is {least}, not {most}"),
        (not options.gpu_memory > 0, f"--gpu-memory must be above 0 GiB, not {options.gpu_memory:g}"),
        (not options.seconds > 0, f"--seconds must be positive, not {options.seconds:g}"),
    ]
    for applies, reason in refusals:
        if applies:
            raise RelufitError(reason)
    usual = "adam" if sweep.work == "step" else ""
    a, b = on_device([sweep.a, sweep.b], options.device)
    return replace(sweep, a=a, b=b, fixed=fixed, least=least, most=most, optimizer=optimizer or usual)


def _answer_cpu_gpu(options: argparse.Namespace, say: Complain) -> int:
    """Choose the best backend on either side, search for both kinds of work, and print the paragraph on them."""
    if options.a is not None or options.over != "batch":
        raise RelufitError("--cpu-gpu chooses the backends and goes over the batch size: leave A, B and --over out")
    machine.share_gpu_memory()  # before anything asks CUDA for its devices
    names = [name for name in relufit_backends.table() if ":" not in name]
    devices = {name: relufit_backends.row(name).device for name in names}
    on_gpu = on_device([name for name in names if is_on_cuda(name)], options.device or "cuda")
    sides = {"CPU": [name for name in names if devices[name] == "cpu"], "GPU": on_gpu}
    reasons = {name: backends.unavailable(name) for name in on_gpu}
    if None not in reasons.values():
        alike = {why: [name for name in on_gpu if reasons[name] == why] for why in dict.fromkeys(reasons.values())}
        said = "; ".join(f"{', '.join(names)} ({why})" for why, names in alike.items())
        raise RelufitError(f"no GPU can be used here: {said}")
    machine.limit_threads(options.threads)
    codes, runs, past = list[int](), list[frames.Run](), Past()
    for work in ("gradient", "step"):
        asked = {**vars(options), "a": sides["CPU"][0], "b": on_gpu[0], "work": work, "seconds": options.seconds / 2}
        asked["optimizer"] = options.optimizer if work == "step" else None
        case, chosen = ask(argparse.Namespace(**asked)).case(CHOSEN_AT), []
        for kind, candidates in sides.items():
            usable = [name for name in candidates if backends.unavailable(name) is None]
            times = fastest(usable, case, past, options.gpu_memory * 2**30)
            if not times:
                raise RelufitError(f"no backend on the {kind} has a time for a {work} of {CHOSEN_AT} samples")
            said = ", ".join(f"{name} {number_format.duration(seconds)}" for name, seconds in times.items())
            say(f"{kind}, a {work} at N = {CHOSEN_AT}: {said}")
            chosen.append(next(iter(times)))
        code, run = _measure(argparse.Namespace(**{**asked, "a": chosen[0], "b": chosen[1]}), say)
        codes, runs = [*codes, code], [*runs, run]
    say(crossovers.cpu_gpu_in_words(*runs))
    return max(codes)


def _answer(options: argparse.Namespace, say: Complain) -> int:
    """Measure, then print and draw what the journal says; returns the exit code."""
    return _measure(options, say)[0]


def _measure(options: argparse.Namespace, say: Complain) -> tuple[int, frames.Run]:
    """Measure, then print and draw what the journal says; returns the exit code and the run."""
    sweep = ask(options)
    machine.limit_threads(options.threads)
    machine.share_gpu_memory()
    for name in (sweep.a, sweep.b):
        if (reason := backends.unavailable(name)) is not None:
            raise RelufitError(f"{name} cannot run here: {reason}")
    say(f"{sweep.title}: first the machine, then {options.seconds:g} s at the most")
    settings = {"profile": "crossover", "crossover": sweep.settings()}
    settings |= {"seconds": options.seconds, "threads": options.threads}
    journal = begin_journal(options.results, [sweep.a, sweep.b], settings)
    aa = runs.newest_aa(journal.path.parent, journal.path.parent.name)
    process.note(journal=str(journal.path.resolve()))
    folder = options.results / "figures"

    def known(size: int) -> list[Measured]:
        """What the journal says of each size; the latest is printed."""
        found = comparison.measured(replace(frames.read(journal.path), aa=aa))
        ratio = next(point.ratio for point in found if point.size == size)
        at, times = number_format.whole(size), number_format.digits(ratio)
        say(f"{sweep.symbol} = {at}: {sweep.a} is {times} times as fast as {sweep.b}")
        return found

    with closing(journal):
        Search(sweep, journal, options.passes, options.seconds, known, options.gpu_memory * 2**30).run()
        measure_ceilings_again(journal, [sweep.a, sweep.b], options.threads)
    run = replace(frames.read(journal.path), aa=aa)
    terminal.show(run)
    try:
        folder.mkdir(exist_ok=True)
        for path, figure in figures.figures_of(run, folder, run.slug).items():
            drawing.draw(figure, path)
            say(f"the figure is {path}")
    except OSError as error:
        raise RelufitError(f"cannot write to {folder}: {error.strerror}") from None
    if comparison.disagrees(run):
        return 1, run
    return 0 if comparison.measured(run) else 2, run


if __name__ == "__main__":
    sys.exit(main())
