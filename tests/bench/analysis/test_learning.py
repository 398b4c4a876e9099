"""The table and the figure of the solvers, from hand-made numbers, and a run of parts of a second from end to end."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_runs import bench, lines, reported
from fixed_shares import SECONDS
from journals import line, make, solved, spline, write

from bench import report
from bench.analysis import learning
from bench.analysis.frames import read
from bench.reporting import figures
from bench.reporting.document import markdown
from bench.reporting.tables.learning import SOLVERS_TABLE, lay_out_reached


def test_seconds_and_steps_are_those_of_the_first_look(tmp_path: Path) -> None:
    """Seconds are of the first look at a limit or below it; nan where none was; the end and the best stand apart."""
    frame = learning.solvers(make(tmp_path, spline(backend="numba"), solved())).set_index(["solver", "backend"])
    row = frame.loc["adam", "numpy"]
    assert (row["seconds_to_1e-2"], row["steps_to_1e-2"]) == (1.0, 100)
    assert (row["seconds_to_1e-4"], row["steps_to_1e-4"]) == (2.0, 200)
    assert np.isnan(row["seconds_to_1e-5"])
    assert np.isnan(row["steps_to_1e-5"])
    assert (row.mse, row.lowest_mse, row.max_error, row.train_seconds, row.steps) == (8e-5, 5e-5, 0.06, 4.0, 400)
    assert row.over_asymptotic == pytest.approx(8e-5 / 1.6e-10)
    assert row.over_best_spline == pytest.approx(8e-5 / 2e-10)
    best = frame.loc["spline", "numpy"]  # whichever backend its network was checked by
    assert (best.over_best_spline, best.over_asymptotic) == (1.0, pytest.approx(1.25))
    assert [best[f"seconds_to_{name}"] for name in learning.LIMITS] == [0.05] * 8
    assert np.isnan(best.steps)
    assert frame.loc["adam", "cupy"].status == "SKIPPED"


def test_a_page_has_room_for_one_table(tmp_path: Path) -> None:
    """The page has solvers down, functions across, the best of several backends, and MSE* below."""
    run = make(
        tmp_path, spline(), solved(), solved(backend="numba", mse=[0.5, 1e-2, 5e-5, 6e-5]),
        solved("sgd", status="DIVERGED", reason="lost"), solved(target="abs", asymptotic_mse=None), solved(hidden=64),
    )  # fmt: skip
    told, table = lay_out_reached(run)
    cells = table.frame.set_index("solver")
    assert "H = 512" in str(told)
    assert list(cells.columns) == ["longest", "sin", "abs"]
    assert [cells.sin[name] for name in ("spline", "adam", "sgd", "MSE*")] == [
        "2.0e-10",
        "6.0e-05",
        "DIVERGED",
        "1.6e-10",
    ]
    assert (cells["abs"]["adam"], cells["abs"]["spline"], cells["abs"]["MSE*"]) == ("8.0e-05", "", "")
    assert lay_out_reached(make(tmp_path, line("numpy"))) == []


def test_the_longest_time_of_a_solver_has_the_mark_of_load(tmp_path: Path) -> None:
    """The longest time carries the mark where that row was measured under load, and a line says what was running."""
    loaded = solved(watched_seconds=1.0, cores_of_others=0.8)
    shorter = solved("lbfgs", watched_seconds=1.0, cores_of_others=0.8, train_seconds=[0.0, 0.1, 0.2, 0.4])
    run = make(tmp_path, spline(), loaded, shorter, solved("lbfgs", target="abs"))
    _, table, loads = lay_out_reached(run)
    longest = table.frame.set_index("solver").longest.to_dict()
    assert longest == {"spline": "50 ms", "lbfgs": "4 s", "adam": "4 s*", "MSE*": ""}
    assert loads == "* Measured under load: numpy, solving adam N = 32: other processes had 0.8 cores."


def test_the_best_spline_is_that_of_the_same_function_and_width(tmp_path: Path) -> None:
    """The best spline is the lowest of the same function and width; an exact one divides nothing."""
    kink = {"target": "abs", "asymptotic_mse": None}
    run = make(
        tmp_path, spline(4e-10, algorithm="dense", backend="numba"), spline(2e-10), spline(1e-6, hidden=64), solved(),
        solved(hidden=64), solved(target="runge"), spline(3e-25, **kink), solved(**kink),
    )  # fmt: skip
    frame = learning.solvers(run).query("status == 'OK'")
    ratio = {
        (row.target, row.hidden, row.solver, row.backend): (row.over_best_spline, row.over_asymptotic)
        for row in frame.itertuples()
    }
    assert ratio["sin", 512, "adam", "numpy"] == pytest.approx((4e5, 5e5))
    assert ratio["sin", 512, "spline", "numba"] == pytest.approx((2, 2.5))
    assert ratio["sin", 512, "spline", "numpy"][0] == 1.0
    assert ratio["sin", 64, "adam", "numpy"][0] == pytest.approx(80)
    assert np.isnan(ratio["runge", 512, "adam", "numpy"][0])
    assert np.isnan(ratio["abs", 512, "adam", "numpy"]).all()
    assert ratio["abs", 512, "spline", "numpy"][0] == 1.0


def test_a_diverged_solver_stands_with_what_it_reached(tmp_path: Path) -> None:
    """A solver that diverged stands with what it reached, even before the first look or without a curve."""
    start = {"step": [0], "train_seconds": [0.0], "mse": [0.5], "max_error": [2.0], "seconds": [1e-3]}
    run = make(
        tmp_path,
        solved("sgd", status="DIVERGED", reason="the loss was nan"),
        solved("momentum", status="DIVERGED", reason="at once", **start),
        solved("lbfgs", status="CRASHED", reason="gone", step=None, train_seconds=None, mse=None, max_error=None),
    )
    frame = learning.solvers(run).query("backend == 'numpy'").set_index("solver")
    assert (frame.loc["sgd"]["seconds_to_1e-4"], frame.loc["sgd"].mse) == (2.0, 8e-5)
    assert frame.loc["momentum"].mse == 0.5
    assert frame.loc["lbfgs"][["mse", "steps", "seconds_to_1e-2"]].isna().all()
    text = markdown(SOLVERS_TABLE.document(run))
    for word in ("the loss was nan", "at once", "gone", "No spline was looked for"):
        assert word in text


def cells_of(text: str) -> dict[tuple[str, str], list[str]]:
    """The cells of each row by solver and backend."""
    rows = [[cell.strip() for cell in part.strip("|").split("|")] for part in text.splitlines() if "|" in part]
    return {(row[0], row[1]): row[2:] for row in rows}


def test_the_table_as_it_is_read(tmp_path: Path) -> None:
    """The table is blank where an error was never reached, and the words under its heading say so."""
    kink = {"target": "abs", "asymptotic_mse": None}
    text = markdown(SOLVERS_TABLE.document(make(tmp_path, spline(), solved(), spline(3e-25, **kink), solved(**kink))))
    smooth, _, kinked = text.partition("### abs; H = 512")
    assert "### sin; H = 512\n\nMSE\\* = 1.6e-10, the asymptotic value. The best spline found: 2e-10." in smooth
    assert "blank where it never was" in smooth
    assert "No ratio to MSE\\*: f'' does not exist everywhere. The best spline found: 3e-25; but for" in kinked
    ours = cells_of(smooth)["adam", "numpy"]
    assert ours == [
        "1 s, 100", "2 s, 200", "2 s, 200", *[""] * 5, "8.0e-05", "5.0e-05", "6.0e-02", "5.0e+05", "4.0e+05",
        "4 s, 400", "OK", "",
    ]  # fmt: skip
    assert cells_of(smooth)["spline", "numpy"] == [
        *["50 ms"] * 8, "2.0e-10", "2.0e-10", "3.0e-05", "1.25", "1", "50 ms", "OK", "1",
    ]  # fmt: skip
    assert "(1) noisy: the middle half of the rounds spreads by 20 % (measure on an idle machine)" in text
    assert cells_of(kinked)["adam", "numpy"][-5:] == ["", "", "4 s, 400", "OK", ""]


BAD = [
    {"mse": None}, {"mse": [1.0]}, {"mse": []}, {"mse": [1.0, 1.0, 1.0, -1.0]}, {"mse": "x"}, {"max_error": None},
    {"max_error": [1.0]}, {"step": None}, {"train_seconds": [0.0, 1.0]}, {"train_seconds": [0.0, 1.0, 2.0, "nan"]},
    {"asymptotic_mse": -1.0}, {"asymptotic_mse": "many"}, {"budget_seconds": [10]}, {"budget_seconds": -1},
    {"status": "DIVERGED", "mse": None}, {"target": 3}, {"optimizer": ["adam"]},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_line_costs_itself_and_is_named(bad: dict[str, Any], tmp_path: Path) -> None:
    """A bad line costs itself, and the others are reported."""
    complaints: list[str] = []
    path = write(tmp_path / "raw" / "m" / "r.jsonl", spline(), solved(**bad))
    run = read(path, complaints.append)
    assert list(run.cases[run.cases.backend == "numpy"].optimizer) == ["spline"]
    assert len(complaints) == 1
    assert ":3: skipped: " in complaints[0]


def test_odd_lines_never_break_the_report(tmp_path: Path) -> None:
    """Foreign names, errors of inf, nan and 0, no seconds and an MSE* of 0 break no report."""
    odd = [
        solved("<b>", target="<i>|"), solved(mse=["inf", "nan", 0.0, 0.0]), solved("sgd", mse=["nan"] * 4),
        spline(0.0, train_seconds=[0.0]), solved("lbfgs", asymptotic_mse=0.0), solved("momentum", target="step"),
        spline(target="step", mse=["nan"]), solved("sgd", hidden=3, target="exp", max_error=["inf"] * 4),
    ]  # fmt: skip
    write(tmp_path / "raw" / "m" / "r.jsonl", *odd, settings={"profile": "solvers", "threads": None})
    report.report(tmp_path)
    assert "&lt;i>" in (tmp_path / "tables" / "solvers.md").read_text().replace("&gt;", ">")
    assert (tmp_path / "figures" / "solvers-m.png").is_file()


def test_the_newest_run_of_solvers_stands_beside_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Solvers have a section, a table and a figure of their own; a run without any is as before."""
    folder = tmp_path / "raw" / "m"
    write(folder / "2026.jsonl", line(seconds=[1e-3] * 6))
    own = {"settings": {"profile": "solvers", "threads": None}}
    write(folder / "2027.jsonl", solved(mse=[1.0] * 4), **own)
    write(folder / "2028.jsonl", spline(), solved(), **own)
    report.main(["--results", str(tmp_path)])
    page, table = ((tmp_path / name).read_text() for name in ("README.md", "tables/solvers.md"))
    assert "(tables/solvers.md)" in page
    assert "## A CPU, 2 cores, threads as installed, allocations as installed: solvers\n" in table
    assert "### sin; H = 512" in table
    assert "(figures/solvers-m.png)" in page
    assert "Run 2028" in table
    assert "Run 2026" not in table
    assert "Run 2027" not in table
    assert "Inside the clock: the calls of train, all of L-BFGS" in table
    assert "2028" not in (tmp_path / "tables" / "throughput.md").read_text()
    assert "solvers" in capsys.readouterr().out
    (folder / "2027.jsonl").unlink()
    (folder / "2028.jsonl").unlink()
    (tmp_path / "tables" / "solvers.md").unlink()
    report.report(tmp_path)
    assert not (tmp_path / "tables" / "solvers.md").exists()


