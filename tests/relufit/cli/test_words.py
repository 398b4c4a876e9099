"""The command line as it answers what is typed wrongly, or nearly rightly; in this process, which is faster."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import Answer

from relufit import Fit, RelufitError, init_params
from relufit.cli import words
from relufit.export import load_params, save_params


@pytest.fixture
def network(tmp_path: Path) -> str:
    """A file with a network of one input, whose output overflows far outside the data."""
    path = tmp_path / "net.safetensors"
    params = init_params(4, dtype="float64")
    save_params(params._replace(w1=params.w1 * 1e3), path)
    return str(path)


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "data.csv"
    path.write_text("t,v\n1,2\n2,3\n3,5\n")
    return str(path)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["fit", "sin", "--tolerance", "abc"], "--tolerance takes a number, such as 0.01 or 1e-6, not 'abc'"),
        (["fit", "sin", "--learning-rate", "x"], "--learning-rate takes a number, such as 0.01 or 1e-6, not 'x'"),
        (["fit", "sin", "--seed", "abc"], "--seed takes an integer >= 0, not 'abc'"),
        (["fit", "sin", "--epochs", "1.5"], "--epochs takes an integer >= 1, not '1.5'"),
        (["fit", "sin", "--hidden", "1.5"], "--hidden takes an integer >= 1, or auto, not '1.5'"),
        (["limit", "sin", "--hidden", "auto"], "--hidden takes an integer >= 1, not 'auto'"),
        (["limit", "sin", "--mse", "x"], "--mse takes a number, such as 0.01 or 1e-6, not 'x'"),
        (["fit"], "missing argument 'target'"),
        (["fit", "sin", "cos"], "extra argument(s) (cos)"),
        (["fit", "sin", "--nosuch", "1"], "no such option: --nosuch"),
        (["fit", "sin", "--hidde", "1"], "--hidden"),
        (["fit", "sin", "-v"], "no such option: -v"),
        (["fit", "sin", "--seed"], "option '--seed' requires an argument"),
        (["nosuch"], "no such command 'nosuch'"),
        (["--nosuch"], "no such option: --nosuch"),
    ],
)
def test_what_typer_cannot_take_is_one_sentence(answer: Answer, given: list[str], says: str) -> None:
    """A usage error is one sentence that shows the given word, without the usage text."""
    found = answer.refusal(*given)
    assert says in found
    assert "Usage" not in found


def test_help_and_nothing_at_all(answer: Answer) -> None:
    """Help that is requested is a result on stdout; a command line without arguments prints it on stderr."""
    code, out, err = answer("fit", "--help")
    assert (code, err) == (0, "")
    assert "default 200" in " ".join(out.split())
    code, out, err = answer()
    assert (code, out) == (2, "")
    assert "predict" in err


def test_an_expression_may_begin_with_minus(answer: Answer) -> None:
    """An expression of fit and limit, and the value of an option, may begin with minus."""
    for given in (["-sin(x)", "--solver", "spline"], ["--solver", "spline", "--hidden", "8", "--json", "-x"]):
        code, out, _ = answer("fit", *given)
        assert code == 0
        assert out
    code, out, _ = answer("limit", "-x**2", "--domain", "-1,1", "--hidden", "8")
    assert code == 0
    assert out.startswith("-x**2 on [-1, 1]")
    assert "unknown name 'y'" in answer.refusal("fit", "-sin(y)")
    assert words.shield_minus(["fit", "--x", "-t", "--y=-v", "-x"]) == ["fit", "--x", "-t", "--y=-v", " -x"]
    assert words.shield_minus(["bench", "-x"]) == ["bench", "-x"]


@pytest.mark.parametrize("rows", ["", ",1\nNA,2\n"])
def test_a_table_without_a_number_is_a_sentence(answer: Answer, network: str, tmp_path: Path, rows: str) -> None:
    """`relufit predict` refuses a table without numbers with the same sentence as fit."""
    path = tmp_path / "gaps.csv"
    path.write_text("t,v\n" + rows)
    says = f"{path} has no row with a number in each of t; it has {rows.count(chr(10))} rows"
    assert answer.refusal("predict", network, str(path), "--x", "t") == says


def test_a_long_run_of_gaps_is_passed(answer: Answer, network: str, tmp_path: Path) -> None:
    """Chunks of a table may have no rows left."""
    path = tmp_path / "gaps.csv"
    path.write_text("t,v\n1,1\n" + "NA,1\n" * 600_000 + "2,1\n")
    code, out, err = answer("predict", network, str(path), "--x", "t")
    assert code == 0
    assert [line.split(",")[0] for line in out.splitlines()] == ["1.0", "2.0"]
    assert err == "relufit: 600000 rows with a gap were left out\n"


def test_json_has_no_infinity(answer: Answer, network: str) -> None:
    """Each line of JSON is one object; a number that is not finite is null, without a warning."""
    code, out, err = answer("predict", network, "--at=0,1e308", "--json")
    assert (code, err) == (0, "")

    def refuse(name: str) -> None:
        raise ValueError(name)

    rows = [json.loads(line, parse_constant=refuse) for line in out.splitlines()]
    assert [row["x"] for row in rows] == [[0.0], [1e308]]
    assert rows[0]["y"][0] is not None
    assert rows[1]["y"] == [None]
    assert "Print one JSON object per line" in " ".join(answer("predict", "--help")[1].split())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--at="], "--at takes numbers or times separated by commas, such as --at=-1,0,pi/2, not ''"),
        (["--at=1,"], "not '1,'"),
        (["--at=1/0"], "--at takes finite numbers, not '1/0'"),
        (["--at=x*(1-x)"], "--at takes numbers, not 'x*(1-x)', which is an expression in x"),
        (["--at=1,y"], "--at: unknown name 'y'"),
        (["--at=1", "--x", "t"], "--x names columns of a table"),
        ([], "give either a table and --x, or values"),
    ],
)
def test_values_that_are_none(answer: Answer, network: str, given: list[str], says: str) -> None:
    """The error about invalid values names the option and shows what was given."""
    assert says in answer.refusal("predict", network, *given)


def test_predict_checks_columns_before_it_reads(answer: Answer, network: str, table: str, tmp_path: Path) -> None:
    """`relufit predict` checks the number of columns, lists the columns of the table, and refuses a folder."""
    assert answer.refusal("predict", network, table).endswith("has t, v")
    assert "takes 1 column of x, not 2" in answer.refusal("predict", network, table, "--x", "t", "--x", "v")
    assert "it is a folder" in answer.refusal("predict", str(tmp_path), "--at=1")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("-pi,pi", (-np.pi, np.pi)), ("min(0,1),2", (0, 2)), ("(0, 1)", (0, 1)), ("[0,max(1,2)]", (0, 2)), (None, None)],
)
def test_domains_are_read(text: str | None, wanted: tuple[float, float] | None) -> None:
    """Commas inside parentheses do not separate the ends of a domain, which may stand in parentheses."""
    assert words.domain(text) == wanted


@pytest.mark.parametrize("text", ["", ",", "1,", "1", "(1)", "1,2,3", "(0", "0,1/0", "0/0,1", "x,1", "(0)+(1)"])
def test_what_is_no_domain_names_the_option(text: str) -> None:
    """The error about an invalid domain names the option, and is not about values of a function."""
    with pytest.raises(RelufitError, match=r"^--domain") as caught:
        words.domain(text)
    assert "choose a domain" not in str(caught.value)


def test_backends_may_have_spaces_between_them() -> None:
    """Spaces after the commas of a list of backends are ignored."""
    assert words.names("cupy, numpy ") == ["cupy", "numpy"]
    assert words.names(" numpy") == "numpy"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--solver", "spline", "--backend", "nonsense"], "does not use backend"),
        (["--solver", "spline", "--scheme", "he", "--epochs", "9"], "does not use epochs, scheme"),
        (["--solver", "spline", "--batch-size", "9"], "--solver spline does not use --batch-size"),
        (["--tolerance", "0.1", "--batch-size", "9"], "takes because --batch-size is given, does not use tolerance"),
        (["--solver", "spline", "--dtype", "float64"], "does not use dtype"),
        (
            ["--solver", "lbfgs", "--batch-size", "9"],
            "--solver lbfgs does not use --batch-size",
        ),
    ],
)
def test_options_that_a_solver_does_not_use_are_refused(answer: Answer, given: list[str], says: str) -> None:
    """An option that the solver does not use is refused by name, also with the default solver."""
    assert says in answer.refusal("fit", "sin", *given)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "name the columns of the table by --x and --y; data.csv has t, v"),
        (["--x", "t"], "name the columns of the table by --x and --y; data.csv has t, v"),
        (["--x", "t", "--y", "v", "--n", "9"], "n is the number of samples of a function; data have"),
        (["--x", "t", "--y", "v", "--domain=0,1"], "domain is the interval of a function; data have"),
    ],
)
def test_a_table_has_sentences_of_its_own(
    answer: Answer, table: str, given: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the missing options and the columns of the table, or the option that belongs to functions."""
    monkeypatch.chdir(Path(table).parent)
    assert says in answer.refusal("fit", "data.csv", *given)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no /dev")
