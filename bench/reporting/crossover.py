"""The sentence of a crossover: where which backend overtakes the other, and what was not measured."""

from collections.abc import Iterable
from math import ceil

from bench.analysis.crossings import disagrees, find, measured
from bench.analysis.frames import Run
from bench.grid.sweep import Question
from bench.journal.status import Status
from bench.reporting.number_format import digits, whole
from bench.statistics.bisection import DECIDED, Crossing, Measured


def phrase(run: Run) -> str:
    """The result in words: where which backend overtakes the other, or that none does, and what was not measured."""
    question, row = run.question, measured(run)
    assert question is not None
    if disagrees(run):
        claim = "No crossover is claimed"
    elif not row:
        claim = "Nothing was compared"
    else:
        found = find(run)
        claim = _overtaking(question, row, found) if found else _one_side(question, row)
    return " ".join(f"{text}." for text in (claim, *_missing(run, question)))


def _missing(run: Run, question: Question) -> list[str]:
    """A sentence for each size that a backend failed at, or that was not measured, and why."""
    found = []
    for size, cases in run.cases[run.cases.status != Status.OK].groupby(question.over):
        first = cases.to_dict("records")[0]
        verb = "was not measured" if first["status"] == Status.SKIPPED else first["status"]
        whose = f"{first['backend']}: " if len(cases) == 1 or cases.reason.nunique() > 1 else ""
        found.append(f"{question.symbol} = {whole(size)} {verb}: {whose}{first['reason']}")
    return found


def _overtaking(question: Question, row: list[Measured], found: list[Crossing]) -> str:
    """The first crossover, how far apart the backends are on either side of it, and the others."""
    first, *others = found
    slow, fast = _names(question, first)
    end = others[0].low if others else row[-1].size
    below = _times(point for point in row if point.size <= first.low)
    above = _times(point for point in row if first.high <= point.size <= end)
    text = (
        f"{fast} overtakes {slow} at {question.symbol} = {whole(ceil(first.size))} (between {whole(first.low)} and "
        f"{whole(first.high)}): {question.words()}; below, {slow} is up to {digits(max(below))} times faster, "
        f"above, {fast} up to {digits(max(above))} times"
    )
    for other in others:
        slow, fast = _names(question, other)
        text += f"; then {fast} overtakes {slow} between {whole(other.low)} and {whole(other.high)}"
    return text


def _names(question: Question, crossing: Crossing) -> tuple[str, str]:
    """Who is overtaken, and who overtakes."""
    return (question.a, question.b) if crossing.word == "FASTER" else (question.b, question.a)


def _times(points: Iterable[Measured]) -> list[float]:
    """How many times faster the faster one is, at the sizes where one clearly is."""
    return [max(point.ratio, 1 / point.ratio) for point in points if point.word in DECIDED]


def _one_side(question: Question, row: list[Measured]) -> str:
    """No crossover was seen: who is the faster where one clearly is."""
    n, times = question.symbol, _times(row)
    span = f"from {n} = {whole(row[0].size)} to {whole(row[-1].size)}" if len(row) > 1 else f"{n} = {row[0].size}"
    if not times:
        return (
            f"Neither {question.a} nor {question.b} is clearly faster at any size measured, {span}: {question.words()}"
        )
    ahead = any(point.word == "FASTER" for point in row)
    fast, slow = (question.a, question.b) if ahead else (question.b, question.a)
    where = "every size" if len(times) == len(row) else f"{len(times)} of {len(row)} sizes"
    rest = "" if len(times) == len(row) else ", and at the others no difference is clear"
    far = " to ".join(dict.fromkeys([digits(min(times)), digits(max(times))]))
    return f"{fast} is faster than {slow} at {where} measured, {span}: {question.words()}; {far} times{rest}"
