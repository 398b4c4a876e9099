"""Where one backend overtakes another, and a GPU the CPU beside it: the sentences, and their tables of sizes."""

from collections.abc import Callable, Iterable
from math import ceil, isfinite, isnan

import pandas as pd

from bench.analysis import cpu_gpu
from bench.analysis.cpu_gpu import Side
from bench.analysis.frames import Run, focus
from bench.analysis.pairs import comparison
from bench.grid.sweep import Sweep
from bench.journal.status import Status
from bench.reporting.document import Document, Table
from bench.reporting.number_format import digits, duration, whole
from bench.reporting.tables.spec import Column, Columns, Row, TableSpec, flat
from bench.reporting.tables.verdicts import COMPARED, READ, loads_of, resolution_in_words, with_reasons
from bench.statistics.bisection import DECIDED, Crossing, Measured


def lay_out_crossover(run: Run, rows: pd.DataFrame, columns: Columns) -> Document:
    """The sentence, what the machine can tell apart, and the sizes one below the other."""
    loads = loads_of(comparison.crossover(run))
    return [crossover_in_words(run), resolution_in_words(run), crossover_table(run), *loads]


def crossover_table(run: Run) -> Table:
    """A line for each size: the times of both, how many times faster A is, and the verdict on it."""
    sweep = run.sweep
    assert sweep is not None
    titles = {"A": sweep.a, "B": sweep.b, "A is times faster": f"{sweep.a} is times faster"}
    own = [column._replace(title=titles.get(column.title, column.title)) for column in READ[1:]]
    return flat(comparison.crossover(run), [Column("size", sweep.symbol, whole), *own])


def crossover_in_words(run: Run) -> str:
    """Where which backend overtakes the other, or that none does, and what was not measured."""
    sweep, row = run.sweep, comparison.measured(run)
    assert sweep is not None
    if comparison.disagrees(run):
        claim = "No crossover is claimed"
    elif not row:
        claim = "Nothing was compared"
    else:
        found = comparison.crossings(run)
        claim = _overtaking(sweep, row, found) if found else _one_side(sweep, row)
    return " ".join(f"{text}." for text in (claim, *_missing(run, sweep)))


def _missing(run: Run, sweep: Sweep) -> list[str]:
    """A sentence for each size that a backend failed at, or that was not measured, and why."""
    found = []
    for size, cases in run.cases[run.cases.status != Status.OK].groupby(sweep.over):
        first = cases.iloc[0]
        verb = "was not measured" if first.status == Status.SKIPPED else first.status
        whose = f"{first.backend}: " if len(cases) == 1 or cases.reason.nunique() > 1 else ""
        found.append(f"{sweep.symbol} = {whole(size)} {verb}: {whose}{first.reason}")
    return found


def _overtaking(sweep: Sweep, row: list[Measured], found: list[Crossing]) -> str:
    """The first crossover, how far apart the backends are on either side of it, and the others."""
    first, *others = found
    slow, fast = _names(sweep, first.word == "FASTER")
    end = others[0].low if others else row[-1].size
    below = _times(point for point in row if point.size <= first.low)
    above = _times(point for point in row if first.high <= point.size <= end)
    text = (
        f"{fast} overtakes {slow} at {sweep.symbol} = {whole(ceil(first.size))} (between {whole(first.low)} and "
        f"{whole(first.high)}): {sweep.words()}; below, {slow} is up to {digits(max(below))} times faster, "
        f"above, {fast} up to {digits(max(above))} times"
    )
    for other in others:
        slow, fast = _names(sweep, other.word == "FASTER")
        text += f"; then {fast} overtakes {slow} between {whole(other.low)} and {whole(other.high)}"
    return text


def _names(sweep: Sweep, a_first: bool) -> tuple[str, str]:
    return (sweep.a, sweep.b) if a_first else (sweep.b, sweep.a)


def _times(points: Iterable[Measured]) -> list[float]:
    """How many times faster the faster one is, at the sizes where one clearly is."""
    return [max(point.ratio, 1 / point.ratio) for point in points if point.word in DECIDED]


def _one_side(sweep: Sweep, row: list[Measured]) -> str:
    """No crossover was seen: who is the faster where one clearly is."""
    n, times = sweep.symbol, _times(row)
    span = f"from {n} = {whole(row[0].size)} to {whole(row[-1].size)}" if len(row) > 1 else f"{n} = {row[0].size}"
    if not times:
        return f"Neither {sweep.a} nor {sweep.b} is clearly faster at any size measured, {span}: {sweep.words()}"
    fast, slow = _names(sweep, any(point.word == "FASTER" for point in row))
    where, rest = "every size", ""
    if len(times) < len(row):
        where, rest = f"{len(times)} of {len(row)} sizes", ", and at the others no difference is clear"
    far = " to ".join(dict.fromkeys([digits(min(times)), digits(max(times))]))
    return f"{fast} is faster than {slow} at {where} measured, {span}: {sweep.words()}; {far} times{rest}"


CROSSOVER = TableSpec(
    "crossover",
    lambda run: with_reasons(comparison.crossover(run)),
    f"{COMPARED} size",
    lay_out=lay_out_crossover,
    applies=lambda run: run.sweep is not None,
)