def test_standard_input_is_a_table(tmp_path: Path) -> None:
    """A table is read from - and /dev/stdin, from a pipe and from a file; without --x the error lists its columns."""
    command = [sys.executable, "-m", "relufit", "fit", "-", "--x", "t", "--y", "v", "--json"]
    content = "t,v\n" + "".join(f"{i},{2 * i}\n" for i in range(50))
    for name in ("-", "/dev/stdin"):
        command[4] = name
        done = subprocess.run(command, input=content, capture_output=True, text=True, timeout=120)
        assert json.loads(done.stdout)["rows"] == 50
    (tmp_path / "a.csv").write_text(content)
    with (tmp_path / "a.csv").open() as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=120)
    assert json.loads(done.stdout)["rows"] == 50
    command[4:] = ["-"]
    done = subprocess.run(command, input=content, capture_output=True, text=True, timeout=120)
    assert done.stderr == "relufit: name the columns of the table by --x and --y; standard input has t, v\n"


def test_metrics_survive_files_that_cannot_be_written(
    answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If one file cannot be written, the other is, the metrics are printed, and the exit code is 2."""

    def full(self: Fit, path: str) -> None:
        raise RelufitError(f"cannot write {path}: no space left on device")

    monkeypatch.setattr(Fit, "save", full)
    names = str(tmp_path / "a.safetensors"), str(tmp_path / "a.svg")
    quick = ("--solver", "spline", "--hidden", "4", "--json")
    code, out, err = answer("fit", "sin", *quick, "--save", names[0], "--plot", names[1])
    assert code == 2
    assert json.loads(out)["hidden"] == 4
    assert err == f"relufit: cannot write {names[0]}: no space left on device\n"
    assert Path(names[1]).exists()


def test_the_state_before_a_divergence_is_kept(answer: Answer, tmp_path: Path) -> None:
    """The last good state before a divergence is written to the requested files."""
    names = str(tmp_path / "o.safetensors"), str(tmp_path / "o.svg")
    given = ("fit", "sin", "--solver", "sgd", "--learning-rate", "10", "--epochs", "3")
    says = answer.refusal(*given, "--save", names[0], "--plot", names[1])
    assert "diverged" in says
    assert says.endswith(f"the last good state is in {names[0]} and {names[1]}")
    assert np.isfinite(load_params(names[0]).w1).all()
    assert Path(names[1]).exists()
    assert "the last good state" not in answer.refusal(*given)
