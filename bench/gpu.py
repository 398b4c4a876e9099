"""`python -m bench.gpu --budget 540`: all that a GPU is needed for, in one command and within a limit of seconds.

First the tests that need a GPU; then the grid of the profile `gpu`, most valuable cases first, each result on disk as
soon as it is known; last the report. What crashes the device costs its own case: the run goes on in another process.

Exit code 0 where all went well, 1 where a test failed or a case did not end well, 2 where no GPU can be used.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench import report
from bench.analysis.frames import read
from bench.journal.writer import RESULTS
from bench.measure import isolation
from relufit import backends
from relufit.errors import RelufitError

TESTS = ("tests/relufit/backends/test_cuda_source.py", "tests/relufit/backends/test_conformance.py")
TESTS_SHARE, REPORT_SECONDS = 0.35, 30.0  # of the budget; the rest is for the grid
BESIDE = ("numpy", "numba", "torch-cpu")  # on the same machine, to compare with
BAD = ("DISAGREES", "CRASHED", "TIMEOUT", "OOM")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, test, measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--budget", type=float, default=540.0, help="seconds for everything (default: 540)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the journal (default: results)")
    parser.add_argument("--backend", help="only these backends, separated by commas")
    options = parser.parse_args(arguments)
    try:
        return _run(options.budget, options.results, options.backend)
    except RelufitError as error:
        _say(str(error))
        return 2


def _run(budget: float, results: Path, chosen: str | None) -> int:
    start = time.monotonic()
    if not budget > REPORT_SECONDS:
        raise RelufitError(f"--budget must be above {REPORT_SECONDS:g} s, not {budget:g}")
    device = [name for name, row in backends.table().items() if row.device == "cuda"]
    usable = [name for name in device if backends.probe(name) is None]
    for name in device:
        _say(f"{name}: {backends.probe(name) or 'ready'}")
    if not usable:
        raise RelufitError("no backend can use a GPU here; the reasons are above")
    _say(f"looked for backends for {time.monotonic() - start:.0f} s")

    tests = _test(usable, TESTS_SHARE * budget)
    left = budget - (time.monotonic() - start) - REPORT_SECONDS
    _say(f"tests ended with {tests} after {time.monotonic() - start:.0f} s; {left:.0f} s for the grid")
    names = chosen or ",".join([*device, *BESIDE])
    grid = [
        "bench",
        "--benchmark-only",
        "-q",
        "--profile",
        "gpu",
        "--seconds",
        f"{left:.0f}",
        "--backend",
        names,
        "--results",
        str(results),
    ]
    _, journal = isolation.run(grid, results, time.monotonic() + left, _say)
    if journal is None:
        raise RelufitError("the grid wrote no journal")
    report.report(results)
    cases = read(journal).cases
    bad = cases[cases.status.isin(BAD)] if len(cases) else cases
    for row in bad.itertuples():
        _say(f"{row.backend}, {row.work}, N = {row.batch}: {row.status}: {row.reason}")
    _say(f"{journal}: done after {time.monotonic() - start:.0f} of {budget:g} s")
    return int(tests != 0 or len(bad) > 0)


def _test(usable: list[str], seconds: float) -> int:
    """Run the tests marked `gpu`; they may not pass by being skipped. Returns pytest's exit code, -1 out of time."""
    # The sanitizer takes minutes: a run of its own. A library's warning is no reason to fail on another machine.
    chosen = ["-m", "gpu", "-k", "not sanitizer", "-W", "default"]
    command = [sys.executable, "-m", "pytest", *TESTS, "-q", *chosen, "-p", "no:cacheprovider"]
    environment = {**os.environ, "RELUFIT_REQUIRE": ",".join(usable)}
    child = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # with what it has begun: nothing may share the GPU with the grid
        child.wait()
        return -1


def _say(text: str) -> None:
    print(f"bench.gpu: {text}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
