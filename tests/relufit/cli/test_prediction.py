"""`relufit predict` of times: what it takes, how it prints them, and what it says about x of another type."""

import json
from pathlib import Path

import numpy as np
import pytest

from relufit import cli
from relufit.export import save_params
from relufit.files import fit_file
from relufit.network.params import init_params
from relufit.reading.columns import NUMBER, TIME, ZONED, Columns

DAYS = np.datetime64("2026-10-01") + np.arange(40)
CELLS = {  # of each type of x, and of no type that was saved
    TIME: [f"{day}T00:00:00" for day in DAYS],
    ZONED: [f"{day}T02:00:00+02:00" for day in DAYS],
    NUMBER: [str(day.astype("datetime64[s]").astype(int)) for day in DAYS],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table and a network of one line for each type of x; and a network in a file without columns."""
    folder = tmp_path_factory.mktemp("tables")
    for column_type, cells in CELLS.items():
        table = folder / f"{column_type}.csv"
        table.write_text("day,load\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)))
        found = fit_file(table, x="day", y="load", hidden=1, test_fraction=0)
        found.save(folder / f"{column_type}.safetensors")
    save_params(found.params, folder / "old.safetensors")
    return folder


class Answer:
    """What `relufit predict` prints: lines of stdout, and stderr."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def __call__(self, network: str, *given: str, code: int = 0) -> tuple[list[str], str]:
        with pytest.raises(SystemExit) as end:
            cli.main(["predict", str(self.folder / f"{network}.safetensors"), *given])
        assert (end.value.code or 0) == code
        out, err = self.capsys.readouterr()
        assert not (code and out)
        return out.splitlines(), err.removeprefix("relufit: ").rstrip("\n")


@pytest.fixture
def predict(folder: Path, capsys: pytest.CaptureFixture[str]) -> Answer:
    return Answer(folder, capsys)


@pytest.mark.parametrize(
    ("network", "table", "says"),
    [
        (
            ZONED,
            TIME,
            "has no time zone and is read as UTC; the network was fitted to times with a zone (column 'day')",
        ),
        (TIME, ZONED, "has a time zone; the network was fitted to times without a zone (column 'day'), read as UTC"),
        (
            ZONED,
            NUMBER,
            "holds numbers, read as seconds since 1970 UTC; the network was fitted to times (column 'day')",
        ),
        (TIME, NUMBER, "holds numbers, read as seconds since 1970 UTC"),
        ("old", TIME, "holds times, read as seconds since 1970 UTC; the network's file does not say what it was"),
        ("old", NUMBER, ""),
        *((column_type, column_type, "") for column_type in CELLS),
    ],
)
def test_a_column_of_another_type_is_reported(predict: Answer, network: str, table: str, says: str) -> None:
    """One line on stderr says so; the output is that for the same seconds, and x is printed as times or as numbers."""
    rows, err = predict(network, str(predict.folder / f"{table}.csv"), "--x", "day")
    assert err.startswith(f"column 'day' {says}" if says else "")
    assert bool(err) == bool(says)
    assert "\n" not in err
    first = {TIME: "2026-10-01T00:00:00", ZONED: "2026-10-01T00:00:00Z", NUMBER: "1790812800.0"}[table]
    assert rows[0].split(",")[0] == first
    assert [float(row.split(",")[1]) for row in rows] == pytest.approx(np.arange(40), abs=1e-6)


@pytest.mark.parametrize("table", [TIME, ZONED])
def test_times_for_a_network_of_numbers_are_refused(predict: Answer, table: str) -> None:
    """Times are refused where numbers were fitted, since these need not be seconds."""
    _, err = predict(NUMBER, str(predict.folder / f"{table}.csv"), "--x", "day", code=2)
    assert err.startswith("column 'day' holds times, and the network was fitted to numbers (column 'day'); give")


@pytest.mark.parametrize(
    ("network", "at", "x", "y"),
    [
        (TIME, "2026-10-03", ["2026-10-03T00:00:00"], [2]),
        (TIME, "2026-10-12", ["2026-10-12T00:00:00"], [11]),  # as an expression this would be 2004
        (TIME, " 2026-10-03 12:00 , 2026-10-04T06", ["2026-10-03T12:00:00", "2026-10-04T06:00:00"], [2.5, 3.25]),
        (TIME, "2026-10-03T00:00:00.25", ["2026-10-03T00:00:00.25"], [2]),
        (
            ZONED,
            "2026-10-03T12:00+02:00,2026-10-03T00:00Z",
            ["2026-10-03T10:00:00Z", "2026-10-03T00:00:00Z"],
            [58 / 24, 2],
        ),
        (ZONED, "2026-W40-6T00Z", ["2026-10-03T00:00:00Z"], [2]),
        (NUMBER, "1790812800+86400*2,1790812800", [1790985600.0, 1790812800.0], [2, 0]),
    ],
)
def test_values_may_be_times(predict: Answer, network: str, at: str, x: list[object], y: list[float]) -> None:
    """--at takes times in ISO 8601; they are printed in UTC, with a Z if they had a zone, and as strings in JSON."""
    rows, err = predict(network, f"--at={at}", "--json")
    found = [json.loads(row) for row in rows]
    assert [row["x"] for row in found] == [[one] for one in x]
    assert [row["y"][0] for row in found] == pytest.approx(y, abs=1e-4)
    assert err == ""
    assert [row.split(",")[0] for row in predict(network, f"--at={at}")[0]] == list(map(str, x))


def test_values_of_another_type_are_reported(predict: Answer) -> None:
    """A line on stderr says where the values of --at have another type than the column fitted."""
    assert predict(ZONED, "--at=2026-10-03")[1].startswith("--at has no time zone and is read as UTC; the network")
    assert predict(TIME, "--at=2026-10-03T00:00Z")[1].startswith("--at has a time zone; the network was fitted to")
    assert predict(TIME, "--at=20261003")[1].startswith("--at holds numbers, read as seconds since 1970 UTC; the")
    assert predict("old", "--at=2026-10-03")[1].startswith("--at holds times, read as seconds since 1970 UTC; the")


@pytest.mark.parametrize(
    "at",
    ["2026-13-02", "2026-1-5", "12:30", "2026-10-02T25:00", "2026-10", "02.10.2026", "10/02/2026", "2 Oct 2026", "now",
     "2026-10-02,12:30", "2026-10-02T12:30:12 CEST", "2026-10-02T12:30:12[Europe/Berlin]", "5pm", "October 2, 2026"],
)  # fmt: skip
def test_what_looks_like_a_time_gets_a_sentence_about_times(predict: Answer, at: str) -> None:
    """The error shows how to write times where times were fitted, and says so where numbers were fitted."""
    for network in (TIME, ZONED):
        _, err = predict(network, f"--at={at}", code=2)
        assert err.endswith("is not a time in ISO 8601; write times as 2026-10-02, 2026-10-02T12:30:12 or "
                            "2026-10-02T12:30:12+02:00")  # fmt: skip
    if at != "2026-10":
        assert "looks like a time, and the network was fitted to numbers" in predict(NUMBER, f"--at={at}", code=2)[1]


@pytest.mark.parametrize("at", ["2026-10-02T12:30:12", "2026-10-02", "2026-10-12", "2026-10-02T12:30:12Z,1"])
def test_times_where_numbers_were_fitted_get_a_sentence(predict: Answer, at: str) -> None:
    """The error names times, not octal integers; a difference of two numbers is still a number."""
    assert "looks like a time, and the network was fitted to numbers; give" in predict(NUMBER, f"--at={at}", code=2)[1]
    assert predict(NUMBER, "--at=2026-10")[0][0].startswith("2016.0,")


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("2026-10-02,3", "--at takes either numbers or times, and '2026-10-02,3' mixes them"),
        (
            "2026-10-02,2026-10-02T00:00Z",
            "--at holds times with a zone and times without; give a zone for all of them or",
        ),
    ],
)
def test_mixed_values_are_refused(predict: Answer, at: str, says: str) -> None:
    """Numbers mixed with times are refused, and so are times with a zone mixed with times without."""
    assert predict(TIME, f"--at={at}", code=2)[1].startswith(says)


def test_columns_in_another_order_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The names fitted must come in the order fitted; other names are allowed."""
    save_params(init_params(4, 2), tmp_path / "a.safetensors", Columns(("a", "b"), ("v",), (NUMBER, NUMBER)))
    (tmp_path / "a.csv").write_text("a,b,c\n1,2,3\n")
    answer = Answer(tmp_path, capsys)
    table = str(tmp_path / "a.csv")
    says = "the network was fitted to a, b; give --x in that order"
    assert answer("a", table, "--x", "b", "--x", "a", code=2)[1] == says
    assert len(answer("a", table, "--x", "a", "--x", "b")[0]) == 1  # of float32 weights
    assert len(answer("a", table, "--x", "b", "--x", "c")[0]) == 1
