"""Chromium without a network, for tests of index.html; tests/bench/conftest.py has the fixture `browser`.

Where Chromium or selenium is missing its tests are skipped; RELUFIT_REQUIRE=browser turns that into a failure.
"""

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
MISSING += [name for name in ("selenium", "altair", "vl_convert") if find_spec(name) is None]
REQUIRED = bool(os.environ.get("RELUFIT_REQUIRE_BROWSER"))  # set by tests/conftest.py
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
)
OFFLINE = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
# No chart in view waits to be drawn.
SETTLED = "CHARTS.every(c => !c.isDrawing && !(c.visible && c.stale && c.current.rows.length))"
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

    def size(self, width: int, height: int = 900, scale: int = 1) -> None:
        """Make the window so large, in pixels of CSS, of which each is `scale` pixels of the screen wide and high."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)

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

    def wait_for(self, script: str, *values: Any) -> Any:
        """What a script hands to its last argument, a function, some time later."""
        return self.driver.execute_async_script(script, *values)

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
        self.wait(f"document.querySelector('#chart-{name} canvas') !== null && {SETTLED}")

    def check_log(self) -> None:
        """No error was logged, and nothing was asked for but the pages themselves."""
        assert [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"] == []
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [
            found["params"]["request"]["url"] for found in messages if found["method"] == "Network.requestWillBeSent"
        ]
        assert set(asked) <= self.opened
