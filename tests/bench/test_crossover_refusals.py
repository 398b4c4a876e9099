"""What `python -m bench.crossover` refuses: a sentence and exit code 2, before anything is measured or written."""

from pathlib import Path

import pytest

from bench import crossover
from bench.hardware import cpu_peaks
from bench.recipes import RECIPES


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["numpy", "textbook-numpy", "--cpu-gpu"], "--cpu-gpu chooses the backends and goes over the batch size"),
        (["--cpu-gpu", "--over", "hidden"], "--cpu-gpu chooses the backends and goes over the batch size"),
        (["numpy", "textbook-numpy", "--gpu-memory", "0"], "--gpu-memory must be above 0 GiB, not 0"),
        (["numpy", "textbook-numpy", "--device", "gpu"], "--device must be cuda or cuda:N"),
        (["numpy", "nosuch"], "unknown backend 'nosuch'; choose two of numpy,"),
        (["numpy", "numpy"], "numpy cannot overtake itself"),
        (["numpy", "absent"], "absent cannot run here: nosuchlibrary is not installed"),
        (["numpy", "textbook-numpy", "--least", "8", "--most", "8"], "--most must be above --least, which is 8, not 8"),
        (["numpy", "textbook-numpy", "--least", "0"], "--least must be at least 1, not 0"),
        (["numpy", "textbook-numpy", "--hidden", "0"], "--hidden must be at least 1, not 0"),
        (["numpy", "textbook-numpy", "--passes", "9"], "--passes must be at least 10, not 9"),
        (["numpy", "textbook-numpy", "--threads", "0"], "--threads must be at least 1, not 0"),
        (["numpy", "textbook-numpy", "--seconds", "nan"], "--seconds must be positive, not nan"),
        (["numpy", "textbook-numpy", "--batch", "64"], "--batch is the size that varies"),
        (["numpy", "textbook-numpy", "--over", "hidden", "--hidden", "64"], "--hidden is the size that varies"),
        (["numpy", "textbook-numpy", "--optimizer", "sgd"], "--optimizer is for --work step; a gradient has none"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A question that makes no sense ends with exit code 2 before anything is measured or written."""
    monkeypatch.setitem(RECIPES, "absent", ("relufit.backends.numpy:NumpyBackend", "nosuchlibrary"))
    assert crossover.main([*words, "--results", str(tmp_path)]) == 2
    (text,) = capsys.readouterr().err.splitlines()
    assert text.startswith(f"bench.crossover: {said}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["numpy"], ["a", "b", "--least", "x"], ["a", "b", "--over", "depth"]])
def test_what_cannot_be_parsed_is_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What argparse cannot parse ends with the same exit code."""
    with pytest.raises(SystemExit) as caught:
        crossover.main(words)
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_results_that_cannot_be_written_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that stands where the journal's folder should be is one sentence."""
    monkeypatch.setattr(cpu_peaks, "measure", lambda threads: {})
    (tmp_path / "raw").write_text("in the way")
    assert crossover.main(["numpy", "textbook-numpy", "--results", str(tmp_path)]) == 2
    assert "choose another --results" in capsys.readouterr().err
