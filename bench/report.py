"""`python -m bench.report`: tables, figures and a page from the raw journals, and the main table in the terminal.

    python -m bench.report                      the newest run of each machine and setting
    python -m bench.report --run NAME ...       these runs
    python -m bench.report --format parquet,latex     the tables in these formats too, beside Markdown and CSV

Everything it writes is made again from results/raw alone: the same journals give the same bytes.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from bench import exports, plots, roofs, tables
from bench.blocks import Block, Heading, Words, markdown
from bench.exports import Format, write_text
from bench.frames import Run, runs
from bench.journal import RESULTS
from bench.layouts import LAYOUTS, focus, lay_out_headline, lay_out_summary
from relufit.errors import RelufitError

LONG = {
    "throughput": tables.throughput,
    "headline": tables.headline,
    "scaling": tables.scaling,
    "ensembles": tables.ensembles,
    "convergence": tables.convergence,
    "agreement": tables.agreement,
    "memory": tables.memory,
    "backends": tables.backends,
    "summary": tables.summary,
}


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and report; every error that a user can cause is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--run", nargs="+", metavar="NAME", help="names of runs, or files; default: the newest of each machine"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder with raw/ (default: results)")
    parser.add_argument(
        "--format",
        default=",".join(exports.USUAL),
        help=f"of the tables, separated by commas: {', '.join(exports.FORMATS)}; %(default)s are always written",
    )
    options = parser.parse_args(arguments)
    try:
        report(options.results, options.run, options.format.split(","))
    except RelufitError as error:
        print(f"bench.report: {error}", file=sys.stderr)
        sys.exit(2)


def report(results: Path, names: list[str] | None = None, formats: Sequence[str] = exports.USUAL) -> None:
    """Write tables, figures and page under `results`, and print the main table of each run."""
    kinds = exports.chosen(formats)
    # In pyarrow's storage, the default where it is installed, the texts of many small frames take twice the time.
    with pd.option_context("mode.string_storage", "python"):
        chosen = runs(results, names, complain=lambda text: print(f"bench.report: {text}", file=sys.stderr))
        try:
            write(results, chosen, kinds)
        except OSError as error:
            raise RelufitError(f"cannot write to {results}: {error.strerror}") from None
        for run in chosen:
            show(run)


def write(results: Path, chosen: list[Run], kinds: list[Format]) -> None:
    """Write every file of the report."""
    for folder in ("tables", "figures"):
        (results / folder).mkdir(parents=True, exist_ok=True)
    for name, make in LONG.items():
        long = pd.concat(
            [
                make(run).assign(machine=run.machine, threads=run.threads, allocations=run.allocations, run=run.name)
                for run in chosen
            ],
            ignore_index=True,
        ).infer_objects()  # a run without cases has columns without a type
        blocks = [
            Heading(1, name.capitalize()),
            *(block for run in chosen for block in section(run, LAYOUTS[name](run))),
        ]
        for kind in kinds:
            kind.write(long, blocks, results / "tables" / f"{name}.{kind.suffix}")
    slugs = [run.slug for run in chosen]
    page = [*PAGE_TITLE]
    for run in chosen:
        label = run.slug if slugs.count(run.slug) == 1 else f"{run.slug}-{run.name}"
        label = re.sub(r"[^\w.+-]+", "-", label)  # folders are named by others: it stands in links
        page += page_section(run, plots.draw_all(run, results / "figures", label))
    write_text(results / "README.md", markdown(page))


PAGE_TITLE: tuple[Block, ...] = (
    Heading(1, "Results"),
    Words(
        "Made by `python -m bench.report` from [raw](raw). Times are medians, ± half the width of a 95 % interval of "
        "the median.\n[What is inside the clock](../README.md#what-is-inside-the-clock)."
    ),
)


def section(run: Run, blocks: list[Block]) -> list[Block]:
    """One run's part of a file: on which machine and how it was measured, then these blocks."""
    return [Heading(2, f"{run.machine}, {run.setting}"), ledger(run), *blocks]


def page_section(run: Run, figures: list[Path]) -> list[Block]:
    """One run's part of results/README.md."""
    pictures = [Words(f"![{path.stem}](figures/{path.name})") for path in figures]
    links = ", ".join(f"[{name}](tables/{name}.md)" for name in LONG)
    return section(run, [*main_table(run), Words(f"All tables: {links}."), *pictures])