def test_the_figure_has_a_panel_for_each_function(tmp_path: Path) -> None:
    """Each panel has a curve for each solver and the line of the best spline; without solvers there is no figure."""
    run = make(tmp_path, spline(), solved(), solved("sgd", status="DIVERGED", reason="x"), solved(target="abs"))
    figure = figures.solvers(run)
    assert figure is not None
    shown = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in shown] == ["sin", "abs"]
    labels = shown[0].get_legend_handles_labels()[1]
    assert labels == ["spline", "adam", "sgd", "best spline found"]
    assert "best spline found" not in shown[1].get_legend_handles_labels()[1]
    assert figures.solvers(make(tmp_path / "none", line())) is None


def test_a_short_run_from_end_to_end(tmp_path: Path) -> None:
    """A run of parts of a second for each solver, as a user types it, is measured and reported."""
    words = (
        "--benchmark-only",
        "--profile",
        "solvers",
        "--target",
        "runge",
        "--hidden",
        "8",
        "-p",
        "tests.fixed_shares",
    )
    done = bench(tmp_path, *words, "--backend", "numpy")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {case["optimizer"]: case for case in lines(tmp_path)[1:]}
    assert list(found) == ["spline", "lbfgs", "adam", "momentum", "sgd"]
    assert {case["status"] for case in found.values()} == {"OK"}
    for case in found.values():
        assert len(case["mse"]) == len(case["step"]) == len(case["train_seconds"])  # type: ignore[arg-type]
        assert case["budget_seconds"] == SECONDS
        assert case["asymptotic_mse"] > 0  # type: ignore[operator]
        assert all(check["share"] <= 1 for check in case["agreement"].values())  # type: ignore[attr-defined]
    code, _, said = reported(tmp_path)
    assert code == 0, said
    assert "### runge; H = 8" in (tmp_path / "tables" / "solvers.md").read_text()
    assert list((tmp_path / "figures").glob("solvers-*.png"))
    (path,) = tmp_path.rglob("*.jsonl")
    assert json.loads(path.read_text().splitlines()[0])["settings"]["profile"] == "solvers"
