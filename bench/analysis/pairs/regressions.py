"""Two runs: what became slower, failed or vanished from the older to the newer one, as a gate in CI asks.

Times change between two runs for the machine's sake too. The cases of other backends, whose code did not change, are
the control: no difference is claimed that is within what they changed by.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.analysis.frames import Run
from bench.analysis.pairs.resolution import resolution
from bench.analysis.throughput import baselines
from bench.analysis.verdicts import (
    Found,
    Key,
    Row,
    Rows,
    block_seconds,
    load_in_words,
    round_seconds,
    rows_of,
    table_of,
)
from bench.journal.status import Status, statuses
from bench.statistics.intervals import compare_groups
from bench.statistics.verdicts import DRIFT, LEAST_BLOCKS, MARGIN, Pair
from relufit.errors import RelufitError

CONTROLS = 8  # the number of cases from which on other backends say how much the machine itself has changed
NAMED_CONTROLS = 3  # the same of backends that --control names: the user says that they did not change
NO_CONTROL = (
    "by which a machine may change: there is no control, for fewer than {} cases of {} were timed in both runs; "
    "measure unchanged backends beside, or both commits at once: python -m bench.compare --commits OLD NEW"
)
FINDINGS = ("within", "slower", "failed", "vanished", "inconclusive")  # what a gate finds of a case
ABSENT = {"status": "absent", "reason": "the newer run does not have this case"}

Only = list[tuple[str, list[Row], bool]]  # a backend, cases of it that one run has alone, whether these are all


class Control(NamedTuple):
    """What the cases of other backends say of the machine between two runs."""

    least: float  # smallest difference that is claimed, as a share
    because: str  # what makes it so large, in words
    sped_up: float = 1.0  # how many times faster the machine became at least


class Changes(NamedTuple):
    """What has changed from an older run to a newer one."""

    verdicts: pd.DataFrame
    away: bool  # of two machines: ratios to the baseline are compared, not times
    bases: set[str]  # of two machines: the baselines that were timed in both runs; a ratio to itself says nothing
    controls: dict[str, Control]  # of each backend that was compared
    new: Only  # cases that the older run does not have
    gone: Only  # cases that the newer run does not have


def two_runs(new: Run, old: Run, control: Sequence[str] = ()) -> Changes:
    """Each backend's cases of a run against those of an older one; what has a time in the older one alone is a row too.

    `control` names the backends whose cases say how much the machine has changed; without it, all others do. Raises
    RelufitError where a run has none of these.
    """
    rows, others = rows_of(new), rows_of(old)
    if unknown := set(control) - ({key[0] for key in rows} & {key[0] for key in others}):
        raise RelufitError(f"--control names {', '.join(sorted(unknown))}, which the two runs do not have in common")
    away = new.machine_slug != old.machine_slug
    bases = baselines(new, old) if away else None
    found: list[Found] = []
    shared_bases: set[str] = set()
    for key in (key for key in rows if key in others):
        row, other = rows[key], others[key]
        a, b = _scaled(rows, key, bases), _scaled(others, key, bases)
        if a and b:
            found.append((row, other, Pair(compare_groups(a, b, MARGIN), load=load_in_words(row, other))))
        elif row["status"] == other["status"] == Status.OK and bases and row["backend"] == bases.get(row["device"]):
            shared_bases.add(row["backend"])
        else:
            found.append((row, other, None))
    controls = _controls(found, control)
    for place, (row, other, pair) in enumerate(found):
        if pair is not None:
            least, because, _ = controls[row["backend"]]
            # The control's noise is in `least`, that of this case is added; few blocks have no interval, but nan.
            own_noise = np.fmax(1.0, np.sqrt(pair.comparison.high / pair.comparison.low))
            limit = max(((1 + least) * own_noise - 1, because), resolution(new, row), key=itemgetter(0))
            found[place] = (row, other, Pair(pair.comparison, *limit, pair.load))
    found += [(other | ABSENT, other, None) for key, other in others.items() if key not in rows]
    found += _failures_without_time(new, old)
    had_time = [row for row in found if row[1]["status"] == Status.OK or row[0]["status"] in statuses(failed=True)]
    frame = table_of(had_time)
    frame["sped_up"] = [controls[name].sped_up if name in controls else 1.0 for name in frame.a]
    return Changes(frame, away, shared_bases, controls, _only(rows, others), _only(others, rows))


def findings(frame: pd.DataFrame, limit: float) -> pd.Series:
    """What a gate finds of each verdict, a word of FINDINGS; empty where B has no time and A does not fail.

    A case is within the limit where its whole interval is: neither as measured nor beside a machine that became faster
    may A have become slower by this share.
    """
    slower, at_most = 1 / frame.times_faster - 1, frame.sped_up / frame.low - 1
    is_evidence = (frame.blocks >= LEAST_BLOCKS) & frame.kind.isin(["", "drift", "wide", "weak"])
    conditions = {
        "failed": frame.failed,
        "vanished": frame.vanished,
        "": frame.b_us.isna(),
        "slower": (frame.verdict == "SLOWER") & (slower >= limit),
        "within": is_evidence & (at_most < limit),
    }
    found = np.select([condition.astype(bool) for condition in conditions.values()], [*conditions], "inconclusive")
    return pd.Series(found, frame.index, dtype=object)


def _only(rows: Rows, others: Rows) -> Only:
    """The timed cases that the other run does not have."""
    known, only = {key[0] for key in others}, dict[str, list[Row]]()
    for key, row in rows.items():
        if key not in others and row["status"] == Status.OK:
            only.setdefault(key[0], []).append(row)
    return [(name, cases, name not in known) for name, cases in only.items()]


def _scaled(rows: Rows, key: Key, bases: dict[str, str] | None) -> list[float]:
    """The blocks of a row, or its rounds where blocks are few; over the median of its baseline, if `bases` say one."""
    row = rows[key]
    if row["status"] != Status.OK:
        return []
    seconds = list(block_seconds(row).values()) if len(row["passes"]) >= LEAST_BLOCKS else round_seconds(row)
    if bases is None:
        return seconds
    base = rows.get((bases.get(row["device"], ""), *key[1:]))
    if base is None or base["status"] != Status.OK or base is row:
        return []
    return [second / float(np.median(round_seconds(base))) for second in seconds]


def _failures_without_time(new: Run, old: Run) -> list[Found]:
    """Cases that are compared or trained, not timed, which ended well in the older run and fail in the newer."""
    rows, others = (rows_of(run, timed=False) for run in (new, old))
    failed = statuses(failed=True, has_numbers=False)
    ended_well = [key for key in rows if key in others and others[key]["status"] == Status.OK]
    return [(rows[key], others[key], None) for key in ended_well if rows[key]["status"] in failed]


def _controls(found: Sequence[Found], named: Sequence[str]) -> dict[str, Control]:
    """The control of each backend: the cases of the backends that are named, or of all others."""
    changes: dict[str, list[float]] = {row["backend"]: [] for row, *_ in found}
    for row, _, pair in found:
        if pair is not None and not pair.load:
            changes[row["backend"]].append(pair.comparison.ratio)
    controls = {}
    for name in changes:
        chosen = named or [other for other in changes if other != name]
        controls[name] = _control({other: changes.get(other, []) for other in chosen}, bool(named))
    return controls


def _control(changes: dict[str, list[float]], named: bool) -> Control:
    """The least difference that is claimed beside these backends: what the machine changed by, plus its scatter.

    It is the median change of their cases, plus three times the scatter about it. The scatter is computed from the
    median of the distances, which a few cases that did change do not move.
    """
    ratios = [ratio for own in changes.values() for ratio in own]
    whose, needed = (" and ".join(changes), NAMED_CONTROLS) if named else ("the other backends", CONTROLS)
    if len(ratios) < needed:
        return Control(DRIFT, NO_CONTROL.format(needed, whose))
    logs = np.log(ratios)
    middle = float(np.median(logs))
    scatter = 3 * 1.4826 * float(np.median(np.abs(logs - middle)))
    because = f"by which most cases changed: the median one is {np.exp(middle):.3g} times as fast, of {whose}"
    # A single other backend may have become faster itself: that the machine did takes two, or the user's word.
    is_machine = named or sum(map(bool, changes.values())) > 1
    sped_up = np.exp(max(0.0, middle - scatter)) if is_machine else 1.0
    return Control(float(np.exp(abs(middle) + scatter) - 1), because, float(sped_up))