NO_GPU = "No GPU was measured on this machine, so what one would change is not known; python -m bench.gpu measures it."


def cpu_gpu_in_words(*runs: Run) -> str:
    """The answer of runs of one machine: below which N the CPU is faster, why, and when the GPU has paid its start."""
    if not any(map(cpu_gpu.has_gpu, runs)):
        return NO_GPU
    machine, texts = runs[0].header["machine"], []
    for run in runs:
        texts += [_side_in_words(side) for side in cpu_gpu.sides(cpu_gpu.cpu_gpu(run), *focus(run))]
    gpu = machine["gpu"]["name"] or next(iter(machine["gpus"]), "the GPU")
    beside = f"On {gpu} beside {machine['cpu'] or 'the CPU'}"
    first, *others = texts or ["no case was timed on both"]
    return " ".join([f"{beside}: {first}.", *(f"{text[:1].upper()}{text[1:]}." for text in others)])


def _side_in_words(side: Side) -> str:
    """The answer for gradients, or for the steps of an optimizer."""
    one = f"{side.optimizer} {side.work}".strip()
    a = "an" if one[0] in "aeiou" else "a"
    decided, sizes = [row for row in side.rows if row["faster"]], [row["batch"] for row in side.rows]
    span = f"N = {whole(sizes[0])}" + (f" to {whole(sizes[-1])}" if len(sizes) > 1 else "")
    where = f"at every N measured ({span})" if len(decided) == len(sizes) else f"where one is clearly faster ({span})"
    if side.crossings:
        first, *others = side.crossings
        below, above = ("CPU", "GPU") if first.word == "FASTER" else ("GPU", "CPU")
        ends = f"between {whole(first.low)} and {whole(first.high)}"
        text = f"below N = {whole(ceil(first.size))} ({ends}) the {below} is faster for {a} {one}, above the {above}"
        text += ", but not at all N" if others else ""
    elif decided:
        text = f"the {decided[0]['faster']} is faster for {a} {one} {where}"
    else:
        return f"it is not certain which is faster for {a} {one}, {span}: the intervals overlap"
    text += _launching(side, one) + _paid(side, one)
    if open_sizes := [whole(row["batch"]) for row in side.rows if not row["faster"]]:
        text += f"; at N = {', '.join(open_sizes)} it is not certain: the intervals overlap"
    return text


def _launching(side: Side, one: str) -> str:
    """What of a GPU step is launching, at the largest N at which the CPU is faster; empty where it is not known."""
    row = side.last("CPU")
    if row is None or isnan(row["launch_bound_share"]):
        return ""
    share, word = row["launch_bound_share"], "because" if row["launch_bound_share"] > 0.5 else "where"
    return f", {word} {100 * share:.0f} % of a GPU {one} at N = {whole(row['batch'])} is launching"


def _paid(side: Side, one: str) -> str:
    """After how many steps the GPU has paid for its start, at the largest N at which it is faster."""
    row = side.last("GPU")
    if row is None or not isfinite(row["steps_to_pay"]):
        return ""
    steps, at = whole(row["steps_to_pay"]), whole(row["batch"])
    start = duration(row["start_seconds"])
    return f", and the GPU has paid for its start of {start} after {steps} {one}s at N = {at}"


def _us(name: str) -> Callable[[Row], str]:
    """A time and half its interval, in the unit that fits."""
    ends = f"{name}_low_us", f"{name}_high_us"
    return lambda row: duration(row[f"{name}_median_us"] / 1e6, (row[ends[1]] - row[ends[0]]) / 2e6)


CPU_GPU = TableSpec(
    "cpu_gpu",
    cpu_gpu.cpu_gpu,
    columns=(
        Column("work", "work", cell=lambda row: f"{row['optimizer']} {row['work']}".strip()),
        *(Column(name, title) for name, title in (("hidden", "H"), ("dtype", "dtype"))),
        Column("batch", "N", whole),
        Column("cpu", "best CPU"),
        Column("cpu_median_us", "a step", cell=_us("cpu")),
        Column("gpu", "best GPU"),
        Column("gpu_median_us", "a step on it", cell=_us("gpu")),
        Column("gpu_device_us", "on the device", lambda us: duration(us / 1e6)),
        Column("launch_bound_share", "launching", lambda share: "" if isnan(share) else f"{100 * share:.0f} %"),
        Column("gpu_times_faster", "GPU is times faster", digits),
        Column("faster", "faster", lambda word: word or "not certain"),
        Column("start_seconds", "start of the GPU", duration),
        Column("steps_to_pay", "steps that pay it", lambda steps: whole(steps) if isfinite(steps) else ""),
    ),
    csv="work optimizer hidden dtype batch cpu cpu_median_us cpu_low_us cpu_high_us gpu gpu_median_us gpu_low_us "
    "gpu_high_us gpu_device_us launch_bound_share gpu_times_faster faster context_seconds first_call_seconds "
    "build_seconds start_seconds steps_to_pay",
    lay_out=lambda run, rows, columns: [cpu_gpu_in_words(run), flat(rows, columns)],
    applies=lambda run: not cpu_gpu.cpu_gpu(run).empty,
)
