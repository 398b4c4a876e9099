"""What --resume skips: cases that the journal holds already, and backends that hang; and what it refuses.

Everything is read from the journal; bench/conftest.py and bench/measure/isolation.py act on it.
"""

from collections import Counter
from collections.abc import Iterable
from math import isnan
from pathlib import Path
from statistics import median
from typing import Any

from bench.grid.workloads import workload
from bench.hardware import identity
from bench.journal import plan
from bench.journal.reader import read_first_line, read_header, read_lines
from bench.journal.status import MORE_TIME, Status, statuses
from relufit.errors import RelufitError

# Options that say what is measured, and how.
SELECTING = ("profile", "batch", "hidden", "dtype", "target", "threads", "device")
CEILINGS_APART = 0.2  # relative difference of ceilings above which a machine does not look like its earlier runs
MOST_HANGS = 2  # of one backend: each costs the run minutes (isolation.CASE_SECONDS), and the next is likely


def selection(option: Any) -> dict[str, str]:
    """The options that decide what is measured, as given, each list sorted."""
    given = {name: str(value) for name in SELECTING if (value := getattr(option, name)) is not None}
    return {name: ",".join(sorted(part.strip() for part in text.split(","))) for name, text in given.items()}


def demand_same_run(path: Path, option: Any, conditions: dict[str, Any]) -> list[str]:
    """The differences between the conditions of a journal and those of today, a sentence each.

    Raises RelufitError if there is one and --resume-anyway is not given, if the options differ, and if the journal is
    not of `pytest bench`. An old journal lacks its options and some of the conditions; these are not compared.
    """
    header = read_lines(path)[0]
    if header["settings"]["crossover"]:
        raise RelufitError(f"{path} is of bench.crossover, which cannot be resumed: begin it again")
    before = header["settings"]["selection"]
    if before and before != selection(option):
        raise RelufitError(
            f"{path} was measured with {_in_words(before)}, not with {_in_words(selection(option))}; --resume needs "
            "the same options"
        )
    found = differences(header, read_header(conditions))
    if found and not option.resume_anyway:
        raise RelufitError(
            f"{path} was begun under other conditions: {'; '.join(found)}. Begin a new run, or mix them with "
            "--resume-anyway, which the journal and the tables will say"
        )
    return found


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The differences of two first lines in machine, code, versions and variables, a sentence each.

    Facts that the older one lacks are not compared, except variables, which may be unset.
    """
    was, is_now = map(_facts, (before, now))
    every = [name for name, fact in was.items() if fact]
    if identity.slug(before["machine"], ""):  # such a header has every fact that was set
        every += identity.FACTS
    if before["settings"]["environment"]:  # of any run of today at least one variable is known
        every += [name for header in (before, now) for name in header["settings"]["environment"]]
    return [
        f"{name.replace('_cores', ' cores')} was {was.get(name) or 'not set'} and is {is_now.get(name) or 'not set'}"
        for name in dict.fromkeys(every)
        if was.get(name) != is_now.get(name)
    ]


def _facts(header: dict[str, Any]) -> dict[str, Any]:
    machine, own = header["machine"], {"the hash of the sources": header["code"]["content_hash"]}
    facts = {name: machine[name] for name in (*identity.FACTS, "python")}
    return {**facts, **own, **machine["packages"], **header["settings"]["environment"]}


def _in_words(options: dict[str, str]) -> str:
    return " ".join(f"--{name} {text}" for name, text in options.items())


def unlike_earlier(ceilings: dict[str, Any], folder: Path) -> list[str]:
    """A sentence if the multiply-add rate of a core is far from the median of the machine's earlier runs."""
    name = "multiply_adds_per_second_float32"
    rate = ceilings.get("one_core", {}).get(name)
    before = [read_first_line(path)["ceilings"]["one_core"][name] for path in folder.glob("*.jsonl*")]
    known = [found for found in before if not isnan(found)]
    if not rate or not known or max(rate / median(known), median(known) / rate) <= 1 + CEILINGS_APART:
        return []
    return [
        f"A core makes {rate / 1e9:.3g} G multiply-adds/s where earlier runs of this machine found "
        f"{median(known) / 1e9:.3g}: it is loaded or throttled, or it is another machine"
    ]


def finished(path: Path) -> set[plan.Key]:
    """The cases, backends and passes that a journal holds, but for those that are measured again."""
    return {plan.key_of(line) for line in read_lines(path)[1] if not _is_tried_again(line)}


def _is_tried_again(line: dict[str, Any]) -> bool:
    return line["status"] in statuses(retried=True) or line["reason"].endswith(MORE_TIME)


def gradients(path: Path) -> list[dict[str, Any]]:
    """The lines of a journal that say what a gradient of a backend takes."""
    return [line for line in read_lines(path)[1] if line["seconds"] and workload(line["work"]).is_gradient]


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
