"""What `relufit fit` prints and writes of the pieces of a fit, and what it warns of."""

from pathlib import Path

import numpy as np
import pytest
from command_line import Answer


def test_fit_writes_its_pieces(answer: Answer, tmp_path: Path) -> None:
    """The file has a row for each piece; few pieces are printed too, and none with --json."""
    path = tmp_path / "pieces.csv"
    given = ("fit", "abs(x - 1)", "--solver", "spline", "--hidden", "2", "--domain=-3,2", "--pieces", str(path))
    code, out, err = answer(*given)
    assert (code, err) == (0, "")
    assert path.read_text().splitlines()[0] == "from,to,slope,intercept,y_from,y_to"
    found = np.genfromtxt(path, delimiter=",", names=True)
    np.testing.assert_allclose(found["from"], [-3, 1], atol=1e-9)
    np.testing.assert_allclose(found["slope"], [-1, 1], atol=1e-9)
    assert out.splitlines()[-4].split() == ["from", "to", "slope", "intercept"]
    assert out.splitlines()[-1] == f"wrote {path}"
    assert "pieces" not in answer(*given, "--json")[1]


def test_many_pieces_are_not_printed(answer: Answer) -> None:
    """Twelve pieces are printed; of more their number, and how to write them."""
    for hidden, printed in (("11", True), ("13", False)):
        _, out, _ = answer("fit", "x**2", "--solver", "spline", "--hidden", hidden)
        assert ("pieces:" in out, "pieces; --pieces FILE.csv" in out) == (printed, not printed)


def test_pieces_of_times_are_between_times(answer: Answer, tmp_path: Path) -> None:
    """The table of a fit of times shows times, and y where each piece begins."""
    path = tmp_path / "days.csv"
    path.write_text("t,v\n2024-01-01,1\n2024-01-02,3\n2024-01-03,5\n2024-01-04,4\n2024-01-05,3\n")
    _, out, _ = answer("fit", str(path), "--x", "t", "--y", "v", "--hidden", "2")
    title, names, *rows = out.splitlines()[-4:]
    assert title == "pieces, with slopes per second:"
    assert names.split() == ["from", "to", "slope", "y_from"]
    assert rows[0].split()[:2] == ["2024-01-01T00:00:00", "2024-01-03T00:00:00"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("fit", "sin", "--pieces", "pieces.txt"), "must end in .csv"),
        (("fit", "a.csv", "--x", "a", "--x", "b", "--y", "v", "--pieces", "pieces.csv"), "--pieces needs one --x"),
    ],
)
def test_pieces_that_cannot_be_written_are_refused_before_the_fit(
    answer: Answer, given: tuple[str, ...], sentence: str
) -> None:
    """The name of the file, and several inputs, are seen at once."""
    assert sentence in answer.refusal(*given)


def test_a_fit_that_follows_noise_is_warned_of(answer: Answer, tmp_path: Path) -> None:
    """Noise that grows with y makes units follow it: the line says so, and none does with weights of 1/variance."""
    rng = np.random.default_rng(0)
    t = np.sort(rng.uniform(0, 10, 300))
    y = np.exp(t) * (1 + 0.01 * rng.standard_normal(300))
    path = tmp_path / "growing.csv"
    path.write_text("t,v,w\n" + "".join(f"{a},{b},{1 / b**2}\n" for a, b in zip(t, y, strict=True)))
    given = ("fit", str(path), "--x", "t", "--y", "v")
    assert "the units follow noise" in answer(*given)[1]
    assert "the units follow noise" not in answer(*given, "--weight", "w")[1]
