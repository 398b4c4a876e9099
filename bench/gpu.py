"""`python -m bench.gpu --budget 540`: everything that needs a GPU, in one command and within a limit of seconds.

First the tests that need a GPU; then the grid of the profile `gpu`, most valuable cases first, each result on disk as
soon as it is measured; last the report. What crashes the device costs its own case: another process continues the run.

    python -m bench.gpu --budget 540
    python -m bench.gpu --dry-run       what that would do on this machine, with or without a GPU, and what is missing

Exit code 0 without failures and after a dry run, 1 if a test or a case failed, 2 if no GPU can be used.
"""

import argparse
import sys
import time
from pathlib import Path

from bench import report
from bench.grid import selection
from bench.journal.reader import Complain, read_rows
from bench.journal.status import statuses
from bench.journal.writer import RESULTS
from bench.measure import dry_run as dry_runs
from bench.measure import isolation, process
from bench.reporting import terminal
from relufit import RelufitError, backends

TESTS = ("tests/relufit/backends/test_cuda_source.py", "tests/relufit/backends/test_conformance.py")
TESTS_SHARE, REPORT_SECONDS = 0.35, 30.0  # of the budget; the rest is for the grid
BESIDE = ("numpy", "numba", "torch-cpu")  # on the same machine, to compare with


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, test, measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--budget", type=float, default=540.0, help="seconds for everything (default: 540)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the journal (default: results)")
    parser.add_argument("--backend", help="only these backends, separated by commas")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and what is missing")
    options = parser.parse_args(arguments)
    return terminal.run_command("gpu", lambda say: _run(say, **vars(options)))


def _run(say: Complain, budget: float, results: Path, backend: str | None, dry_run: bool) -> int:
    start = time.monotonic()
    if not budget > REPORT_SECONDS:
        raise RelufitError(f"--budget must be above {REPORT_SECONDS:g} s, not {budget:g}")
    device = [name for name, row in backends.table().items() if row.device == "cuda"]
    if dry_run:
        say(f"of {budget:g} s up to {TESTS_SHARE * budget:.0f} s are for tests and {REPORT_SECONDS:g} s for the report")
        asked = selection.backend_names(backend) or [*device, *BESIDE]
        for text in dry_runs.describe(asked, (1 - TESTS_SHARE) * budget - REPORT_SECONDS):
            say(text)
        return 0
    usable = [name for name in device if backends.probe(name) is None]
    for name in device:
        say(f"{name}: {backends.probe(name) or 'ready'}")
    if not usable:
        raise RelufitError("no backend can use a GPU here; the reasons are above")
    say(f"looked for backends for {time.monotonic() - start:.0f} s")

    tests = isolation.run_tests(TESTS, usable, TESTS_SHARE * budget)
    left = budget - (time.monotonic() - start) - REPORT_SECONDS
    say(f"tests ended with {tests} after {time.monotonic() - start:.0f} s; {left:.0f} s for the grid")
    names = backend or ",".join([*device, *BESIDE])
    grid = ["bench", "--benchmark-only", "-q", "--profile", "gpu", "--seconds", f"{left:.0f}", "--backend", names]
    code, journal = isolation.run([*grid, "--results", str(results)], time.monotonic() + left, say)
    if journal is None:
        raise RelufitError("the grid wrote no journal")
    if code in process.ENDED_BY_USER.values():
        raise RelufitError(f"ended by the user; {journal} holds what was measured")
    report.report(results)
    bad = [row for row in read_rows(journal)[1] if row["status"] in statuses(failed=True, has_numbers=False)]
    for row in bad:
        say(f"{row['backend']}, {row['work']}, N = {row['batch']}: {row['status']}: {row['reason']}")
    say(f"{journal}: done after {time.monotonic() - start:.0f} of {budget:g} s")
    return int(tests != 0 or len(bad) > 0)


if __name__ == "__main__":
    sys.exit(main())
