"""The page in a browser without a network: every control does what it says, the address keeps it, in light and dark.

Where Chromium or selenium is missing these tests are skipped; RELUFIT_REQUIRE=browser turns that into a failure.
"""

import json
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pages import NAMES, Read, hostile, made, varied

from bench.reporting.web.dataset import in_json

MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
MISSING += [name for name in ("selenium", "altair", "vl_convert") if find_spec(name) is None]
REQUIRED = bool(os.environ.get("RELUFIT_REQUIRE_BROWSER"))  # set by tests/conftest.py
pytestmark = pytest.mark.skipif(bool(MISSING) and not REQUIRED, reason=f"no page in a browser: {MISSING} is missing")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
)
OFFLINE = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
COLUMNS = ("backend", "work", "optimizer", "batch", "hidden", "dtype", "threads", "median", "roof", "error", "status",
           "detail", "reason", "run")  # fmt: skip


class Browser:
    """Chromium without a network."""

    def __init__(self) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for option in OPTIONS:
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.opened = {"about:blank"}
        self.command("Network.enable")
        self.command("Network.emulateNetworkConditions", **OFFLINE)

    def command(self, name: str, **values: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, values)

    def size(self, width: int, height: int = 900) -> None:
        """Make the window so large."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def scheme(self, name: str) -> None:
        """Make the reader prefer a light or a dark scheme."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def open(self, path: Path, address: str = "") -> None:
        """Load the page anew."""
        self.opened.add(path.as_uri())
        self.driver.get("about:blank")
        self.driver.get(f"{path.as_uri()}{address}")

    def run(self, script: str, *values: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *values)

    def choose(self, name: str, value: str) -> None:
        """Choose an option of a control as a reader does."""
        change = "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
        self.run(f"{change} e.dispatchEvent(new Event(e.type === 'search' ? 'input' : 'change'));", name, value)

    def options(self, name: str) -> list[str]:
        """The values that a control offers."""
        found: list[str] = self.run("return [...document.getElementById(arguments[0]).options].map(o => o.value)", name)
        return found

    def cells(self, column: str) -> list[str]:
        """The texts of a column of the table of cases."""
        script = "return [...document.querySelectorAll('#table tbody tr')].map(r => r.cells[arguments[0]].textContent)"
        found: list[str] = self.run(script, COLUMNS.index(column))
        return found

    def drawn(self, name: str) -> list[dict[str, Any]]:
        """The rows that a chart shows."""
        found: list[dict[str, Any]] = self.run("return CHARTS.find(c => c.id === arguments[0]).current.rows", name)
        return found

    def wait(self, condition: str) -> Any:
        """Wait until a script returns something true."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, 20, 0.05).until(lambda _: self.run(f"return {condition}"))

    def show(self, name: str) -> None:
        """Bring a chart into view, and wait until it is drawn."""
        self.run("document.getElementById(arguments[0]).scrollIntoView()", f"chart-{name}")
        self.wait(f"document.querySelector('#chart-{name} .chart svg path') !== null")

    def check_log(self) -> None:
        """No error was logged, and nothing was asked for but the pages themselves."""
        assert [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"] == []
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [
            found["params"]["request"]["url"] for found in messages if found["method"] == "Network.requestWillBeSent"
        ]
        assert set(asked) <= self.opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    if MISSING:
        pytest.fail(f"RELUFIT_REQUIRE names browser, but {', '.join(MISSING)} is missing", pytrace=False)
    found = Browser()
    yield found
    found.driver.quit()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two machines."""
    folder = tmp_path_factory.mktemp("page")
    varied(folder)
    made(folder)
    return folder / "index.html"


@pytest.fixture(autouse=True)
def usual(browser: Browser) -> None:
    """A window of usual size in the light scheme, whatever the test before has done."""
    browser.size(1200)
    browser.scheme("light")


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
        browser.wait(f"document.querySelector('#chart-time .role-axis-label text')?.getAttribute('fill') === '{label}'")
        assert browser.run("return getComputedStyle(document.body).backgroundColor") == back


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
        "return [...document.querySelectorAll('.chart svg')].map(s => s.getBoundingClientRect().right)"
    )
    assert widths
    assert max(widths) <= width
    if width == 360:
        browser.run("document.getElementById('table').scrollIntoView()")  # out of view it is not laid out
        browser.wait("document.getElementById('table').scrollWidth > document.getElementById('table').clientWidth")


def test_a_hostile_journal_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    """Hostile texts are shown as they are in table, controls, legends, tooltips and data of charts; none runs."""
    hostile(tmp_path)
    made(tmp_path)
    path = tmp_path / "index.html"
    browser.open(path)
    browser.run("const more = document.getElementById('more'); while (!more.hidden) more.click();")
    assert set(NAMES) <= set(browser.cells("backend"))
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for name in ("time", "history"):
        browser.show(name)
    hover = """const place = (r) => ({ clientX: r.x + r.width / 2, clientY: r.y + r.height / 2, bubbles: true });
      const send = (mark, kind) => mark.dispatchEvent(new PointerEvent(kind, place(mark.getBoundingClientRect())));
      for (const mark of document.querySelectorAll("#chart-time .mark-symbol path")) {
        ["pointerover", "pointermove"].forEach((kind) => send(mark, kind));
      }"""
    browser.run(hover)
    browser.wait("document.querySelector('#vg-tooltip-element tr') !== null")
    for value in browser.options("select-work"):
        browser.choose("select-work", value)
    assert browser.run("return typeof hacked") == "undefined"
    assert (
        browser.run("return document.querySelectorAll('img, iframe, object, [onload], [onerror], [onclick]').length")
        == 0
    )
    links = browser.run("return [...document.links].map(a => a.getAttribute('href'))")
    assert [link for link in links if not link.startswith(("#", "raw/", "tables/"))] == []
    browser.check_log()


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


def test_ten_thousand_cases(browser: Browser, path: Path, tmp_path: Path) -> None:
    """The page of 10^4 cases shows the first of them, more when asked, and filters them all."""
    text = path.read_text(encoding="utf-8")
    (old,) = Read(text).scripts[:1]
    found = json.loads(old)
    length = len(found["cases"]["batch"])
    times = 10_000 // length + 1
    longer = {name: values * times if isinstance(values, list) else {**values, "at": values["at"] * times}
              for name, values in found["cases"].items()}  # fmt: skip
    (tmp_path / "index.html").write_text(text.replace(old, in_json({**found, "cases": longer})), encoding="utf-8")
    browser.open(tmp_path / "index.html")
    assert browser.run("return parts.cases.length") == length * times >= 10_000
    assert len(browser.cells("backend")) == 50
    browser.run("document.getElementById('more').click()")
    assert len(browser.cells("backend")) == 200
    browser.choose("select-work", "gradient")
    assert set(browser.cells("work")) == {"gradient", ""}
    browser.show("time")
    browser.check_log()
