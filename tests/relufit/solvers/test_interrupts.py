"""Ctrl-C on the command line, in a process of its own: the state reached is the result."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")

TRAINING_SAYS_SO = """
import signal, sys
from relufit import cli
from relufit.fitting import fit
# A job in the background, as CI may be, has inherited that SIGINT is ignored. (Set here and not between fork and exec:
# jax, which other tests have loaded, warns of every fork.)
signal.signal(signal.SIGINT, signal.default_int_handler)
original = fit.train
def train(*arguments):
    watch = arguments[-1]
    show = watch.show
    def and_say_so(done, loss):
        print("training", file=sys.stderr, flush=True)
        show(done, loss)
    watch.show = and_say_so
    return original(*arguments)
fit.train = train
cli.main()
"""

SEARCHING_SAYS_SO = """
import signal, sys, time
from relufit import cli
from relufit.spline import selection
signal.signal(signal.SIGINT, signal.default_int_handler)  # as above
original, tried = selection.best_spline, []
def best_spline(pieces, hidden):
    tried.append(hidden)
    if hidden == 8:
        print("searching", file=sys.stderr, flush=True)
        time.sleep(600)
    return original(pieces, hidden)
selection.best_spline = best_spline
cli.main()
"""


def interrupted(code: str, words: list[str], cue: str) -> str:
    """What `relufit fit` prints that gets Ctrl-C once it has said its cue; it ends with exit code 0."""
    with subprocess.Popen(
        [sys.executable, "-c", code, "fit", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stderr is not None
            assert child.stderr.readline() == cue + "\n"
            child.send_signal(signal.SIGINT)
            out, _ = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == 0
    assert "stopped by Ctrl-C" in out
    return out


def test_training_prints_the_state_reached() -> None:
    """Ctrl-C during training prints the fit so far as the result."""
    out = interrupted(TRAINING_SAYS_SO, ["sin", "--epochs", "1000000", "--n", "40"], "training")
    assert "mean squared error" in out


@pytest.mark.parametrize("words", [["sin", "--solver", "spline"], ["data.csv", "--x", "t", "--y", "v"]])
def test_a_search_prints_the_best_spline_so_far(words: list[str], tmp_path: Path) -> None:
    """Ctrl-C during a search, of a function or a table, prints the best spline tried before it."""
    rows = [f"{t / 100},{abs(t / 100 % 2 - 1) + (t * 7919 % 101 - 50) / 1000}" for t in range(400)]
    (tmp_path / "data.csv").write_text("t,v\n" + "\n".join(rows) + "\n")
    words = [str(tmp_path / word) if word.endswith(".csv") else word for word in words]
    out = interrupted(SEARCHING_SAYS_SO, [*words, "--tolerance", "1e-9"], "searching")
    assert "4 hidden units, spline" in out


READING_SAYS_SO = """
import signal, sys, time
from relufit import cli
from relufit.fitting import file
signal.signal(signal.SIGINT, signal.default_int_handler)  # as above
def read_table(*_):
    print("reading", file=sys.stderr, flush=True)
    time.sleep(600)
    yield
file.read_table = read_table
cli.main()
"""


def test_reading_says_that_nothing_was_fitted() -> None:
    """One sentence, and the exit code of a command that Ctrl-C has ended."""
    words = [sys.executable, "-c", READING_SAYS_SO, "fit", "data.csv", "--x", "t", "--y", "v"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stderr is not None
            assert child.stderr.readline() == "reading\n"
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=60)
        finally:
            child.kill()
    assert (child.returncode, out) == (130, "")
    assert err == "relufit: stopped by Ctrl-C, and nothing was fitted yet\n"
