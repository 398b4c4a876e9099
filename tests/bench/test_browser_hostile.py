"""Pages of hostile journals in a browser: each text is shown as it is, none becomes an element, script or request.

What such journals do to Markdown, CSV, the terminal and the text of the page is in test_fuzz.py.
"""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import SETTLED, Browser
from damaged import extreme_lines, hostile_lines
from pages import HOSTILE, NAMES, hostile, made

from bench.reporting.web.dataset import in_json

ELEMENTS = {
    "HTML", "HEAD", "META", "TITLE", "STYLE", "BODY", "HEADER", "MAIN", "NAV", "SECTION", "H1", "H2", "H3", "H4", "P",
    "A", "UL", "LI", "DL", "DT", "DD", "DETAILS", "SUMMARY", "DIV", "FORM", "LABEL", "SELECT", "OPTION", "INPUT",
    "BUTTON", "NOSCRIPT", "TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "CAPTION", "STRONG", "FIGURE", "CANVAS",
    "SCRIPT", "svg", "line", "path",
}  # fmt: skip
CONTROLS = ("optimizer", "dtype", "target")  # kinds of work that nobody knows are in no table
CHARTS = ("time", "rate", "convergence", "fits", "differences", "history")
# Point at the marks of the chart of times, one after the other; returns the texts of the tooltips.
HOVER = """
const chart = CHARTS.find((each) => each.id === "time"), { view } = chart.embedded, around = view.padding();
const [left, top] = [view.origin()[0] + around.left, view.origin()[1] + around.top];
const canvas = chart.place.querySelector("canvas"), box = canvas.getBoundingClientRect();
return chart.current.rows.map((row) => {
  const [x, y] = [view.scale("x")(row.batch), view.scale("y")(row.median)];
  const place = { clientX: box.x + left + x, clientY: box.y + top + y };
  canvas.dispatchEvent(new PointerEvent("pointermove", { ...place, bubbles: true }));
  return document.querySelector("#vg-tooltip-element.visible td.value")?.textContent;
});"""


def check_harmless(browser: Browser) -> None:
    """No text has become an element, an attribute that runs, a script, a property of every object, or a request."""
    assert set(browser.run("return [...document.querySelectorAll('*')].map(e => e.tagName)")) <= ELEMENTS
    attributes = browser.run("return [...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())")
    assert [name for name in attributes if name.startswith("on")] == []
    links = browser.run("return [...document.links].map(a => a.getAttribute('href'))")
    assert [link for link in links if not link.startswith(("#", "raw/", "tables/"))] == []
    assert browser.run("return document.scripts.length") == 6
    assert browser.run("return typeof hacked") == "undefined"
    assert browser.run("return Object.keys(Object.prototype)") == []
    browser.check_log()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a journal in which every text that may be hostile is."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile(folder)
    made(folder)
    return folder / "index.html"


def test_hostile_texts_are_shown_as_they_are(browser: Browser, path: Path) -> None:
    """Names stand literally in the table, controls, legends, tooltips and data of charts; reasons in the table."""
    browser.open(path)
    browser.run("const more = document.getElementById('more'); while (!more.hidden) more.click();")
    assert set(NAMES) <= set(browser.cells("backend"))
    reasons = {text.partition(";")[0] for text in browser.cells("reason")}
    in_one_line = {"".join(sign if sign.isprintable() else " " for sign in text).strip() for text in HOSTILE}
    assert {text.partition(";")[0] for text in in_one_line} <= {text.strip() for text in reasons}
    for control in CONTROLS:
        texts = browser.run("return [...document.getElementById(arguments[0]).options].map(o => o.textContent)",
                            f"select-{control}")  # fmt: skip
        assert set(NAMES) <= set(texts), control
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for name in CHARTS:
        browser.show(name)
    for parts in (".legend li", "tbody td:first-child"):
        texts = browser.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)",
                            f"#chart-time {parts}")  # fmt: skip
        assert set(NAMES[1::2]) <= set(texts), parts  # the others could not run, by the first line
    browser.show("time")
    tooltips = set(browser.run(HOVER)) - {None}
    assert tooltips
    assert tooltips <= {*NAMES, "numpy"}
    check_harmless(browser)


def test_no_selection_of_hostile_values_runs_anything(browser: Browser, path: Path) -> None:
    """Each hostile value of a control selects its rows, and each text in the address stays a text."""
    choosing = """const field = fields.get(arguments[0]), values = [...field.options].map((option) => option.value);
      return values.filter((value) => { choose(arguments[0], value); return selection[arguments[0]] === value; });"""
    browser.open(path)
    for control in CONTROLS:
        assert set(NAMES) <= set(browser.run(choosing, control))
        browser.choose(f"select-{control}", "")
    for text in HOSTILE:
        browser.run("location.hash = new URLSearchParams({ search: arguments[0], work: arguments[0] })", text)
        browser.wait(f"selection.search === {in_json(text)}")
    browser.wait(SETTLED)
    check_harmless(browser)


def test_no_cell_of_the_csv_is_computed(browser: Browser, path: Path) -> None:
    """The download has every row, and a text that a spreadsheet would compute begins with a '."""
    browser.open(path)
    head, *rows = csv.reader(io.StringIO(browser.run("return csv()")))
    assert len(rows) == browser.run("return parts.cases.length")
    assert {len(row) for row in rows} == {len(head)}
    names = {row[head.index("backend")] for row in rows}
    assert {f"'{name}" if name[0] in "=+-@" else name for name in NAMES} <= names
    assert [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))] == []


@pytest.mark.parametrize("lines", [hostile_lines, extreme_lines], ids=["texts", "numbers"])
def test_damaged_journals_are_drawn(browser: Browser, tmp_path: Path, lines: Callable[[], list[bytes]]) -> None:
    """The page of a hostile text or an extreme number in any field of a journal has its charts, without an error."""
    (folder := tmp_path / "raw" / "a machine").mkdir(parents=True)
    (folder / "r.jsonl").write_bytes(b"\n".join(lines()))
    made(tmp_path)
    browser.open(tmp_path / "index.html")
    for work in browser.options("select-work"):
        browser.choose("select-work", work)
        for name in ("time", "convergence", "differences"):
            browser.run("document.getElementById(arguments[0]).scrollIntoView()", f"chart-{name}")
            browser.wait(SETTLED)
    check_harmless(browser)
