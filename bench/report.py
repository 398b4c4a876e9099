"""`python -m bench.report`: tables, figures and a page from the raw journals, and the main table in the terminal.

    python -m bench.report                      the newest run of each machine and setting
    python -m bench.report --run NAME ...       these runs

Everything it writes is made again from results/raw alone: the same journals give the same bytes.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from bench import plots, roofs, tables
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
    "trajectory": tables.trajectory,
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
    options = parser.parse_args(arguments)
    try:
        report(options.results, options.run)
    except RelufitError as error:
        print(f"bench.report: {error}", file=sys.stderr)
        sys.exit(2)


def report(results: Path, names: list[str] | None = None) -> None:
    """Write tables, figures and page under `results`, and print the main table of each run."""
    chosen = runs(results, names, complain=lambda text: print(f"bench.report: {text}", file=sys.stderr))
    try:
        write(results, chosen)
    except OSError as error:
        raise RelufitError(f"cannot write to {results}: {error.strerror}") from None
    for run in chosen:
        show(run)


def write(results: Path, chosen: list[Run]) -> None:
    """Write every file of the report."""
    for folder in ("tables", "figures"):
        (results / folder).mkdir(parents=True, exist_ok=True)
    for name, make in LONG.items():
        long = pd.concat(
            [
                make(run).assign(machine=run.machine, threads=run.threads, allocations=run.allocations, run=run.name)
                for run in chosen
            ]
        )
        long.to_csv(results / "tables" / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
        sections = [f"# {name.capitalize()}", *(section(run, name) for run in chosen)]
        _write_text(results / "tables" / f"{name}.md", "\n\n".join(sections))
    slugs = [run.slug for run in chosen]
    labels = {run.name: run.slug if slugs.count(run.slug) == 1 else f"{run.slug}-{run.name}" for run in chosen}
    figures = {run.name: plots.draw_all(run, results / "figures", labels[run.name]) for run in chosen}
    page = [PAGE_TITLE, *(page_section(run, figures[run.name]) for run in chosen)]
    _write_text(results / "README.md", "\n\n".join(page))


PAGE_TITLE = """# Results

Made by `python -m bench.report` from [raw](raw). Times are medians, ± half the width of a 95 % interval of the median.
[What is inside the clock](../README.md#what-is-inside-the-clock)."""


def section(run: Run, name: str) -> str:
    """One run's part of a table file."""
    return f"## {run.machine}, {run.setting}\n\n{ledger(run)}\n\n{LAYOUTS[name](run)}"


def page_section(run: Run, figures: list[Path]) -> str:
    """One run's part of results/README.md."""
    pictures = "\n\n".join(f"![{path.stem}](figures/{path.name})" for path in figures)
    links = ", ".join(f"[{name}](tables/{name}.md)" for name in LONG)
    parts = f"## {run.machine}, {run.setting}", ledger(run), main_table(run), f"All tables: {links}.", pictures
    return "\n\n".join(parts)


def main_table(run: Run) -> str:
    """The table of the page: the summary, or for a run of the headline profile its ratios."""
    return lay_out_headline(run) if run.header["settings"].get("profile") == "headline" else lay_out_summary(run)


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
    commit = str(code.get("commit", "no commit"))[:12] + (", with uncommitted changes" if code.get("dirty") else "")
    return (
        f"Run {run.name}, profile {settings.get('profile')}, commit {commit} (sources {code.get('content_hash')}). "
        f"{machine.get('system')}, {machine.get('python')}; {packages}. Threads in force: {forced}. "
        f"TF32: {', '.join(sorted(modes)) or 'no device that has it'}. "
        f"Variables: {settings.get('environment') or 'none that matter'}. "
        f"Load average while it ran: {run.cases.load_average.median():.2g}, "
        f"at most {run.cases.load_average.max():.2g}." + roofs_in_words(run)
    )


def show(run: Run) -> None:
    """Print the main table, and why the other backends are not in it."""
    table = Table(title=f"{run.machine}, {run.threads}; {focus(run)}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    frame = tables.summary(run)
    for name in frame.columns:
        table.add_column(
            name, justify="left" if name == "backend" else "right", no_wrap=name == "backend", overflow="fold"
        )
    for row in frame.itertuples(index=False):
        table.add_row(*(str(cell) for cell in row))
    console = Console(highlight=False)
    console.print(table)
    for name in tables.absent(run):
        console.print(f"{name}: SKIPPED: {tables.absence(run, name)}", markup=False)
    console.print(
        f"run {run.name}; ± is half a 95 % interval of the median; load average {run.cases.load_average.median():.2g}; "
        "every case is in tables/",
        markup=False,
    )


def _write_text(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
