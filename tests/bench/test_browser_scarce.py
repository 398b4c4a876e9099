"""Pages of little data, and pages without JavaScript, in a browser: each stands, and says what is missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import SETTLED, Browser
from journals import line, write
from pages import made, varied

from bench import report
from bench.analysis.runs import runs

FAILURES = [line(batch=n, status="OOM", seconds=None, reason="too large") for n in (32, 800)]
ONE_BACKEND = [line(batch=n) for n in (32, 800)]
ABSENT = {
    "convergence": "No training run of these values is in the journals.",
    "fits": "No fit of these values is in the journals.",
    "differences": "No fit of these values is in the journals.",
    "devices": "No GPU was measured on this machine",
}


@pytest.fixture
def without_scripts(browser: Browser) -> Iterator[Browser]:
    """The browser of a reader who allows no JavaScript."""
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    yield browser
    browser.command("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize(
    ("lines", "count", "points"),
    [([line()], "2 cases.", 1), (FAILURES, "3 cases.", 0), (ONE_BACKEND, "3 cases.", 2)],
    ids=["one case", "nothing but failures", "one backend"],
)
def test_little_data_is_shown(
    browser: Browser, tmp_path: Path, lines: list[dict[str, Any]], count: str, points: int
) -> None:
    """The table has each case, the backend that cannot run included; a chart has its points or says why it is empty."""
    write(tmp_path / "raw" / "m" / "20260101T000000Z-aaaa.jsonl", *lines)
    made(tmp_path)
    browser.open(tmp_path / "index.html")
    assert browser.run("return document.getElementById('count').textContent") == count
    assert len(browser.cells("backend")) == len(lines) + 1
    assert len(browser.drawn("time")) == points
    words = {name: browser.run("return document.querySelector(arguments[0]).textContent", f"#chart-{name} p")
             for name in ("time", *ABSENT)}  # fmt: skip
    assert [name for name, text in ABSENT.items() if text not in words[name]] == []
    if points:
        browser.show("time")
    else:
        assert words["time"] == "No time of these values is in the journals."
    browser.wait(SETTLED)
    browser.check_log()


@pytest.mark.parametrize(
    ("milliseconds", "labels"),
    [([3.7], ["3.7ms"]), ([3.6, 3.9], ["3.6ms", "3.9ms"]), ([0.3, 30], ["500µs", "1ms", "2ms", "5ms", "10ms", "20ms"])],
)
def test_times_of_any_span_have_labels(
    browser: Browser, tmp_path: Path, milliseconds: list[float], labels: list[str]
) -> None:
    """One time, two within a decade and two that are far apart each have numbers at the axis, not digits by chance."""
    lines = [line(batch=32 * 10**n, seconds=[found * 1e-3] * 8) for n, found in enumerate(milliseconds)]
    write(tmp_path / "raw" / "m" / "20260101T000000Z-aaaa.jsonl", *lines)
    made(tmp_path)
    browser.open(tmp_path / "index.html")
    browser.show("time")
    texts = browser.run('return CHARTS[0].embedded.view.scenegraph().toJSON().match(/"text":"[0-9.]+[mµ]?s"/g)')
    assert set(labels) <= {text.split('"')[3] for text in texts}


def test_two_runs_of_one_second_can_be_told_apart(browser: Browser, tmp_path: Path) -> None:
    """Two runs that began in one second are two choices, each with its own times."""
    for place, name in enumerate(("20260101T000000Z-aaaa", "20260101T000000Z-bbbb"), 1):
        write(tmp_path / "raw" / "m" / f"{name}.jsonl", line(seconds=[place * 1e-3] * 8))
    made(tmp_path, runs(tmp_path, ["20260101T000000Z-aaaa", "20260101T000000Z-bbbb"]))
    browser.open(tmp_path / "index.html")
    settings = [value for value in browser.options("select-setting") if value]
    times = []
    for setting in settings:
        browser.choose("select-setting", setting)
        times += [row["median"] for row in browser.drawn("time")]
    assert times == pytest.approx([1e-3, 2e-3])


def test_without_javascript_the_answer_can_be_read(without_scripts: Browser, tmp_path: Path) -> None:
    """The answer and main table are there, empty frames are not, and one sentence says what needs JavaScript."""
    varied(tmp_path)
    made(tmp_path)
    without_scripts.open(tmp_path / "index.html")
    text = without_scripts.run("return document.body.innerText")
    assert "Fastest for gradients of 800:" in text
    assert "gradient, N=800, us" in text
    assert "The table of all cases and the charts need JavaScript" in text
    hidden = "return ['controls', 'table', 'more', 'csv'].filter(id => document.getElementById(id).checkVisibility())"
    assert without_scripts.run(hidden) == []
    assert without_scripts.run("return typeof CHARTS") == "undefined"
    without_scripts.check_log()


def test_no_journal_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a journal there is no page, but one sentence on how to make a journal, and exit code 2."""
    with pytest.raises(SystemExit) as ended:
        report.main(["--results", str(tmp_path)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("bench.report: there are no finished cases under ")
    assert "run pytest bench --benchmark-only first" in said
    assert said.count("\n") == 1
    assert list(tmp_path.rglob("index.html")) == []
