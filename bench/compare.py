"""`python -m bench.compare A B`: FASTER, SLOWER, SAME or UNSURE, case by case, and why it is not more.

    python -m bench.compare numba torch-cpu             two backends of the newest run
    python -m bench.compare RUN RUN                     two runs, each backend with itself: the newer first
    python -m bench.compare RUN RUN --fail-on slower:5%  an exit code for CI
    python -m bench.compare RUN RUN --control numpy      backends that did not change: the machine did, where these did
    python -m bench.compare --commits OLD [NEW]         measure two commits in turns (NEW: the working tree)
    python -m bench.compare --history                   each machine's runs, and what became faster or slower in each
    python -m bench.compare --aa                        measure what this machine can tell apart today

A verdict of weight needs passes: `pytest bench --benchmark-only --passes 12`. The least difference that is claimed is
the newest A/A run's of the same machine; between two runs it is also what most cases of the other backends changed by,
for that is the machine's doing (or concerns them all). Runs of different machines are compared by their ratios to a
baseline.

Exit codes with --fail-on, the first that applies: 2 a wrong command; 1 a case became slower by so much, failed, or has
no time any more; 3 some case can be told neither slower nor within the limit; 0 the interval of every case ends below
the limit. Without --fail-on 2 or 0.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from bench.analysis import frames
from bench.analysis.pairs import regressions
from bench.grid import selection
from bench.grid.sweep import WORKS
from bench.journal.reader import Complain
from bench.journal.writer import RESULTS
from bench.measure import commits
from bench.reporting import changes, terminal
from bench.statistics.verdicts import MARGIN
from relufit.errors import RelufitError

FAILED, INCONCLUSIVE = 1, 3  # exit codes; 2 is a wrong command
AA = "--profile aa --passes 24 --seconds 150 --backend numpy,numba,torch-cpu"  # each backend against itself
INTERRUPTED = 130  # the exit code after Ctrl-C
CHOSEN = ("backend", "work", "batch")  # options that choose cases of --commits and --history
COMMITS_OF = ["numpy", "numba", "torch-cpu"]  # the backends of --commits, where they run


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and compare; every error that a user can cause is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("which", nargs="*", metavar="A B", help="two backends of one run, or two runs (names or files)")
    add("--run", help="the run of the two backends (default: the newest)")
    add("--baseline", metavar="NAME", help="of runs of two machines: ratios to this backend (default: torch's)")
    add("--aa", action="store_true", help="measure each backend against itself first")
    add("--history", action="store_true", help="all runs of each machine: what became faster or slower, and when")
    add("--commits", nargs="+", metavar=("OLD", "NEW"), help="measure two commits in turns (NEW: the working tree)")
    add(
        "--backend",
        help="of --commits (default: numpy, numba and torch-cpu, where they run) or --history",
    )
    usual = f"default of --commits: {', '.join(selection.USUAL_WORKS)}"
    add("--work", help=f"of --commits or --history: {', '.join(WORKS)} ({usual})")
    add("--batch", help="batch sizes of --commits (default: 800; 32 of a step) or --history")
    add("--device", help="of --commits: cuda:N, the GPU of the CUDA backends (default: the first)")
    add("--threads", type=int, help="of --commits: threads of the CPU libraries (default: as installed)")
    add("--fail-on", type=_limit, metavar="slower:5%", help="1 where A is slower, failed or vanished, 3 if undecided")
    add("--control", type=_names, default=(), metavar="NAMES", help="of two runs: backends that did not change")
    add("--results", type=Path, default=RESULTS, help="folder with raw/ (default: results)")
    return terminal.run_command("compare", lambda say: _compare(parser.parse_args(arguments), say))


def _compare(options: argparse.Namespace, say: Complain) -> int:
    """Print the verdicts, and measure the A/A run before where that is asked for; returns the exit code."""
    _demand_fitting(options)
    limit = MARGIN if options.fail_on is None else options.fail_on
    if options.commits:
        try:
            frame = _measure_commits(options, limit, say)
        except KeyboardInterrupt:
            say("ended by the user: nothing was compared")
            return INTERRUPTED
        return 0 if options.fail_on is None else exit_code(frame, limit, say, changes.MORE_QUIET)
    if options.history:
        chosen = {name: selection.asked(getattr(options, name)) for name in CHOSEN}
        terminal.show_history(options.results, chosen, say)
        return 0
    if options.aa:
        _measure_aa(options.results)
        terminal.show_resolution(options.results)
        if not options.which:
            return 0
    if len(options.which) != 2:
        raise RelufitError("bench.compare takes two backends or two runs: python -m bench.compare A B")
    a, b = options.which
    frame = terminal.show_comparison(options.results, a, b, options.run, options.baseline, limit, options.control, say)
    return 0 if options.fail_on is None else exit_code(frame, limit, say)


def exit_code(frame: pd.DataFrame, limit: float, say: Complain, advice: str = changes.MEASURE_AGAIN) -> int:
    """What `--fail-on` ends with, after a sentence on each case that fails or on what to do about the undecided."""
    worse = changes.worse(frame, limit)
    for text in worse:
        say(text)
    found = regressions.findings(frame, limit)
    if worse:
        return FAILED
    if (found == "inconclusive").any() or not (found == "within").any():
        say(changes.undecided(frame, found, advice))
        return INCONCLUSIVE
    return 0


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _demand_fitting(options: argparse.Namespace) -> None:
    """Raise RelufitError for options that do not go together."""
    given = [name for name in (*CHOSEN, "device", "threads") if getattr(options, name) is not None]
    others = options.which or options.aa or options.run or options.control
    if options.history and (others or options.commits or options.fail_on is not None or {*given} - {*CHOSEN}):
        raise RelufitError("--history goes with --backend, --work, --batch and --results only")
    if given and not (options.commits or options.history):
        and_history = " and --history" if given[0] in CHOSEN else ""
        raise RelufitError(f"--{given[0]} goes with --commits{and_history} only")
    if options.commits and (others or len(options.commits) > 2):
        raise RelufitError("--commits takes one commit or two: python -m bench.compare --commits OLD [NEW]")
    if options.threads is not None and options.threads < 1:
        raise RelufitError(f"--threads must be at least 1, not {options.threads}")


def _measure_commits(options: argparse.Namespace, limit: float, say: Complain) -> pd.DataFrame:
    """Time two commits in turns and print the verdicts; returns them."""
    cases = selection.timed_cases(options.work, options.batch)
    names = selection.on_device(selection.backend_names(options.backend), options.device)
    old, new = (*options.commits, None)[:2]
    of = names or COMMITS_OF
    asked = commits.Commits(old, new, cases, of, bool(names), options.threads, commits.SECONDS)
    with TemporaryDirectory(prefix="relufit-compare-") as folder:
        new_run, old_run = map(frames.read, commits.measure(asked, Path(folder), say))
    title = f"{new or commits.WORKING_TREE} against {old}"
    return terminal.show_commits(new_run, old_run, asked.names, limit, title)


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
