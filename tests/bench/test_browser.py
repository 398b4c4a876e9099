"""The page in a browser without a network: every control does what it says, the address keeps it, at every width."""

from pathlib import Path

import pytest
from browser import COLUMNS, SETTLED, Browser
from pages import made, varied


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two machines."""
    folder = tmp_path_factory.mktemp("page")
    varied(folder)
    made(folder)
    return folder / "index.html"


def test_the_page_is_drawn_without_a_network(browser: Browser, path: Path) -> None:
    """Every chart is drawn from the file alone, without an error; each has its data and its legend in text."""
    browser.open(path)
    browser.choose("select-threads", "threads as installed")
    for name in ("time", "rate", "convergence", "fits", "differences", "history"):
        browser.show(name)
        browser.run("document.querySelector(arguments[0]).open = true", f"#chart-{name} details")
        browser.wait(f"document.querySelectorAll('#chart-{name} tbody tr').length > 0")
        assert browser.run("return document.querySelectorAll(arguments[0]).length", f"#chart-{name} .legend li") > 0
    assert "No GPU was measured" in browser.run("return document.querySelector('#chart-devices p').textContent")
    assert browser.run("return CHARTS.find(c => c.id === 'time').current.crossings.length") == 1
    assert browser.run("return document.querySelector('#controls').hidden") is False
    browser.check_log()


def test_charts_say_what_else_they_show(browser: Browser, path: Path) -> None:
    """Crossovers stand in words above the chart of times; functions and the errors of best splines in the legends."""
    legend = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)"
    browser.open(path)
    shown = browser.run("return document.querySelector('#chart-time p').textContent")
    assert "Bands: 95 % intervals." in shown
    assert "Grey: torch-cpu overtakes numpy at N = " in shown
    assert browser.run(legend, "#chart-fits .legend li")[-1] == "function"
    assert browser.run(legend, "#chart-convergence .legend li")[-1] == "best spline"
    assert "+ error of the best spline" in browser.run(legend, "#chart-differences .legend li")


def test_controls_and_names_stay_in_view(browser: Browser, path: Path) -> None:
    """On a large screen the controls stay above the charts, and names of backends stay beside their rows."""
    top = "return document.getElementById('controls').getBoundingClientRect().top"
    left = "return document.querySelector('#table tbody th').getBoundingClientRect().left"
    browser.open(path)
    browser.show("fits")
    assert browser.run(top) == 0
    assert browser.run("return document.querySelector('#chart-fits').getBoundingClientRect().top") > 100
    browser.run("document.getElementById('table').scrollIntoView()")
    before = browser.run(left)
    browser.run("document.getElementById('table').scrollLeft = 500")
    assert browser.run(left) == before
    browser.size(360)
    browser.show("fits")
    assert browser.run(top) < 0


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("work", "work", "gradient"), ("hidden", "hidden", "64"), ("dtype", "dtype", "float64"),
        ("threads", "threads", "1 thread"), ("optimizer", "optimizer", "sgd"),
    ],
)  # fmt: skip
def test_a_control_filters_table_and_charts(browser: Browser, path: Path, name: str, column: str, value: str) -> None:
    """The table shows the rows of the chosen value, and those for which it has no meaning; charts follow."""
    browser.open(path)
    before = len(browser.cells("backend"))
    browser.choose(f"select-{name}", value)
    found = browser.cells(column)
    assert value in found
    assert set(found) <= {value, ""}
    assert 0 < len(found) < before
    assert f"{name}={value}".replace(" ", "+") in browser.run("return location.hash")
    shown = browser.run("return document.querySelector('#chart-time p').textContent")
    assert (f"H = {value}" if name == "hidden" else value) in shown
    assert browser.drawn("time")


def test_family_search_machine_setting_and_function(browser: Browser, path: Path) -> None:
    """The other controls: a family of backends, a text in the name, a machine, a run with its setting, a function."""
    browser.open(path)
    browser.choose("select-family", "torch")
    assert {name.partition("-")[0] for name in browser.cells("backend")} == {"torch"}
    assert {row["series"] for row in browser.drawn("time")} == {"torch-cpu"}
    browser.choose("select-family", "")
    browser.choose("search", "NUMPY")
    assert set(browser.cells("backend")) == {"numpy"}
    browser.choose("search", "")
    browser.choose("select-target", "square")
    assert "square" in browser.run("return document.querySelector('#chart-fits p').textContent")
    setting = next(value for value in browser.options("select-setting") if "threads-1" in value)
    browser.choose("select-setting", setting)
    assert {text.partition(",")[0] for text in browser.cells("run")} == {"1 thread"}
    assert {row["run"] for row in browser.drawn("history")} == {"20260102T000000Z-bbbb"}
    browser.choose("select-machine", "b-machine")
    assert "torch-cuda" in browser.cells("backend")
    assert {row["series"] for row in browser.drawn("devices")} == {"fastest on cpu", "fastest on cuda"}
    browser.show("devices")
    browser.check_log()


def test_the_address_keeps_the_selection(browser: Browser, path: Path) -> None:
    """Loaded with the address of a selection, the page shows it; what an address makes up is left out."""
    browser.open(path)
    for name, value in (("select-work", "step"), ("select-optimizer", "adam"), ("search", "torch")):
        browser.choose(name, value)
    browser.run("document.querySelectorAll('#table th button')[7].click()")
    address, rows = browser.run("return location.hash"), browser.cells("backend")
    browser.open(path, address)
    assert browser.cells("backend") == rows
    assert browser.run("return document.getElementById('select-work').value") == "step"
    assert browser.run("return document.getElementById('search').value") == "torch"
    assert browser.run("return document.querySelector('#table th[aria-sort=ascending]').textContent") == "time"
    browser.open(path, "#work=%3Cscript%3E&machine=../x&hidden=__proto__&sort=-nothing")
    assert len(browser.cells("backend")) > len(rows)
    assert browser.run("return document.getElementById('select-work').value") == ""
    browser.run("document.querySelector('nav a').click()")
    assert browser.run("return document.querySelector('#answer').getBoundingClientRect().top") < 100
    browser.check_log()


def test_numbers_sort_as_numbers(browser: Browser, path: Path) -> None:
    """A header sorts up, then down, by keys too; what is absent stands at the end both times."""
    from selenium.webdriver.common.keys import Keys

    browser.open(path)
    button = f"document.querySelectorAll('#table th button')[{COLUMNS.index('batch')}]"
    for direction, falls in (("ascending", False), ("descending", True)):
        browser.run(f"{button}.focus()")
        browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        assert browser.run(f"return {button}.parentElement.ariaSort") == direction
        assert browser.run(f"return document.activeElement === {button}")
        texts = browser.cells("batch")
        numbers = [int(text.replace("\u00a0", "")) for text in texts if text]
        assert numbers == sorted(numbers, reverse=falls)
        assert {32, 800, 65536} <= set(numbers)
        assert texts[len(numbers) :] == [""] * (len(texts) - len(numbers))
        assert len(texts) > len(numbers)


def test_dark_and_light(browser: Browser, path: Path) -> None:
    """The page and its charts follow the scheme that the reader prefers, also when that changes."""
    browser.open(path)
    colours = {"dark": ("#e6e8eb", "rgb(20, 23, 26)"), "light": ("#1b1f24", "rgb(255, 255, 255)")}
    for name, (label, back) in colours.items():
        browser.scheme(name)
        browser.show("time")
        # Charts are drawn anew after the scheme has changed; one that keeps the old colour ends the wait in an error.
        browser.wait(f"CHARTS[0].embedded?.view.scenegraph().toJSON().includes('{label}')")
        assert browser.run("return getComputedStyle(document.body).backgroundColor") == back


def test_charts_are_as_fine_as_the_screen(browser: Browser, path: Path) -> None:
    """A chart has a pixel for each pixel of the screen, also after the reader has zoomed."""
    pixels = (
        "document.querySelector('#chart-time canvas')?.width / document.querySelector('#chart-time canvas').offsetWidth"
    )
    browser.open(path)
    for scale in (1, 2, 3):
        browser.size(1800 // scale, scale=scale)  # as when a reader zooms
        browser.show("time")
        browser.wait(f"Math.abs({pixels} - {scale}) < 0.01")


def test_a_chart_fits_after_it_was_hidden(browser: Browser, path: Path) -> None:
    """A chart that shows nothing while the window becomes narrower fits into it afterwards."""
    browser.open(path)
    browser.show("time")
    browser.choose("search", "no such backend")
    assert browser.run("return document.querySelector('#chart-time .chart').hidden") is True
    browser.size(600)
    browser.choose("search", "")
    browser.show("time")
    assert 500 < browser.run("return document.querySelector('#chart-time canvas').offsetWidth") < 600


def test_only_charts_with_other_rows_are_drawn(browser: Browser, path: Path) -> None:
    """A change that concerns training alone leaves the chart of times as it is, and draws that of training."""
    browser.open(path)
    browser.show("convergence")
    browser.run("for (const chart of CHARTS) chart.legend.firstChild?.setAttribute('data-before', '')")
    browser.choose("select-target", "square")
    kept = "return document.querySelector(arguments[0]) !== null"
    assert browser.run(kept, "#chart-time .legend [data-before]") is True
    assert browser.run(kept, "#chart-convergence .legend [data-before]") is False
    browser.wait(SETTLED)


def test_the_keyboard_reaches_everything(browser: Browser, path: Path) -> None:
    """By Tab alone a reader comes to every link, control, table and fold, each with a visible outline."""
    from selenium.webdriver.common.keys import Keys

    browser.open(path)
    browser.run("document.activeElement.blur()")
    visited, outlines = set(), set()
    reachable = "a[href], button:not([hidden]), select, input, summary, .scroll"
    script = """const e = document.activeElement, all = [...document.querySelectorAll(arguments[0])];
      return [all.indexOf(e), getComputedStyle(e).outlineStyle, e.getBoundingClientRect().top >= 0];"""
    number = browser.run("return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).length",
                         reachable)  # fmt: skip
    for _ in range(number):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        place, outline, is_below_top = browser.run(script, reachable)
        visited.add(place)
        outlines.add(outline)
        assert is_below_top
    assert len(visited - {-1}) == number
    assert "none" not in outlines


@pytest.mark.parametrize("width", [360, 1600])
def test_no_width_scrolls_sideways(browser: Browser, path: Path, width: int) -> None:
    """On a telephone and on a large screen only tables scroll sideways, each in its own frame; charts fit."""
    browser.size(width)
    browser.open(path)
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for name in ("time", "history"):
        browser.show(name)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    widths = browser.run(
        "return [...document.querySelectorAll('.chart canvas')].map(c => c.getBoundingClientRect().right)"
    )
    assert widths
    assert max(widths) <= width
    if width == 360:
        browser.run("document.getElementById('table').scrollIntoView()")  # out of view it is not laid out
        browser.wait("document.getElementById('table').scrollWidth > document.getElementById('table').clientWidth")


def test_the_rows_of_the_table_as_csv(browser: Browser, path: Path) -> None:
    """The link gives the rows that are selected, made in the page."""
    browser.open(path)
    browser.choose("select-work", "gradient")
    browser.run("document.querySelector('#csv a').addEventListener('click', e => e.preventDefault());"
                "document.querySelector('#csv a').click()")  # fmt: skip
    assert browser.run("return document.querySelector('#csv a').href").startswith("blob:")
    head, *lines = browser.run("return csv()").splitlines()
    assert head.startswith("backend,work,optimizer,batch,hidden,dtype,threads,median_us,")
    assert len(lines) == len(browser.cells("backend"))
    assert browser.run("return inCsv('=1+1') + inCsv('a,\"b')") == '\'=1+1"a,""b"'
