"""Cells as float64: numbers, times, true and false, gaps, and what float64 does not tell apart."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from table_files import message, parquet_of, whole, written

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: tables cannot be read")


def test_numbers_survive_exactly(tmp_path: Path) -> None:
    """The shortest text of a float64 is read as that float64."""
    values = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.random.default_rng(1).integers(-200, 200, 1000)
    path = written(tmp_path, "t,v\n" + "".join(f"{float(v)!r},{i}\n" for i, v in enumerate(values)))
    np.testing.assert_array_equal(whole(path).x[:, 0], values)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-01-01", 1704067200.0),
        ("2024-01-01 10:00", 1704103200.0),
        ("2024-01-01T10:00:00.25", 1704103200.25),
        ("2024-01-01T10:00:00Z", 1704103200.0),
        ("2024-01-01T10:00:00+02:00", 1704096000.0),
        ("true", 1.0),
    ],
)
def test_times_and_truth_in_csv(tmp_path: Path, text: str, seconds: float) -> None:
    """Times in x become seconds since 1970, UTC where they name no zone; a gap may come first."""
    chunk = whole(written(tmp_path, f"t,v\n,true\n{text},false\n"))
    assert chunk.x.tolist() == [[seconds]]
    assert chunk.y.tolist() == [[0.0]]


def test_parquet_types(tmp_path: Path) -> None:
    """Integers, decimals, booleans, text of numbers and nulls become float64, over several row groups."""
    path = parquet_of(
        tmp_path,
        row_group_size=2,
        i=pyarrow.array([1, 2, None, 2**62, 5]),
        f=pyarrow.array([0.5, float("nan"), 1.0, 2.0, 3.0], pyarrow.float32()),
        d=pyarrow.array([Decimal("1.25")] * 5),
        b=pyarrow.array([True, False, True, True, False]),
        s=pyarrow.array(["1", "2", "3", " 4 ", "NA"]),
        c=pyarrow.array([7, 7, 7, 8, 8]).dictionary_encode(),
    )
    chunk = whole(path, ["i", "f", "d", "c"], ["s", "b"])
    np.testing.assert_array_equal(chunk.x, [[1, 0.5, 1.25, 7], [2.0**62, 2, 1.25, 8]])
    np.testing.assert_array_equal(chunk.y, [[1, 1], [4, 1]])
    assert chunk.dropped == 3


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_times(tmp_path: Path, unit: str) -> None:
    """Times and dates in parquet become seconds since 1970, exact if they are whole."""
    stamp = np.datetime64("2024-05-06T07:08:09", "s")
    path = parquet_of(
        tmp_path, t=pyarrow.array([stamp.astype(f"datetime64[{unit}]")]), day=[stamp.astype(object).date()], v=[1]
    )
    assert whole(path, ["t", "day"]).x.tolist() == [[float(stamp.astype(int)), 1714953600.0]]
    assert message(path, "v", "t").startswith("data.parquet: column 't' holds timestamp[")
    assert message(path, "v", "t").endswith("not numbers; times may stand in x only")


@pytest.mark.parametrize("gap", ["<NA>", "NaT", "?", ".", "-", " - "])
def test_more_gaps(tmp_path: Path, gap: str) -> None:
    """The marks that other programs write for a gap count as gaps if they are the whole cell."""
    chunk = whole(written(tmp_path, f"t,v\n1,{gap}\n-2,.5\n"))
    assert (chunk.x.tolist(), chunk.y.tolist(), chunk.dropped) == ([[-2.0]], [[0.5]], 1)


def test_integers_that_float64_does_not_tell_apart(tmp_path: Path) -> None:
    """Different integers equal in float64 are refused in x and rounded in y; nanoseconds of times are distinct."""
    for kind in ("int64", "uint64"):
        big = np.arange(28).astype(kind) + np.array(2**62 if kind == "int64" else 2**63, kind)
        says = f"column 't' holds {big[0]} and {big[1]}, which are equal in float64; subtract an integer from"
        for path in (
            parquet_of(tmp_path, t=big, v=big),
            written(tmp_path, "t,v\n" + "".join(f" {b},{b}\n" for b in big)),
        ):
            assert message(path) == f"{path.name}: {says} all of them, so that they are below 2^53"
    far = 1_700_000_000_000_000_000 + 1000 * np.arange(28)
    path = parquet_of(tmp_path, t=far, v=np.arange(28), small=np.arange(28))
    assert len(np.unique(whole(path).x)) == 28
    assert len(whole(path, "small", "t").y) == 28


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["9007199254740992", "9007199254740993", "1"], "number"),  # 2^53 itself
        (["9007199254740993", "9007199254740992", "0.5"], "number"),  # beside a decimal
        (["9007199254740993.0", "9.007199254740992e15", "-1"], "number"),
        (["100000000000000000000", "100000000000000000001", "1"], "number"),  # beyond 64 bits
        (["2024-01-01T00:00:00.000000001", "2024-01-01T00:00:00.000000002"], "time"),
        (["2024-01-01T00:00:00.000000001Z", "2024-01-01T00:00:00.000000002Z"], "time"),
    ],
)
def test_text_that_float64_does_not_tell_apart(tmp_path: Path, cells: list[str], kind: str) -> None:
    """Text that is equal in float64 is refused in x, with decimal commas too, and rounded in y."""
    for path in (
        written(tmp_path, "t,v\n" + "".join(f"{cell},1\n" for cell in cells)),
        written(
            tmp_path,
            "t;v\n" + "".join(f"{cell.replace('.', ',' if kind == 'number' else '.')};1,5\n" for cell in cells),
        ),
        parquet_of(tmp_path, t=cells, v=[1] * len(cells)),
    ):
        assert f"column 't' holds {cells[0][:10]}" in message(path).replace("9007199254740993 and 9007199254740992", "")
        assert "which are equal " + {"number": "in float64", "time": "as float64"}[kind] in message(path)
        if kind == "number" and path.suffix == ".csv":
            assert len(whole(path, "v", "t").y) == len(cells)


def test_typed_columns_that_float64_does_not_tell_apart(tmp_path: Path) -> None:
    """Decimals and times in parquet that are equal in float64 are refused."""
    decimals = [Decimal(2**62), Decimal(2**62 + 1), Decimal("0.5")]
    times = pyarrow.array([10**18, 10**18 + 1, None], pyarrow.timestamp("ns", "Europe/Berlin"))
    path = parquet_of(tmp_path, d=decimals, t=times, v=[1, 2, 3])
    assert "4611686018427387904 and 4611686018427387905, which are equal in float64" in message(path, "d")
    assert "2001-09-09T01:46:40.000000001, which are equal as float64 seconds" in message(path, "t")