def main_table(run: Run) -> list[Block]:
    """The table of the page: the summary, or for a run of the headline profile its ratios."""
    return lay_out_headline(run) if run.header["settings"]["profile"] == "headline" else lay_out_summary(run)


def roofs_in_words(run: Run) -> str:
    """The measured ceilings with their units; empty where the journal has none."""
    ceilings = run.header["ceilings"]
    rates = (
        ("copy_bytes_per_second", "copy {:.3g} GB/s"),
        ("multiply_adds_per_second_float32", "{:.3g} G multiply-adds/s"),
        ("gradient_instructions_per_second_float32", "{:.3g} G lane instructions/s of the gradient's mix"),
    )
    cores = {"one core": ceilings["one_core"]}
    if ceilings["cores"] > 1:
        cores[f"{ceilings['cores']:g} cores"] = roofs.all_cores(ceilings)
    parts = [
        f"{title}: " + ", ".join(text.format(found[name] / 1e9) for name, text in rates if found[name] == found[name])
        for title, found in cores.items()
        if found["copy_bytes_per_second"] == found["copy_bytes_per_second"]
    ]
    if not parts:
        return ""
    scaling = ceilings["independent_loops_scaling"]
    parts += [f"independent loops gain {scaling:.2f} times from all cores"] if scaling == scaling else []
    parts += [f"not all measured: {ceilings['reason']}"] if ceilings["reason"] else []
    return f" Ceilings in float32, {'; '.join(parts)}.{device_roofs_in_words(run)}"


def device_roofs_in_words(run: Run) -> str:
    """The same of a CUDA device, and what its cache means for the rows."""
    found = run.header["device_ceilings"]
    if found["copy_bytes_per_second"] != found["copy_bytes_per_second"]:
        return ""
    return (
        f" Device: copy {found['copy_bytes_per_second'] / 1e12:.3g} TB/s, "
        f"{found['multiply_adds_per_second_float32'] / 1e12:.3g} T multiply-adds/s, "
        f"{found['gradient_instructions_per_second_float32'] / 1e12:.3g} T lane instructions/s of the gradient's mix; "
        f"an empty launch takes {found['launch_seconds'] * 1e6:.2g} us, a node of a graph "
        f"{found['graph_node_seconds'] * 1e6:.2g} us. Timed calls go round the same samples: up to "
        f"{found['cache_bytes'] / 2**20:.0f} MiB they come from its L2 cache."
    )


def ledger(run: Run) -> str:
    """What a reader needs in order to trust a table, in a line or two."""
    machine, code, settings = (run.header[key] for key in ("machine", "code", "settings"))
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    forced = ", ".join(f"{name} {count}" for name, count in run.header["threads_in_force"].items())
    modes = {
        f"{name} {f['tf32']}" for name, f in ((n, s["facts"]) for n, s in run.header["backends"].items()) if "tf32" in f
    }
    commit = (code["commit"] or "no commit")[:12] + (", with uncommitted changes" if code["dirty"] else "")
    return (
        f"Run {run.name}, profile {settings['profile']}, commit {commit} (sources {code['content_hash']}). "
        f"{machine['system']}, {machine['python']}; {packages}. Threads in force: {forced}. "
        f"TF32: {', '.join(sorted(modes)) or 'no device that has it'}. "
        f"Variables: {settings['environment'] or 'none that matter'}. "
        f"Load average while it ran: {run.cases.load_average.median():.2g}, "
        f"at most {run.cases.load_average.max():.2g}." + roofs_in_words(run)
    )


def show(run: Run) -> None:
    """Print the main table, and why the other backends are not in it."""
    console = Console(highlight=False, markup=False, emoji=False)  # cells are text, whatever stands in brackets
    table = Table(title=f"{run.machine}, {run.threads}; {focus(run)}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    frame = tables.summary(run)
    for name in frame.columns:
        table.add_column(
            name, justify="left" if name == "backend" else "right", no_wrap=name == "backend", overflow="fold"
        )
    for row in frame.itertuples(index=False):
        table.add_row(*(str(cell) for cell in row))
    console.print(table)
    for name in tables.absent(run):
        console.print(f"{name}: SKIPPED: {tables.absence(run, name)}")
    console.print(
        f"run {run.name}; ± is half a 95 % interval of the median; load average {run.cases.load_average.median():.2g}; "
        "every case is in tables/"
    )


if __name__ == "__main__":
    main()
