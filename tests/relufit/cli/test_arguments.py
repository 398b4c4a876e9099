"""The options of the commands: the values that a shell completes."""

import os
import subprocess
import sys

import pytest

COMPLETION = "import sys; sys.argv = ['relufit']; from relufit.cli import main; import atexit; {check}; main()"
LOADED = "atexit.register(lambda: print([m for m in ('torch', 'numba', 'jax') if m in sys.modules], file=sys.stderr))"


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("fit no", ["noisy_sine"]),
        ("limit ru", ["runge"]),
        ("fit sin --solver s", ["sgd", "spline"]),
        ("fit sin --backend numpy,cupy-t", ["numpy,cupy-train"]),
        ("fit sin --backend cupy,a", ["cupy,auto"]),
        ("fit sin --dtype ", ["float32", "float64"]),
        ("fit sin --scheme t", ["torch", "textbook"]),
    ],
)
def test_values_are_completed(typed: str, wanted: list[str]) -> None:
    """The shell completes names of targets and values of options, without loading a framework."""
    line = f"relufit {typed}"
    place = str(len(line.split(" ")) - 1)
    asked = {"_RELUFIT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": place}
    done = subprocess.run(
        [sys.executable, "-c", COMPLETION.format(check=LOADED)],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert sorted(done.stdout.split()) == sorted(wanted)
    assert done.stderr == "[]\n"
