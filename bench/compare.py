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

from bench.journal.reader import Complain
from bench.journal.writer import RESULTS
from bench.reporting import terminal, verdict_tables
from relufit.errors import RelufitError

AA = "--profile aa --passes 24 --seconds 150 --backend numpy,numba,torch-cpu"  # each backend against itself


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and compare; every error that a user can cause is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("which", nargs="*", metavar="A B", help="two backends of one run, or two runs (names or files)")
    add("--run", help="the run of the two backends (default: the newest)")
    add("--baseline", metavar="NAME", help="of runs of two machines: ratios to this backend (default: torch's)")
    add("--aa", action="store_true", help="measure each backend against itself first")
    add("--fail-on", type=_limit, metavar="slower:5%", help="exit code 1 where A is SLOWER by so much, or failed")
    add("--results", type=Path, default=RESULTS, help="folder with raw/ (default: results)")
    return terminal.run_command("compare", lambda say: _compare(parser.parse_args(arguments), say))


def _compare(options: argparse.Namespace, say: Complain) -> int:
    """Print the verdicts, and measure the A/A run before where that is asked for; returns the exit code."""
    if options.aa:
        _measure_aa(options.results)
        terminal.show_resolution(options.results)
        if not options.which:
            return 0
    if len(options.which) != 2:
        raise RelufitError("bench.compare takes two backends or two runs: python -m bench.compare A B")
    a, b = options.which
    frame = terminal.show_comparison(options.results, a, b, options.run, options.baseline, say)
    worse = [] if options.fail_on is None else verdict_tables.worse(frame, options.fail_on)
    for text in worse:
        say(text)
    return int(bool(worse))


def _limit(text: str) -> float:
    """The share that `--fail-on` allows a case to become slower by."""
    if (found := re.fullmatch(r"slower:(\d+(?:\.\d+)?)%", text)) is None:
        raise RelufitError(f"--fail-on takes slower:PERCENT%, such as slower:5%, not {text!r}")
    return float(found[1]) / 100


def _measure_aa(results: Path) -> None:
    """Run the profile `aa`, in which each backend is compared with itself."""
    words = ["bench", "--benchmark-only", "-q", "--benchmark-quiet", *AA.split(), "--results", str(results)]
    done = subprocess.run([sys.executable, "-m", "pytest", *words], check=False)
    if done.returncode:
        raise RelufitError(f"the A/A run ended with exit code {done.returncode}; its messages are above")


if __name__ == "__main__":
    sys.exit(main())
