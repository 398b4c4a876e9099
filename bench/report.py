"""`python -m bench.report`: tables, figures and a page from the raw journals; the answer and a table in the terminal.

    python -m bench.report                      of each table the newest run of each machine and setting that fills it
    python -m bench.report --advise "N=5000, H=256, step"     which backend for that; nothing is written
    python -m bench.report --run NAME ...       these runs
    python -m bench.report JOURNAL ...          look at journals, such as somebody sent: nothing is written
    python -m bench.report --show               look at the newest runs: nothing is written
    python -m bench.report --out DIR            write elsewhere
    python -m bench.report --against NAME       and what has changed since this older run
    python -m bench.report --fail-on DISAGREES  exit code 1 where a row has such a status, or a run ended early
    python -m bench.report --baseline NAME      ratios and verdicts to this backend
    python -m bench.report --format parquet,latex     the tables in these formats too, beside Markdown and CSV

It writes index.html too, one page that works offline and can be filtered, where altair is installed (extra `page`).
Everything it writes is made again from results/raw alone: the same journals give the same bytes. A run that has
measured less than an older one replaces it in no table, and a figure or table that shows no run any more is removed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.journal import plan
from bench.journal.status import statuses
from bench.journal.writer import RESULTS
from bench.reporting.document import FORMATS, USUAL
from relufit.errors import RelufitError

if TYPE_CHECKING:  # `--help` needs no pandas
    from bench.analysis.frames import Run

FAILED = statuses(failed=True)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and report; every error that a user can cause is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    formats = f"of the tables, separated by commas: {', '.join(FORMATS)}; %(default)s are always written"
    failing = f"end with 1 where a row has one of these statuses ({', '.join(FAILED)}), or cases were not measured"
    add("journals", nargs="*", metavar="JOURNAL", help="runs to look at, by name or file; nothing is written")
    add("--run", nargs="+", metavar="NAME", help="runs to publish, by name or file; default: those of each table")
    add("--show", action="store_true", help="print the newest run of each machine and setting, and write nothing")
    add("--advise", metavar="SIZES", help='answer for such as "N=5000, H=256, step, adam"; nothing is written')
    add("--results", type=Path, default=RESULTS, help="folder with raw/ (default: results)")
    add("--out", type=Path, metavar="DIR", help="folder for tables, figures and page (default: that of --results)")
    add("--format", default=",".join(USUAL), help=formats)
    add("--against", metavar="NAME", help="compare each of these runs with this older one")
    add("--fail-on", metavar="STATUSES", help=failing)
    add("--baseline", metavar="NAME", help="backend that ratios and verdicts are to; default: torch's")
    options = parser.parse_args(arguments)
    chosen = [] if options.fail_on is None else options.fail_on.split(",")
    try:
        if unknown := set(chosen) - set(FAILED):
            raise RelufitError(f"--fail-on takes some of {', '.join(FAILED)}, not {', '.join(sorted(unknown))}")
        if options.run and options.journals:
            raise RelufitError("journals to look at and --run, which publishes, do not go together")
        names, publish = options.run or options.journals or None, not (options.show or options.journals)
        if options.advise is not None:
            from bench.reporting import page  # as in `report`

            return page.advise(options.results, names, options.advise, _say)
        formats = options.format.split(",")
        runs = report(options.results, names, formats, options.against, options.baseline, options.out, publish)
        failing_runs = [run for run in runs if chosen and _say_failures(run, chosen)]
        if failing_runs:
            sys.exit(1)
    except RelufitError as error:
        print(f"bench.report: {error}", file=sys.stderr)
        sys.exit(2)


def _say_failures(run: "Run", chosen: Sequence[str]) -> bool:
    """Say which rows of a run have one of these statuses and what was not measured; returns whether there is any."""
    failed = run.cases[run.cases.status.isin(chosen)].to_dict("records")
    said = [f"{row['backend']}, {row['work']}, N = {row['batch']}: {row['status']}: {row['reason']}" for row in failed]
    for text in filter(None, [*said, plan.in_words(run.header)]):
        print(f"bench.report: {run.name}: {text}", file=sys.stderr)
    return bool(failed or plan.in_words(run.header))


def report(
    results: Path,
    names: list[str] | None = None,
    formats: Sequence[str] = USUAL,
    against: str | None = None,
    baseline: str | None = None,
    out: Path | None = None,
    publish: bool = True,
) -> "list[Run]":
    """Write tables, figures and page, and print the answer; returns the newest run of each machine, or those named.

    They are written to `out`, or else, where `publish` says so, to `results`.
    """
    from bench.reporting import page  # here, since `--help` needs neither pandas, nor scipy, nor matplotlib

    return page.report(results, names, formats, against, baseline, _say, out or (results if publish else None))


def _say(text: str) -> None:
    print(f"bench.report: {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
