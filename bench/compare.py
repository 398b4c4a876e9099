"""`python -m bench.compare A B`: FASTER, SLOWER, SAME or UNSURE, case by case, and why it is not more.

    python -m bench.compare numba torch-cpu             two backends of the newest run
    python -m bench.compare RUN RUN                     two runs, each backend with itself: the newer first
    python -m bench.compare RUN RUN --fail-on slower:5%  exit code 1 where a case became slower by so much
    python -m bench.compare --aa                        measure what this machine can tell apart today

A verdict of weight needs passes: `pytest bench --benchmark-only --passes 12`. The least difference that is claimed is
the newest A/A run's of the same machine; between two runs it is also what most cases of the table changed by, for that
is the machine's doing (or concerns them all). Runs of different machines are compared by their ratios to a baseline.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from bench.analysis import comparison
from bench.analysis.derived import absence, in_order
from bench.analysis.frames import Run, newest_aa, runs
from bench.journal.writer import RESULTS
from bench.reporting import terminal
from relufit.errors import RelufitError

AA_PASSES, AA_BACKENDS, AA_SECONDS = 24, "numpy,numba,torch-cpu", 150.0
LIMIT = re.compile(r"slower:(\d+(?:\.\d+)?)%")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and compare; every error that a user can cause is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("which", nargs="*", metavar="A B", help="two backends of one run, or two runs (names or files)")
    parser.add_argument("--run", help="the run of the two backends (default: the newest)")
    parser.add_argument("--aa", action="store_true", help="measure each backend against itself first")
    parser.add_argument("--fail-on", metavar="slower:5%", help="exit code 1 where A is SLOWER by so much, or failed")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder with raw/ (default: results)")
    options = parser.parse_args(arguments)
    try:
        limit = _limit(options.fail_on)
        if options.aa:
            measure_aa(options.results)
            if not options.which:
                return 0
        if len(options.which) != 2:
            raise RelufitError("bench.compare takes two backends or two runs: python -m bench.compare A B")
        a, b = options.which
        return _compare(options.results, a, b, options.run, limit)
    except RelufitError as error:
        print(f"bench.compare: {error}", file=sys.stderr)
        return 2


def _limit(text: str | None) -> float | None:
    if text is None:
        return None
    found = LIMIT.fullmatch(text)
    if found is None:
        raise RelufitError(f"--fail-on takes slower:PERCENT%, such as slower:5%, not {text!r}")
    return float(found[1]) / 100


def _compare(results: Path, a: str, b: str, name: str | None, limit: float | None) -> int:
    """Print the table, what is new and what has gone; the exit code."""
    complain = lambda text: print(f"bench.compare: {text}", file=sys.stderr)  # noqa: E731
    if _are_runs(results, a, b):
        new, old = (runs(results, [word], complain)[0] for word in (a, b))
        frame, notes = comparison.two_runs(new, old)
        title = f"{new.name} against {old.name}"
    else:
        found = runs(results, [name] if name else None, complain)
        # A crossover is the newest run of its own two backends only, and solvers are no backends.
        usual = [run for run in found if run.question is None and run.kind != "solvers"]
        run = max(usual or found, key=lambda run: run.name)
        _demand_backends(run, a, b)
        frame, notes = comparison.two_backends(run, a, b), [comparison.resolution_in_words(run)]
        title = f"{a} against {b}, run {run.name}: {run.machine}, {run.setting}"
    terminal.show(comparison.in_cells(frame), title, notes)
    if limit is None:
        return 0
    worse = comparison.worse(frame, limit)
    for text in worse:
        print(f"bench.compare: {text}", file=sys.stderr)
    return int(bool(worse))


def _demand_backends(run: Run, *names: str) -> None:
    """Raise RelufitError where one of them is not in the run, or could not run there."""
    for name in names:
        if name not in in_order(run):
            raise RelufitError(f"{name!r} is neither a run nor a backend of {run.name}: {', '.join(in_order(run))}")
        if (reason := absence(run, name)) is not None:
            raise RelufitError(f"{name} could not run on that machine: {reason}")


def _are_runs(results: Path, a: str, b: str) -> bool:
    """Whether both words name runs. Raises RelufitError where only one of them does."""
    known = {path.name.partition(".")[0] for path in (results / "raw").glob("*/*.jsonl*")}
    are = [word in known or Path(word).is_file() for word in (a, b)]
    if are[0] != are[1]:
        raise RelufitError(f"{a} and {b} are not of one kind: two backends, or two runs of {', '.join(sorted(known))}")
    return are[0]


def measure_aa(results: Path) -> None:
    """Run the profile `aa`, each backend against itself, and print what it resolves."""
    words = ["--profile", "aa", "--passes", str(AA_PASSES), "--seconds", f"{AA_SECONDS:g}", "--backend", AA_BACKENDS]
    command = [sys.executable, "-m", "pytest", "bench", "--benchmark-only", "-q", "--benchmark-quiet", *words]
    done = subprocess.run([*command, "--results", str(results)], check=False)
    if done.returncode:
        raise RelufitError(f"the A/A run ended with {done.returncode}; what it says is above")
    found = [run for run in map(newest_aa, (results / "raw").iterdir()) if run is not None]
    aa = max(found, key=lambda run: run.name)
    table = comparison.in_cells(comparison.resolution_table(aa))
    terminal.show(table, f"A/A: {aa.machine}, {aa.setting}", [comparison.resolution_in_words(aa)])


if __name__ == "__main__":
    sys.exit(main())
