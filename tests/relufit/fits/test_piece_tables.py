"""The table of the pieces: printed, as a .csv file, and as a data frame."""

from pathlib import Path

import numpy as np
import pytest

from relufit import PiecewiseLinear, RelufitError

HAT = PiecewiseLinear([0.0, 1.0, 3.0], [0.0, 2.0, 1.0], right_slope=0.0)
TWO = PiecewiseLinear([0.0, 1.0], [[0.0, 1.0], [1.0, 1.0]])


def test_the_table_is_aligned() -> None:
    """A row for each piece, and a line for a slope outside that is another."""
    assert str(HAT).splitlines() == [
        "from  to  slope  intercept",
        "   0   1      2          0",
        "   1   3   -0.5        2.5",
        "right of these pieces the slope is 0.0",
    ]
    assert str(TWO).splitlines()[0].split() == ["from", "to", "slope_0", "slope_1", "intercept_0", "intercept_1"]


def test_breaks_are_told_apart() -> None:
    """Breaks have the digits that this takes, and no more."""
    lines = str(PiecewiseLinear(1.7e9 + np.array([0.0, 1.0, 2.0]), [1.0, 2.0, 1.0])).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["1700000000", "1700000001"], ["1700000001", "1700000002"]]


def test_a_long_table_is_cut() -> None:
    """Of a hundred pieces the first and the last ten are shown."""
    lines = str(PiecewiseLinear(np.arange(101.0), np.arange(101.0) ** 2)).splitlines()
    assert len(lines) == 22
    assert lines[11].split() == ["..."] * 4
    assert len({len(line) for line in lines}) == 1


def test_a_csv_file_reads_back(tmp_path: Path) -> None:
    """The numbers of the file are those of the function, to the last bit."""
    x = np.sort(np.random.default_rng(0).normal(size=9))
    function = PiecewiseLinear(x, np.sin(x))
    function.to_csv(tmp_path / "pieces.csv")
    found = np.genfromtxt(tmp_path / "pieces.csv", delimiter=",", names=True)
    assert found.dtype.names == ("from", "to", "slope", "intercept", "y_from", "y_to")
    again = PiecewiseLinear(np.append(found["from"], found["to"][-1]), np.append(found["y_from"], found["y_to"][-1]))
    assert again == function
    np.testing.assert_array_equal(found["slope"], function.slopes)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(RelufitError, match="it is a folder"):
        function.to_csv(tmp_path / "folder.csv")


def test_a_data_frame_has_the_same_columns() -> None:
    """Several outputs have numbered columns."""
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame = TWO.to_frame()
    names = [
        "from",
        "to",
        "slope_0",
        "slope_1",
        "intercept_0",
        "intercept_1",
        "y_from_0",
        "y_from_1",
        "y_to_0",
        "y_to_1",
    ]
    assert list(frame.columns) == names
    assert frame.loc[0, "y_to_1"] == 1.0
