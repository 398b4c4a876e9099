"""The history on the page: times over the runs with the band of A/A noise, and what became faster or slower."""

from pathlib import Path

import pytest
from browser import Browser
from compared import journal
from journals import MACHINE, write_aa
from pages import made

OLD, NEW = "20260101T000000Z-bbbb", "20260102T000000Z-cccc"

LISTED = "return [...document.querySelectorAll('#changed tbody tr')].map(e => [...e.children].map(c => c.textContent))"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A page of two runs: numba takes twice as long in the second one, with another version."""
    steady = {"numpy": 1e-3, "torch-cpu": 2e-3, "jax-cpu": 3e-3}
    for name, seconds, version in ((OLD, 1e-4, "0.61"), (NEW, 2e-4, "0.62")):
        machine = {**MACHINE, "packages": {"numba": version}}
        journal(tmp_path, name, {**steady, "numba": seconds}, machine=machine)
    write_aa(tmp_path / "raw" / "m", 1.1)
    made(tmp_path)
    return tmp_path / "index.html"


def test_a_change_is_listed_and_drawn(browser: Browser, path: Path) -> None:
    """The slower backend is listed with the version that changed, follows the selection, and its times are drawn."""
    browser.open(path)
    rows = browser.run(LISTED)
    assert {(row[0], *row[4:]) for row in rows} == {("numba", NEW, OLD)}
    assert {row[1] for row in rows} == {f"gradient N = {n}" for n in (100, 200, 400, 800)}
    assert all(row[2].startswith("SLOWER, 2") and row[3] == "numba: 0.62, was 0.61" for row in rows)
    browser.choose("select-family", "numba")
    points = browser.drawn("history")
    assert [row["run"] for row in points] == [OLD, NEW]
    assert all(row["noise_low"] < row["median"] < row["noise_high"] for row in points)
    assert "Bands: what the newest A/A run" in browser.run(
        "return document.querySelector('#chart-history p').textContent"
    )
    browser.choose("select-family", "numpy")
    assert browser.run(LISTED) == []
    assert "None of the selected cases" in browser.run("return document.getElementById('changes-count').textContent")
    browser.check_log()
