"""The command line as a user meets it: exit codes and streams, in a process of its own where that is the point."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import Answer
from typer.testing import CliRunner

from relufit import RelufitError, cli
from relufit.solvers.training import AUTO

QUICK = ("--epochs", "5", "--hidden", "16")


def relufit(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run([sys.executable, "-m", "relufit", *words], capture_output=True, text=True, timeout=120)


def test_fit_prints_a_sentence() -> None:
    """Errors, sizes, seconds; nothing on stderr where it is no terminal."""
    done = relufit("fit", "sin(x)", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "mean squared error" in done.stdout
    assert "16 hidden units, adam on numpy: 5 epochs, 125 steps" in done.stdout
    assert done.stderr == ""


def test_fit_prints_json(answer: Answer) -> None:
    """One object with what programs need."""
    _, out, _ = answer("fit", "x**2", "--json", *QUICK, "--solver", "sgd", "--domain=-1,pi/2")
    found = json.loads(out)
    assert {"mse", "max_error", "hidden", "solver", "backend", "seconds"} <= set(found)
    assert (found["hidden"], found["solver"], found["backend"]) == (16, "sgd", "numpy")


def test_fit_saves_and_plots(answer: Answer, tmp_path: Path) -> None:
    """Both files are there."""
    names = str(tmp_path / "a.safetensors"), str(tmp_path / "a.svg")
    code, _, err = answer("fit", "abs", *QUICK, "--save", names[0], "--plot", names[1])
    assert (code, err) == (0, "")
    assert (tmp_path / "a.safetensors").stat().st_size > 100
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_backends_lists_every_name_with_its_reason(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ready, or why not; what is ready here is tried out by test_names.py."""
    monkeypatch.setattr(cli.backends, "probe", lambda name: None if name == "numpy" else f"no {name}")
    found = json.loads(answer("backends", "--json")[1])
    assert {"torch-cpu", "torch-manual", "cupy", "torch-cuda", "torch-mps"} <= set(found)
    assert found == {name: None if name == "numpy" else f"no {name}" for name in cli.backends.table()}


def test_backends_are_listed_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """For people: a line for each."""
    monkeypatch.setattr(cli.backends, "status", lambda: {"numpy": None, "torch-cuda": "no driver"})
    found = CliRunner().invoke(cli.app, ["backends"])
    assert found.exit_code == 0
    assert found.stdout.splitlines() == ["numpy       ready", "torch-cuda  no driver"]


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "sin(y)"),
        ("fit", "nosuch"),
        ("fit", "1/(x*0)"),
        ("fit", "sin", "--hidden", "0"),
        ("fit", "sin", "--hidden", "many"),
        ("fit", "sin", "--backend", "nosuch"),
        ("fit", "sin", "--solver", "nosuch"),
        ("fit", "sin", "--domain", "3"),
        ("fit", "sin", "--domain=1,-1"),
        ("fit", "sin", "--domain=0,1/0"),
        ("fit", "sin", "--dtype", "int8"),
        ("fit", "sin", "--epochs", "-1"),
        ("fit", "square", "--solver", "sgd", "--learning-rate", "9"),
        ("fit", "sin", "--domain=x,1"),
        ("fit", "sin", "--epochs", "1", "--plot", "no/such/folder.png"),
        ("fit", "sin", "--epochs", "1", "--plot", "fit.nosuch"),
        ("fit", "sin", "--epochs", "1", "--save", "no/such/folder.safetensors"),
        ("fit", "tan(x)"),
        ("fit", "1/x", "--domain=-1,2", "--solver", "spline"),
        ("fit", "sqrt(x)", "--solver", "spline"),
        ("fit", "sin", "--hidden", "3", "--tolerance", "1e-3"),
        ("fit", "sin", "--solver", "spline", "--learning-rate", "0.1"),
        ("fit", "sin", "--weight", "w"),
        ("fit", "nosuch.csv", "--x", "t", "--y", "v"),
        ("fit", "nosuch.csv"),
        ("limit", "nosuch"),
        ("limit", "a.csv"),
        ("limit", "sin", "--hidden", "0"),
        ("limit", "step", "--max-error", "1e-3"),
        ("limit", "sin", "--mse", "-1"),
        ("predict", "nosuch.safetensors", "--at", "1"),
        ("fit",),
        ("nosuch",),
    ],
)
def test_bad_input_is_a_sentence_and_exit_code_2(answer: Answer, words: tuple[str, ...]) -> None:
    """One sentence on stderr and no warning, nothing on stdout that a program could take for a result."""
    assert answer.refusal(*words)


def test_the_process_ends_with_the_sentence_alone() -> None:
    """The interpreter adds no traceback and no warning to the sentence, and exits with its code."""
    done = relufit("fit", "1/x", "--domain=-1,2", "--solver", "spline")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("relufit: ")
    assert done.stderr.count("\n") == 1


def test_backends_in_order_of_preference(answer: Answer) -> None:
    """The first that works here and can do the work."""
    words = ("--epochs", "1", "--n", "20", "--hidden", "4", "--backend", "torch-mps,numpy", "--json")
    assert json.loads(answer("fit", "sin", *words)[1])["backend"] in ("torch-mps", "numpy")


