"""The answer in sentences, and --advise: what is said of sizes that were and were not measured."""

from pathlib import Path
from typing import Any

import pytest
from journals import line, make, write
from printed import printed

from bench import report
from bench.reporting.number_format import NO_BREAK
from bench.reporting.tables.answer import advise, answer, command
from bench.reporting.tables.crossovers import NO_GPU

SECONDS = [1e-3 * (1 + k / 100) for k in range(8)]


def lines(**changes: Any) -> list[dict[str, Any]]:
    """Three backends, of which numba is 4 times as fast as jax-cpu and 40 times as fast as numpy."""
    times = {"numba": 1, "jax-cpu": 4, "numpy": 40}
    return [line(name, seconds=[n * second for second in SECONDS], **changes) for name, n in times.items()]


STEP = {"work": "step", "optimizer": "adam", "batch": 32}


def test_the_answer_is_a_sentence_for_each_column(tmp_path: Path) -> None:
    """The fastest, how far ahead of the next and of numpy, whether that is certain, and that no GPU was measured."""
    run = make(tmp_path, *lines(**STEP), *lines(batch=800))
    far = "numba, 4.0 times as fast as jax-cpu (certain), 40 times as fast as numpy alone (numpy)."
    assert answer(run) == [f"Fastest for gradients of 800: {far}", f"Fastest for Adam steps of 32: {far}", NO_GPU]


def test_a_first_call_is_said_with_when_it_is_paid(tmp_path: Path) -> None:
    """A first call of 2 s is paid after steps that gain 40 ms each."""
    fast, *others = lines(**STEP)
    found = answer(make(tmp_path, {**fast, "first_call_seconds": 2.0}, *others))
    (said,) = [text for text in found if "first call" in text]
    assert said == "A first call compiles or loads: numba 2 s, paid after 50 Adam steps of 32 against numpy."


def test_a_gpu_is_named_beside_the_cpu(tmp_path: Path) -> None:
    """Where a GPU was measured, the last sentences compare it with the CPU."""
    on_gpu = line("torch-cuda", device="cuda", batch=65536, seconds=[second / 9 for second in SECONDS])
    found = answer(make(tmp_path, *lines(batch=800), *lines(batch=65536), on_gpu))
    assert f"Fastest for gradients of 65{NO_BREAK}536: torch-cuda, 9.0 times as fast as numba (certain)" in found[1]
    assert found[-1].startswith("On the GPU beside A CPU: ")


def test_sizes_that_were_not_measured_are_answered_by_the_nearest(tmp_path: Path) -> None:
    """Nothing is interpolated: the sizes around the one asked for are named, and the command that measures it."""
    run = make(tmp_path, *lines(batch=800), *lines(batch=8192))
    first, *found = advise(run, "N=5000, H=256")
    assert first == "These sizes were not measured. The nearest that were:"
    assert [text.partition(":")[0] for text in found] == [
        "H = 512, float32. Fastest for gradients of 800",
        f"H = 512, float32. Fastest for gradients of 8{NO_BREAK}192",
    ]
    assert len(advise(run, "N=800 H=512 gradient")) == 1
    assert advise(run, "step, sgd") == ["This run has timed no step with sgd in float32 with two backends."]
    wanted = "pytest bench/test_throughput.py::test_step --benchmark-only --batch 5000 --hidden 256"
    assert command("N=5000, H=256, adam") == wanted


@pytest.mark.parametrize("question", ["N=0", "N=many", "W=3", "frobnicate"])
def test_a_question_that_cannot_be_read_is_a_sentence(
    question: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not known is named, with what is, and the exit code is 2; nothing is written."""
    write(tmp_path / "raw" / "m" / "r.jsonl", *lines())
    with pytest.raises(SystemExit) as caught:
        report.main(["--results", str(tmp_path), "--advise", question])
    assert caught.value.code == 2
    assert f"{question!r} is not known; give N=5000" in capsys.readouterr().err
    assert not (tmp_path / "README.md").exists()


def test_advice_is_printed_for_each_run_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--advise prints the machine, the answer and the command, and writes no file."""
    write(tmp_path / "raw" / "m" / "r.jsonl", *lines(batch=800))
    report.main(["--results", str(tmp_path), "--advise", "N=800"])
    said = printed(capsys)
    assert "A CPU, 2 cores" in said
    assert "Fastest for gradients of 800: numba" in said
    assert "--benchmark-only --batch 800" in said
    assert not (tmp_path / "tables").exists()


@pytest.mark.usefixtures("undrawn")
def test_the_report_prints_the_newest_run_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Older runs and other machines are printed when they are asked for."""
    write(tmp_path / "raw" / "m" / "2026.jsonl", *lines(batch=800))
    write(tmp_path / "raw" / "n" / "2027.jsonl", *lines(batch=800))
    report.main(["--results", str(tmp_path), "--out", str(tmp_path / "out")])
    assert "Run 2027" in (said := printed(capsys))
    assert "Run 2026" not in said
    report.main(["--results", str(tmp_path), "--show"])
    assert "Run 2026" in printed(capsys)


def test_torch_is_its_fastest_backend(tmp_path: Path) -> None:
    """Of several backends of torch the fastest is the measure, and none where a backend of torch is the next."""
    slow, fast = (
        line(name, seconds=[n * s for s in SECONDS]) for name, n in (("torch-cpu", 30), ("torch-compile", 20))
    )
    said = answer(make(tmp_path, *lines(), slow, fast))[0]
    assert "20 times as fast as the best of torch (torch-compile)" in said
    assert "torch" not in answer(make(tmp_path, *lines()))[0]
    next_one = line("torch-manual", seconds=[2 * second for second in SECONDS])
    assert "best of torch" not in answer(make(tmp_path, *lines(), slow, next_one))[0]
