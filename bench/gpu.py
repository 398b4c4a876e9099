"""`python -m bench.gpu --budget 540`: everything that needs a GPU, in one command and within a limit of seconds.

First the tests that need a GPU; then the grid of the profile `gpu`, most valuable cases first, each result on disk as
soon as it is measured; then compute-sanitizer, where it is installed and time is left; last the report. What crashes
the device costs its own case: another process continues the run. All of it ends within the budget, which counts from
the start of this process: cases that do not fit are rows with that reason.

    python -m bench.gpu --budget 540
    python -m bench.gpu --device cuda:1 --gpu-memory 8      on the second GPU, in 8 GiB of its memory
    python -m bench.gpu --sanitize      keeps a fifth of the budget for compute-sanitizer
    python -m bench.gpu --dry-run       what that would do on this machine, with or without a GPU, and what is missing

Exit code 0 without failures and after a dry run, 1 if a test, a case or the sanitizer failed, 2 if no GPU can be used.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.grid import selection
from bench.hardware import machine, nvidia, sanitizer
from bench.journal.reader import Complain, read_rows
from bench.journal.status import statuses
from bench.journal.writer import RESULTS
from bench.measure import dry_run as dry_runs
from bench.measure import isolation, process
from bench.measure.session import seconds_since_start
from bench.reporting import terminal
from relufit import RelufitError, backends

TESTS = ("tests/relufit/backends/test_cuda_source.py", "tests/relufit/backends/test_conformance.py")
# Of the budget; the rest is for the grid.
TESTS_SHARE, SANITIZER_SHARE, REPORT_SECONDS = 0.35, 0.2, 30.0
LEAST_SECONDS = 20.0  # for which the sanitizer is begun
BESIDE = ("numpy", "numba", "torch-cpu")  # on the same machine, to compare with


@dataclass(frozen=True)
class Clock:
    """The budget of the command, from the moment at which it began (time.monotonic)."""

    start: float
    budget: float
    sanitize: bool

    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    def tests(self) -> float:
        """Seconds that the tests may take: half of what is left at the most, for the grid comes after them."""
        return min(TESTS_SHARE * self.budget, self.grid() / 2)

    def grid(self) -> float:
        """Seconds left for the grid and all that its processes do: what comes after it is kept."""
        kept = SANITIZER_SHARE * self.budget if self.sanitize else 0.0
        return self.sanitizer() - kept

    def sanitizer(self) -> float:
        """Seconds left for the sanitizer: the report comes after it."""
        return self.report() - REPORT_SECONDS

    def report(self) -> float:
        """Seconds left in all."""
        return self.budget - self.spent()


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, test, measure and report."""
    start = time.monotonic() - (seconds_since_start() if arguments is None else 0.0)
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--budget", type=float, default=540.0, help="seconds for everything (default: 540)")
    add("--results", type=Path, default=RESULTS, help="folder for the journal (default: results)")
    add("--backend", help="only these backends, separated by commas")
    add("--device", help="cuda:N: the GPU that is measured (default: the first)")
    add("--gpu-memory", type=float, help="GiB that a backend may hold on the GPU (default: all)")
    add("--sanitize", action="store_true", help="keep time for compute-sanitizer, which else runs if time is left")
    add("--dry-run", action="store_true", help="print what would be done, and what is missing")
    options = parser.parse_args(arguments)
    clock = Clock(start, options.budget, options.sanitize)
    return terminal.run_command("gpu", lambda say: _run(say, clock, options))


