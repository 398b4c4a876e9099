"""`python -m bench.report`: tables, figures and a page from the raw journals, and the main table in the terminal.

    python -m bench.report                      the newest run of each machine and thread setting
    python -m bench.report --run NAME ...       these runs

Everything it writes is made again from results/raw alone: the same journals give the same bytes.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from bench import plots, tables
from bench.frames import Run, runs
from bench.journal import RESULTS
from relufit.errors import RelufitError

LONG = {
    "throughput": tables.throughput,
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
        long = pd.concat([make(run).assign(machine=run.machine, threads=run.threads, run=run.name) for run in chosen])
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
    return f"## {run.machine}, {run.threads}\n\n{ledger(run)}\n\n{LAYOUTS[name](run)}"


def page_section(run: Run, figures: list[Path]) -> str:
    """One run's part of results/README.md."""
    pictures = "\n\n".join(f"![{path.stem}](figures/{path.name})" for path in figures)
    links = ", ".join(f"[{name}](tables/{name}.md)" for name in LONG)
    parts = f"## {run.machine}, {run.threads}", ledger(run), lay_out_summary(run), f"All tables: {links}.", pictures
    return "\n\n".join(parts)


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
        f"at most {run.cases.load_average.max():.2g}."
    )


def markdown(frame: pd.DataFrame) -> str:
    """A frame as a Markdown table; cells that are absent are empty, and a | in a cell cannot break the table."""
    if frame.empty:
        return "No cases."
    text = (
        frame.astype(object).where(frame.notna(), "").map(lambda cell: str(cell).replace("|", "\\|").replace("\n", " "))
    )
    return str(text.to_markdown(index=False, disable_numparse=True))


def lay_out_throughput(run: Run) -> str:
    """One small table for each kind of work, width and dtype: backends down, batch sizes across."""
    frame = tables.throughput(run)
    parts = []
    if frame.empty:
        return "No cases."
    titles = {
        "step": "Training step", "gradient": "Forward + backward", "forward": "Forward",
        "backward": "Backward alone (difference of the two above)", "latency": "Latency of one forward, host to host",
        "to_device": "Transfer to the device", "to_host": "Transfer to the host",
    }  # fmt: skip
    for work, title in titles.items():
        for (dtype, hidden, optimizer), rows in frame[frame.work == work].groupby(
            ["dtype", "hidden", "optimizer"], sort=True
        ):
            rows = rows.assign(cell=[tables.time_cell(row) for row in rows.to_dict("records")])
            matrix = rows.pivot_table(index="backend", columns="batch", values="cell", aggfunc="first", sort=False)
            matrix = matrix[sorted(matrix.columns)].rename(columns=lambda n: f"N = {n:,}".replace(",", " "))
            matrix = matrix.reindex([name for name in tables.in_order(run) if name in matrix.index])
            reasons = rows[rows.status != "OK"].groupby("backend").reason.first()
            matrix["note"] = [reasons.get(name, "") for name in matrix.index]
            rule = f", {optimizer}" if optimizer else ""
            parts.append(f"### {title}{rule}, us; H = {hidden}, {dtype}\n\n{markdown(matrix.reset_index())}")
    return "\n\n".join(parts)


def lay_out_convergence(run: Run) -> str:
    """One table for each target, scheme and optimizer."""
    frame = tables.convergence(run)
    parts = []
    keys = ["target", "scheme", "optimizer", "hidden", "dtype"]
    for (target, scheme, optimizer, hidden, dtype), rows in frame.groupby(keys, sort=True) if len(frame) else ():
        rows = tables.sorted_by_backend(run, rows)
        shown = rows[["backend"]].copy()
        for limit in tables.THRESHOLDS:
            column = f"seconds_to_{limit:g}"
            shown[f"to {limit:g}, s"] = [tables.seconds_cell(row, column) for row in rows.to_dict("records")]
        for column, title in (("test_mse", "test error"), ("lowest_test_mse", "lowest seen")):
            shown[title] = rows[column].map(lambda value: f"{value:.2e}" if value == value else "")
        shown["after"] = [
            f"{s:.3g} s, {n:.0f} steps" if s == s else "" for s, n in zip(rows.train_seconds, rows.steps, strict=True)
        ]
        shown["status"] = rows.status
        shown["note"] = [_note(row) for row in rows.to_dict("records")]
        parts.append(f"### {target}, {optimizer}, {scheme} weights; H = {hidden}, {dtype}\n\n{markdown(shown)}")
    return "\n\n".join(parts) or "No cases."


def _note(row: dict[str, Any]) -> str:
    """Why a row has no result; else whether it shuffled for itself."""
    return row["reason"] if isinstance(row["reason"], str) else "own order" if row["order"] == "own" else ""


def lay_out_agreement(run: Run) -> str:
    """Backends down, quantities across: the error as a share of what rounding explains; above 1 disagrees."""
    frame = tables.agreement(run)
    parts: list[str] = [
        "Each cell: the largest error of the quantity, and in brackets its share of the computed bound."
    ]
    keys = ["dtype", "batch", "inputs", "hidden", "outputs"]
    for values, rows in frame.groupby(keys, sort=True) if len(frame) else ():
        rows = tables.sorted_by_backend(run, rows)
        cell = [f"{e:.1e} ({s:.1g})" if e == e else "" for e, s in zip(rows.error, rows["share"], strict=True)]
        table = rows.assign(cell=cell, quantity=rows.quantity.fillna("")).pivot_table(
            index=["backend", "status"], columns="quantity", values="cell", aggfunc="first", sort=False
        )
        table = table[[name for name in table.columns if name]].fillna("")
        dtype, n, d, h, o = values
        parts.append(f"### {dtype}, N = {n}, D = {d}, H = {h}, O = {o}\n\n{markdown(table.reset_index())}")
    return "\n\n".join(parts)


def lay_out_memory(run: Run) -> str:
    """Peak memory in MiB; resident memory tells less than one apart from what the heap had kept."""
    frame = tables.sorted_by_backend(run, tables.memory(run)).sort_values(["dtype", "hidden", "batch"], kind="stable")
    shown = frame.drop(columns="peak_bytes").assign(
        peak=["" if b != b else f"{b / 2**20:.1f} MiB" if b >= 2**20 else "< 1 MiB" for b in frame.peak_bytes]
    )
    return markdown(shown[["dtype", "hidden", "batch", "backend", "peak", "status", "method", "reason"]])


def lay_out_summary(run: Run) -> str:
    """The main table, and the reasons of the backends that are not in it."""
    frame = tables.summary(run).rename(columns=lambda title: title.replace("\n", ", "))
    absent = [f"| {name} | SKIPPED: {tables.absence(run, name)} |" for name in tables.absent(run)]
    reasons = "\n".join(["| not here | reason |", "|:--|:--|", *absent]) if absent else ""
    return "\n\n".join(part for part in (focus(run) + ".", markdown(frame), reasons) if part)


LAYOUTS = {
    "throughput": lay_out_throughput,
    "convergence": lay_out_convergence,
    "agreement": lay_out_agreement,
    "memory": lay_out_memory,
    "backends": lambda run: markdown(tables.backends(run)),
    "summary": lay_out_summary,
}


def focus(run: Run) -> str:
    """The width and dtype of the main table, in words."""
    hidden, dtype = tables.focus(run)
    return f"H = {hidden}, {dtype}"


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
