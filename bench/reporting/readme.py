"""results/README.md: ten terms, and for each machine the answer, one table, one figure, and where the rest is."""

from itertools import chain
from pathlib import Path

from bench.analysis.frames import Run
from bench.analysis.learning import is_of_solvers
from bench.journal import plan
from bench.reporting.document import Document, Element, Heading, Items, Table, Words, markdown
from bench.reporting.number_format import FASTEST
from bench.reporting.tables import TABLES
from bench.reporting.tables.answer import answer
from bench.reporting.tables.crossovers import crossover_in_words
from bench.reporting.tables.summary import focus_in_words, not_here

MOST_LINES = 120  # of the file
PAGE_TITLE: tuple[Element, ...] = (
    Heading(1, "Results"),
    Words(
        'Made by `python -m bench.report` from [raw](raw); `python -m bench.report --advise "N=5000, H=256, step"` '
        "answers\nfor other sizes. The answer for each machine is below these ten terms."
    ),
    Words(
        f"""- **±, or two ends**: the 95 % interval of the median; two ends where half of it is above 10 %.
- **in 3 runs**: what several runs of the machine gave, where they disagree.
- **{FASTEST}**: the fastest of its column, and what cannot be told apart from it.
- **\\***: measured under load, while something else was running.
- **certain**: by a rank test over rounds or passes, and by more than the machine itself may drift.
- **a call, a step**: what is inside the clock, [for each kind of work](../bench/README.md#what-is-inside-the-clock).
- **recipe**: what people write with that library today, with its own loader and order of samples.
- **hinge**: exact gradients by sorted knots and moments of the data, for one input only; its cost does not grow with N.
- **share of the roof**: the least time that the machine's measured peaks allow, over the time measured.
- **SKIPPED, OOM, TIMEOUT, ...**: why a cell has no time; the tables have each reason."""
    ),
)
MAIN_SETTING = "threads as installed, allocations as installed"


def shortened(sections: dict[tuple[str, str], Document]) -> Document:
    """The file of these machines, by newest run and name: the newest as far as MOST_LINES go, and who else."""
    kept = dict(sections)
    while True:
        others = [str(part.text) for name in sections if name not in kept
                  for part in sections[name][:1] if isinstance(part, Heading)]  # fmt: skip
        more: Document = [Heading(2, "More machines"), f"In the tables and on the page: {'; '.join(others)}."]
        document = [*PAGE_TITLE, *chain.from_iterable(kept.values()), *(more if others else [])]
        if len(kept) == 1 or markdown(document).count("\n") < MOST_LINES:
            return document
        del kept[min(kept)]


def main_table(run: Run) -> str:
    """The name of the table on the page: of an ordinary run the summary, or its ratios."""
    if run.sweep is not None:
        return "crossover"
    return "solvers" if is_of_solvers(run) else "headline" if run.profile == "headline" else "summary"


def page_section(found: list[Run], places: dict[Run, dict[str, list[str]]], drawn: dict[Run, list[Path]]) -> Document:
    """The part of results/README.md on a machine: the answer, one table, one figure, and where the rest is."""
    ordinary = [run for run in found if not run.kind and run.sweep is None] or found
    main = next(
        (run for run in ordinary if run.setting == MAIN_SETTING and main_table(run) in places[run]), ordinary[0]
    )
    table = main_table(main) if main_table(main) in places[main] else next(iter(places[main]))
    searched = [run for run in found if run.sweep and run is not main]
    sentences = answer(main) + [f"Crossover, from run {run.name}: {crossover_in_words(run)}" for run in searched]
    files: dict[str, dict[str, str]] = {}  # by table: the link of each file and what it is called
    for run in found:
        for name, own in places.get(run, {}).items():
            files.setdefault(name, {}).update({file: file.removeprefix(name).strip("-") or name for file in own})
    listed = []
    for name, linked in files.items():
        links = ", ".join(f"[{word}](tables/{file}.md)" for file, word in linked.items())
        listed.append(links if [*linked] == [name] else f"{name} ({links})")
    every = [path for run in found for path in drawn[run]]
    pictures = ", ".join(f"[{path.stem.replace(f'-{main.machine_slug}', '')}](figures/{path.name})" for path in every)
    code = main.header["code"]
    shown = TABLES[table].document(main)
    if table == "summary":  # tables/summary has what to do about its warnings
        shown = [*(part for part in shown if isinstance(part, Table)), *not_here(main)]
    commit = (code["commit"] or code["content_hash"])[:12]
    made = f"{focus_in_words(main)}. Run {main.name}, profile {main.profile}, commit {commit}."
    return [
        Heading(2, main.machine),
        f"{main.setting}. {made}",
        *(f"{run.name}: {ended}." for run in found if (ended := plan.in_words(run.header))),
        *([Items(sentences)] if sentences else []),
        *shown,
        *map(Words, [f"![{path.stem}](figures/{path.name})" for path in every[:1]]),
        Words(f"Tables: {', '.join(listed)}. Figures: {pictures}."),
    ]