def _run(say: Complain, clock: Clock, options: argparse.Namespace) -> int:
    if not clock.budget > REPORT_SECONDS:
        raise RelufitError(f"--budget must be above {REPORT_SECONDS:g} s, not {clock.budget:g}")
    if options.gpu_memory is not None and not options.gpu_memory > 0:
        raise RelufitError(f"--gpu-memory must be above 0 GiB, not {options.gpu_memory:g}")
    machine.share_gpu_memory()  # before anything asks CUDA for its devices
    device = [name for name in backends.table() if ":" not in name and selection.is_on_cuda(name)]
    names = selection.on_device(selection.backend_names(options.backend) or [*device, *BESIDE], options.device)
    device = selection.on_device(device, options.device)
    if options.dry_run:
        _say_dry_run(say, clock, names)
        return 0
    usable = [name for name in device if backends.probe(name) is None]
    for name in device:
        say(f"{name}: {backends.probe(name) or 'ready'}")
    if not usable:
        raise RelufitError("no backend can use a GPU here; the reasons are above")
    say(f"looked for backends until {clock.spent():.0f} s")
    if clock.grid() <= 0:
        raise RelufitError(f"{clock.spent():.0f} of {clock.budget:g} s were spent before the tests: raise --budget")

    tests = isolation.run_tests(TESTS, usable, clock.tests(), options.device)
    say(f"tests ended with {tests} after {clock.spent():.0f} s; {clock.grid():.0f} s for the grid")
    grid = ["bench", "--benchmark-only", "-q", "--profile", "gpu", "--backend", ",".join(names)]
    grid += ["--results", str(options.results)]
    grid += [] if options.gpu_memory is None else ["--gpu-memory", f"{options.gpu_memory:g}"]
    code, journal = isolation.run(grid, time.monotonic() + clock.grid(), say)
    if journal is None:
        raise RelufitError(f"the grid wrote no journal; with a short --budget ({clock.budget:g} s) it has no time to")
    if code in process.ENDED_BY_USER.values():
        raise RelufitError(f"ended by the user; {journal} holds what was measured")
    has_fault = _sanitize(say, clock, sanitizer.checked(usable), journal.parent)
    _report(say, clock, options.results)
    bad = [row for row in read_rows(journal)[1] if row["status"] in statuses(failed=True, has_numbers=False)]
    for row in bad:
        say(f"{row['backend']}, {row['work']}, N = {row['batch']}: {row['status']}: {row['reason']}")
    say(f"{journal}: done after {clock.spent():.0f} of {clock.budget:g} s")
    return int(tests != 0 or len(bad) > 0 or has_fault)


def _say_dry_run(say: Complain, clock: Clock, names: list[str]) -> None:
    budget, index = clock.budget, selection.device_index(names)
    sanitized = SANITIZER_SHARE * budget if clock.sanitize else 0.0
    shares = f"up to {TESTS_SHARE * budget:.0f} s are for tests and {REPORT_SECONDS:g} s for the report"
    say(f"of {budget:g} s {shares}" + (f", {sanitized:.0f} s for {sanitizer.PROGRAM}" if sanitized else ""))
    grid_seconds = (1 - TESTS_SHARE) * budget - REPORT_SECONDS - sanitized
    for text in dry_runs.describe(names, grid_seconds, nvidia.free_bytes(f"cuda:{index}")):
        say(text)


def _sanitize(say: Complain, clock: Clock, names: list[str], folder: Path) -> bool:
    """Run the tools of the sanitizer one after the other, as far as time is left; returns whether one found a fault."""
    has_fault = False
    for tool in sanitizer.TOOLS if names else ():
        if clock.sanitizer() < LEAST_SECONDS:
            say(f"{sanitizer.PROGRAM} {tool}: not begun, for {max(0.0, clock.sanitizer()):.0f} s were left; --sanitize")
            continue
        try:
            fault, text = sanitizer.check(tool, names, folder, clock.sanitizer())
        except OSError as error:
            say(f"{sanitizer.PROGRAM}: {error}")
            break
        has_fault |= fault
        say(f"{sanitizer.PROGRAM} {text}")
    return has_fault


def _report(say: Complain, clock: Clock, results: Path) -> None:
    """Make the report in a process of its own, which is ended when the budget is spent."""
    command = [sys.executable, "-m", "bench.report", "--results", str(results)]
    try:
        subprocess.run(command, timeout=max(0.0, clock.report()), check=False)
    except subprocess.TimeoutExpired:
        say(f"the report did not end in time; python -m bench.report --results {results} makes it")


if __name__ == "__main__":
    sys.exit(main())
