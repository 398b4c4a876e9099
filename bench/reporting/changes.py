"""What two runs or two commits differ in, and what a gate finds of their cases: sentences for the terminal."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from bench.analysis.frames import Run, records
from bench.analysis.pairs import regressions
from bench.analysis.pairs.comparison import USUAL_PASSES
from bench.analysis.pairs.regressions import Changes
from bench.analysis.verdicts import Row, rows_of
from bench.grid.workloads import named
from bench.journal.status import Status
from bench.reporting.number_format import digits, ends
from bench.reporting.provenance import case_in_words
from bench.reporting.tables.verdicts import reason
from bench.statistics.intervals import Comparison

MEASURE_AGAIN = (
    f"measure both again with --passes {USUAL_PASSES} (or more) on a quiet machine, or both commits at "
    "once: python -m bench.compare --commits OLD NEW"
)
MORE_QUIET = "measure again on a quieter machine, or with --threads 1, which others disturb less"


def changes_in_words(new: Run, old: Run, changes: Changes) -> list[str]:
    """What two runs differ in beside their times, and what is to be said of all cases; a sentence each."""
    notes = ["two machines: ratios to the baseline of each run are compared, not times"] if changes.away else []
    notes += environment_changes(new, old)
    limits: dict[tuple[str, str], list[str]] = {}
    for name, control in changes.controls.items():
        limits.setdefault((digits(100 * control.least), control.because), []).append(name)
    for (least, because), names in limits.items():
        whose = f"{', '.join(names)}: " if len(limits) > 1 else ""
        notes.append(f"{whose}no difference below {least} % is claimed, {because}")
    if not changes.controls or changes.verdicts.empty:
        notes.append(_why_nothing(new, old, changes.bases))
    for word, only in (("new", changes.new), ("gone", changes.gone)):
        for name, cases, is_all in only:
            which = f"all {len(cases)} cases" if is_all else "; ".join(map(case_in_words, cases))
            notes.append(f"{word}: {name}, {which}")
    return notes


def _why_nothing(new: Run, old: Run, bases: Collection[str]) -> str:
    """Why two runs have no case to compare, and what to measure so that they have one."""
    if not bases:
        return "the two runs share no case with a time: name two runs with the same options"
    rows = [row for run in (new, old) for row in rows_of(run).values()]
    timed = dict.fromkeys([*sorted(bases), *(row["backend"] for row in rows if row["status"] == Status.OK)])
    return (
        f"only the baseline {' and '.join(sorted(bases))} was measured in both runs; measure what is to be compared "
        f"with it on both machines: pytest bench --benchmark-only --passes {USUAL_PASSES} --backend {','.join(timed)}"
    )


def control_in_words(new: Run, old: Run, control: Comparison) -> list[str]:
    """What the recipes, whose code does not change between two commits, say of the machine; a sentence each."""
    notes = ["bench and its recipes are those of this checkout on both sides; only relufit differs"]
    threads, before = (run.header["threads_in_force"] for run in (new, old))
    if threads != before:
        notes.append(f"threads in force: {threads}, were {before}")
    if np.isnan(control.ratio):
        return [*notes, "no recipe could be timed on both sides: there is no control"]
    times = digits(control.ratio, (control.high - control.low) / 2)
    return [*notes, f"control: unchanged recipes are {times}x {ends(control.low, control.high)} as fast with NEW; "
                    "each ratio is divided by that"]  # fmt: skip


def environment_changes(new: Run, old: Run) -> list[str]:
    """What the journals of two runs say has changed in hardware, settings, code and versions: "numba: 2, was 1"."""
    facts, before = _facts(new), _facts(old)
    found = {name: (facts.get(name, "none"), before.get(name, "none")) for name in {**facts, **before}}
    code, code_before = (run.header["code"]["content_hash"] for run in (new, old))
    if code != code_before:
        commits = commit_of(new), commit_of(old)
        found = {"code of relufit or bench": commits if len({*commits}) > 1 else (code, code_before), **found}
    return [f"{name}: {now}, was {was}" for name, (now, was) in found.items() if now != was]


def _facts(run: Run) -> dict[str, str]:
    header, machine = run.header, run.header["machine"]
    return {
        "machine": run.machine,
        "setting": run.setting,
        "system": machine["system"],
        "Python": machine["python"],
        **{f"threads of {name}": number for name, number in header["threads_in_force"].items()},
        **{f"kernels of {name}": kernel for name, kernel in header["kernels_in_force"].items()},
        **machine["packages"],
    }


def commit_of(run: Run) -> str:
    """The commit of a run in words."""
    code = run.header["code"]
    return f"commit {(code['commit'] or 'unknown')[:12]}" + (" with changes" if code["dirty"] else "")


def count_findings(frame: pd.DataFrame, limit: float) -> str:
    """What a gate finds of how many cases: "12 within 5 %, 1 slower, 0 failed, 2 vanished, 3 inconclusive"."""
    counts = regressions.findings(frame, limit).value_counts()
    words = {"within": f"within {digits(100 * limit)} %"}
    return ", ".join(f"{counts.get(word, 0)} {words.get(word, word)}" for word in regressions.FINDINGS)


def worse(frame: pd.DataFrame, limit: float) -> list[str]:
    """What `--fail-on slower:LIMIT` fails on, a sentence each: cases that became slower, that fail now, or vanished."""
    said = []
    for row, word in zip(records(frame), regressions.findings(frame, limit), strict=True):
        if word == "slower":
            said.append(f"{_whose(row)}: SLOWER by {digits(100 * (1 / row['times_faster'] - 1))} %")
        elif word == "failed":
            said.append(f"{_whose(row)}: {reason(row)}")
        elif word == "vanished":
            said.append(f"{_whose(row)}: vanished; {reason(row)}")
    return said


def undecided(frame: pd.DataFrame, found: pd.Series, advice: str) -> str:
    """What a gate cannot decide, and what to do so that it can."""
    if frame.empty:
        return "no case has a time on both sides: the lines under the table say why, and what to do"
    works = frame.work[found == "inconclusive"]
    what = f"{len(works)} of {len(found)} cases are inconclusive" if len(works) else "no case has a time on both sides"
    is_repeated = works.empty or works.isin(named(repeated=True)).any()
    return f"{what}: {advice if is_repeated else MORE_QUIET}"


def _whose(row: Row) -> str:
    return f"{row['a']}, {case_in_words(row)}"
