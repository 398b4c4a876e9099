"""The command line as a user meets it: nearly always in a process of its own, with exit codes and streams."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relufit import cli

QUICK = ("--epochs", "5", "--hidden", "16")


def relufit(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run([sys.executable, "-m", "relufit", *words], capture_output=True, text=True, timeout=120)


def test_fit_prints_a_sentence() -> None:
    """Errors, sizes, seconds; nothing on stderr where it is no terminal."""
    done = relufit("fit", "sin(x)", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "mean squared error" in done.stdout
    assert "16 hidden units, adam on numpy: 5 epochs, 125 steps" in done.stdout
    assert done.stderr == ""


def test_fit_prints_json() -> None:
    """One object with what programs need."""
    done = relufit("fit", "x**2", "--json", *QUICK, "--solver", "sgd", "--domain=-1,pi/2")
    found = json.loads(done.stdout)
    assert {"mse", "max_error", "hidden", "solver", "backend", "seconds"} <= set(found)
    assert (found["hidden"], found["solver"], found["backend"]) == (16, "sgd", "numpy")


def test_fit_saves_and_plots(tmp_path: Path) -> None:
    """Both files are there."""
    done = relufit("fit", "abs", *QUICK, "--save", str(tmp_path / "a.safetensors"), "--plot", str(tmp_path / "a.svg"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.safetensors").stat().st_size > 100
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_backends_lists_every_name_with_its_reason() -> None:
    """Ready, or why not."""
    found = json.loads(relufit("backends", "--json").stdout)
    assert found["numpy"] is None
    assert {"torch-cpu", "torch-manual", "cupy", "torch-cuda", "torch-mps"} <= set(found)
    assert all(reason is None or len(reason) > 5 for reason in found.values())


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
        ("fit",),
        ("nosuch",),
    ],
)
def test_bad_input_is_a_sentence_and_exit_code_2(words: tuple[str, ...]) -> None:
    """No traceback, nothing on stdout that a program could take for a result."""
    done = relufit(*words)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "Warning" not in done.stderr
    assert done.stderr.strip()
    assert done.stdout == ""


def test_backends_in_order_of_preference() -> None:
    """The first that works here and can do the work."""
    done = relufit(
        "fit", "sin", "--epochs", "1", "--n", "20", "--hidden", "4", "--backend", "torch-mps,numpy", "--json"
    )
    assert json.loads(done.stdout)["backend"] in ("torch-mps", "numpy")


TRAINING_SAYS_SO = """
import signal, sys
from relufit import cli, fitting
# A job in the background, as CI may be, has inherited that SIGINT is ignored. (Set here and not between fork and exec:
# jax, which other tests have loaded, warns of every fork.)
signal.signal(signal.SIGINT, signal.default_int_handler)
original = fitting.train
def train(*arguments):
    *others, show = arguments
    def and_say_so(done, loss):
        print("training", file=sys.stderr, flush=True)
        show(done, loss)
    return original(*others, and_say_so)
fitting.train = train
cli.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_prints_the_state_reached() -> None:
    """The fit so far is the result."""
    child = subprocess.Popen(
        [sys.executable, "-c", TRAINING_SAYS_SO, "fit", "sin", "--epochs", "1000000", "--n", "40"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stderr is not None
        assert child.stderr.readline() == "training\n"
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0
    assert "stopped by Ctrl-C" in out
    assert "mean squared error" in out