def test_what_was_passed_over_is_printed(answer: Answer) -> None:
    """A line says which backend was taken and why not those before it; without any there is no such line."""
    words = ("fit", "sin", "--epochs", "1", "--n", "20", "--hidden", "4")
    _, out, _ = answer(*words, "--backend", "torch-nosuch,numpy")
    (line,) = [line for line in out.splitlines() if line.startswith("backend: ")]
    _, out, _ = answer(*words, "--backend", "torch-nosuch,numpy", "--json")
    reason = json.loads(out)["passed_over"]["torch-nosuch"]
    assert reason
    assert line == f"backend: numpy (torch-nosuch: {reason})"
    assert "backend:" not in answer(*words)[1]
    assert json.loads(answer(*words, "--json")[1])["passed_over"] == {}


def test_auto_is_a_backend_of_the_command_line(answer: Answer) -> None:
    """The fastest backend that runs here is taken, and fits data of several inputs too."""
    words = ("fit", "sin", "--epochs", "1", "--n", "20", "--hidden", "4", "--backend", "auto", "--json")
    assert json.loads(answer(*words)[1])["backend"] in AUTO


def test_a_spline_answers_at_once_and_loads_little() -> None:
    """From a cold start, numpy and scipy only: 512 units on sin, below MSE*, in 2 s of the processor."""
    code = (
        "import sys, time; sys.argv = ['relufit', 'fit', 'sin(x)', '--solver', 'spline', '--json']; "
        "import relufit.cli, atexit; "
        "others = ('torch', 'numba', 'jax', 'matplotlib', 'pandas', 'pyarrow', 'sympy'); "
        "atexit.register(lambda: print([m for m in others if m in sys.modules], time.process_time(), file=sys.stderr));"
        "relufit.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    loaded, seconds = done.stderr.rsplit(" ", 1)
    assert loaded == "[]"
    assert float(seconds) < 2
    assert json.loads(done.stdout)["mse"] < 0.995 * 1.6273e-10


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A zigzag with noise, unsorted, with gaps and a text column."""
    rng = np.random.default_rng(0)
    t = np.round(rng.uniform(0, 4, 600), 3)
    v = np.abs(t % 2 - 1) + rng.normal(0, 0.05, 600)
    rows = [f"{a},{'' if i % 100 == 7 else b},r{i},{i % 3}" for i, (a, b) in enumerate(zip(t, v, strict=True))]
    path = tmp_path / "data.csv"
    path.write_text("\n".join(["t,v,name,w", *rows]) + "\n")
    return path


def test_a_table_is_fitted_and_predicted(answer: Answer, table: Path, tmp_path: Path) -> None:
    """A fit chooses the units, counts gaps and prints both errors; the saved file predicts what the fit does."""
    saved = tmp_path / "fit.safetensors"
    code, out, err = answer("fit", str(table), "--x", "t", "--y", "v", "--save", str(saved), "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["rows"], found["dropped"], found["solver"]) == (594, 6, "spline")
    assert 3 <= found["hidden"] <= 12
    assert found["test_mse"] == pytest.approx(0.0025, rel=0.4)
    _, out, _ = answer("predict", str(saved), "--at=0,1,3/2")
    rows = [[float(value) for value in line.split(",")] for line in out.splitlines()]
    assert [x for x, _ in rows] == [0, 1, 1.5]
    assert [y for _, y in rows] == pytest.approx([1, 0, 0.5], abs=0.1)
    _, out, _ = answer("predict", str(saved), str(table), "--x", "t", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == 600
    assert set(lines[0]) == {"x", "y"}


def test_a_table_for_a_person(answer: Answer, table: Path) -> None:
    """Sentences: errors on samples fitted and held out, gaps, units."""
    code, out, err = answer("fit", str(table), "--x", "t", "--y", "v", "--weight", "w", "--tolerance", "0.01")
    assert code == 0, err
    assert "on those held out" in out
    assert "6 rows with a gap were left out" in out
    assert "spline on numpy" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--x", "t", "--y", "nosuch"), "no column 'nosuch'"),
        (("--x", "t", "--y", "name"), "column 'name' holds 'r0'"),
        (("--x", "t"), "--x and --y"),
        (("--x", "t", "--y", "v", "--hidden", "600"), "different x"),
        (("--x", "t", "--y", "v", "--domain=0,1"), "domain is the interval of a function"),
        (("--x", "t", "--y", "v", "--solver", "spline", "--learning-rate", "0.1"), "--solver adam"),
        (("--x", "t", "--y", "v", "--n", "50"), "n is the number of samples of a function"),
        (("--x", "t", "--x", "w", "--y", "v", "--tolerance", "1"), "--solver spline"),
    ],
)
def test_bad_tables_are_a_sentence(answer: Answer, table: Path, words: tuple[str, ...], message: str) -> None:
    """With the column, the row, or what to do; exit code 2."""
    assert message in answer.refusal("fit", str(table), *words)


def test_what_cannot_be_drawn_is_not_trained_first(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result would be lost: two inputs or outputs are refused before the file is read."""
    monkeypatch.setattr("relufit.fitting.file.fit_file", lambda *_, **__: pytest.fail("it was trained"))
    for columns in (["--x", "t", "--x", "w", "--y", "v"], ["--x", "t", "--y", "v", "--y", "w"]):
        done = CliRunner().invoke(cli.app, ["fit", str(table), *columns, "--plot", str(table.with_suffix(".png"))])
        assert isinstance(done.exception, RelufitError)
        assert "only one input and one output can be drawn" in str(done.exception)


def test_what_does_not_exist_is_not_said(answer: Answer, tmp_path: Path) -> None:
    """A single row leaves none to hold out."""
    path = tmp_path / "one.csv"
    path.write_text("t,v\n1,2\n")
    code, out, err = answer("fit", str(path), "--x", "t", "--y", "v")
    assert code == 0, err
    assert "on the samples fitted 0.000e+00\n" in out
    assert "nan" not in out


def test_a_tolerance_of_noisy_samples_is_told(answer: Answer) -> None:
    """It is that of the samples, which stands beside the error against the function."""
    code, out, err = answer("fit", "noisy_sine", "--solver", "spline", "--tolerance", "1e-3", "--n", "100")
    assert code == 0, err
    assert float(out.split("on the samples fitted ")[1].split(",")[0]) <= 1e-3


def test_several_inputs_are_trained(answer: Answer, table: Path) -> None:
    """By L-BFGS without --solver, and by Adam where an option of training is given."""
    words = ("fit", str(table), "--x", "t", "--x", "w", "--y", "v", "--hidden", "4", "--json")
    assert json.loads(answer(*words)[1])["solver"] == "lbfgs"
    assert json.loads(answer(*words, "--epochs", "2")[1])["solver"] == "adam"


def test_a_function_is_fitted_by_the_spline(answer: Answer) -> None:
    """Without options, and with --solver auto; R^2 stands beside the errors, also where the fit is useless."""
    _, out, _ = answer("fit", "sin(x)")
    assert "R^2 1\n" in out
    assert "512 hidden units, spline on numpy: " in out
    assert "3 hidden units, spline" in answer("fit", "sin(x)", "--solver", "auto", "--hidden", "3")[1]
    _, out, _ = answer("fit", "sin(99*x)", "--epochs", "1", "--hidden", "4", "--solver", "sgd")
    assert float(out.split("R^2 ")[1].splitlines()[0]) < 0.1
    assert "R^2" not in answer("fit", "5")[1]


def test_limits_are_told(answer: Answer) -> None:
    """The best spline found, the asymptotic value, the bound, and what tolerances need; as an object, null for none."""
    _, out, _ = answer("limit", "sin", "--hidden", "64", "--mse", "1e-8", "--max-error", "1e-4", "--json")
    found = json.loads(out)
    assert found["asymptotic_mse"] == pytest.approx(1.6273e-10 * 8**4, rel=1e-3)
    assert 0.8 < found["ratio"] < 0.9
    assert found["mse"] == pytest.approx(found["ratio"] * found["asymptotic_mse"])
    assert found["bound"] == pytest.approx((4 * np.pi / 64) ** 2 / 8, rel=1e-6)
    assert (found["units_for_mse"], found["units_by_asymptotic_mse"]) == (181, 183)
    assert (found["units_for_max_error"], found["units_by_bound"]) == (288, 445)
    assert "relufit fit a.csv --x COLUMN --y COLUMN --tolerance" in answer.refusal("limit", "a.csv")
    assert "none: f'' does not exist at x = 0" in answer("limit", "step")[1]
    assert json.loads(answer("limit", "step", "--json")[1])["asymptotic_mse"] is None


def test_the_limits_of_a_line_are_told(answer: Answer) -> None:
    """It has an asymptotic value, 0, and no ratio to it."""
    code, out, err = answer("limit", "5")
    assert (code, err) == (0, "")
    assert "mean square 0: a straight line" in out
    found = json.loads(answer("limit", "x", "--hidden", "1", "--json")[1])
    assert (found["asymptotic_mse"], found["ratio"]) == (0, None)


def test_the_limits_of_a_function_without_a_value_are_told(answer: Answer) -> None:
    """One line says where a function has no value, and which limit is used; a pole stays an error."""
    _, out, err = answer("fit", "x*log(x)", "--domain=0,1", "--solver", "spline", "--json")
    assert err == "relufit: x*log(x) has no value at x = 0; its limit 0 is used\n"
    assert json.loads(out)["max_error"] < 1e-3
    _, _, err = answer("limit", "sin(x)/x + (x**2 - 1)/(x - 1)", "--hidden", "8", "--domain=-1,1")
    assert err.endswith("has no value at x = 0, 1; its limits 2, 2.84147 are used\n")
    assert "at x = 0" in answer.refusal("fit", "1/x", "--domain=0,1")
    assert answer("fit", "x", *QUICK)[2] == ""
