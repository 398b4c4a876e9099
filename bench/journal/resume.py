"""What --resume skips: cases that the journal holds already, and backends that hang.

Everything is read from the journal; bench/conftest.py and bench/measure/isolation.py act on it.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.grid.workloads import workload
from bench.journal import plan
from bench.journal.reader import read_lines
from bench.journal.status import Status, statuses
from relufit.errors import RelufitError

SELECTING = ("profile", "batch", "hidden", "dtype", "target", "threads")  # options that say what is measured, and how
MOST_HANGS = 2  # of one backend: each costs the run minutes (isolation.CASE_SECONDS), and the next is likely


def selection(option: Any) -> dict[str, str]:
    """The options that decide what is measured, as given, each list sorted."""
    given = {name: str(value) for name in SELECTING if (value := getattr(option, name)) is not None}
    return {name: ",".join(sorted(part.strip() for part in text.split(","))) for name, text in given.items()}


def demand_same_run(path: Path, option: Any) -> None:
    """Raise RelufitError where the options differ from the journal's; an old journal does not hold its options."""
    before = read_lines(path)[0]["settings"]["selection"]
    if before and before != selection(option):
        raise RelufitError(
            f"{path} was measured with {_in_words(before)}, not with {_in_words(selection(option))}; --resume goes on "
            "with the same options"
        )


def _in_words(options: dict[str, str]) -> str:
    return " ".join(f"--{name} {text}" for name, text in options.items())


def finished(path: Path) -> set[plan.Key]:
    """The cases, backends and passes that a journal holds, but for those that are measured again."""
    return {plan.key_of(line) for line in read_lines(path)[1] if line["status"] not in statuses(retried=True)}


def hung(path: Path) -> dict[str, str]:
    """The backends that timed out MOST_HANGS times or more, whose other cases are skipped, each with the reason."""
    found = Counter(line["backend"] for line in read_lines(path)[1] if line["status"] == Status.TIMEOUT)
    return {
        name: f"{name} did not end within its time in {count} cases of this run; its others were not begun"
        for name, count in found.items()
        if count >= MOST_HANGS
    }


def fails_the_run(line: dict[str, Any]) -> bool:
    """Whether a case fails its run: a training that diverges is a result, a timed step that diverges is a failure."""
    status = line["status"]
    is_result = status in statuses(has_numbers=True) and not workload(line["work"]).timed
    return status in statuses(failed=True) and not is_result


def ended_badly(path: Path) -> Iterable[str]:
    """A sentence on each backend with cases that fail the run: how many of which status."""
    lines = read_lines(path)[1]
    found = Counter((line["backend"], line["status"]) for line in lines if fails_the_run(line))
    for name in dict.fromkeys(backend for backend, _ in found):
        cases = ", ".join(f"{count} {status}" for (backend, status), count in found.items() if backend == name)
        yield f"{name}: {cases}" + ("; its other cases were skipped" if name in hung(path) else "")
