"""Pages that tests of index.html make of journals, and texts that must be shown as they are."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from cleanness import check_printable
from journals import HEADER, MACHINE, followed, journal, learned, line, solved, spline, write

from bench.analysis.frames import Run
from bench.analysis.runs import runs
from bench.grid.sweep import Sweep
from bench.reporting import page, readme, web
from bench.reporting.document import Document

HOSTILE = [
    "<script>hacked = 1</script>", "</script><script>hacked = 1</script>", "<img src=x onerror=hacked=1>",
    "<!-- <script>", "javascript:hacked=1", "[l](javascript:hacked=1)", "a|b`c`", "\" onload=\"hacked=1",
    "' onclick='hacked=1", "&lt;b&gt;", "\x1b[31mred", "\u2028hacked=1\u2029", "\u202egnp.exe", "=1+cmd|'/c calc'!A0",
    "__proto__", "constructor", "$style", "${hacked=1}", "{{hacked=1}}", "数🙂", "../../x",
    "data:text/html,<script>hacked=1</script>",
]  # fmt: skip
NAMES = [text for text in HOSTILE if text.isprintable()]  # the others are no names: the reader refuses their lines


def hostile(results: Path) -> Path:
    """A journal, in a folder with a hostile name, in which every text that may be hostile is."""
    lines: list[dict[str, Any]] = []
    for place, text in enumerate(HOSTILE):  # a line with a name that is not printable is refused
        names: dict[str, Any] = {"algorithm": text} if text.isprintable() else {"hidden": 1000 + place}
        lines += [line("numpy", batch=n, reason=text, **names) for n in (32, 800)]
    for place, name in enumerate(NAMES):
        fields: dict[str, Any] = {"dtype": name, "optimizer": name, "scheme": name, "target": name}
        lines += [line(name, batch=n, seconds=[n * 1e-6] * 8) for n in (32, 800)]
        lines += [line(status=name, reason=name, batch=100 + place), line(work=name, **fields)]
        lines += [learned(backend=name), learned(target=name), solved(solver=name)]
        lines += [line(dtype=name, batch=100), line(work="step", optimizer=name, batch=100)]
    backends = {**{name: {"reason": name, "facts": {"tf32": name}} for name in NAMES[::2]}, **HEADER["backends"]}
    machine = {**MACHINE, "cpu": "".join(NAMES), "packages": dict.fromkeys(NAMES, "<b>"), "python": "<i>"}
    settings = {"profile": "<b>", "threads": None, "environment": {"OMP_NUM_THREADS": "<script>hacked = 1</script>"}}
    code = {"commit": "<b>hacked</b>", "dirty": True, "content_hash": "<b>"}
    folder = results / "raw" / '"><img src=x onerror=hacked=1>'
    return write(
        folder / "javascript:x.jsonl", *lines, backends=backends, machine=machine, settings=settings, code=code
    )


def varied(results: Path) -> None:
    """Journals of two machines, of which one has a GPU; two settings, widths and dtypes, a crossover and solvers."""
    others = [line(name, dtype="float64", hidden=64, batch=n, seconds=[n * 2e-6] * 8)
              for name in ("numpy", "torch-cpu") for n in (32, 800)]  # fmt: skip
    others += [line("torch-compile", batch=9, status="CRASHED", seconds=None, reason="no compiler")]
    solvers = [spline(), solved(), solved("sgd", status="DIVERGED", reason="the loss was nan")]
    journal(results, "20260101T000000Z-aaaa", *others, *solvers)
    one = {"profile": "quick", "threads": 1, "environment": {"OMP_NUM_THREADS": "1"}}
    folder, sizes = results / "raw" / "a-machine", (8, 64, 512, 4096)
    write(
        folder / "20260102T000000Z-bbbb.jsonl",
        *(line(batch=n, seconds=[n * 3e-6] * 8) for n in (32, 800)),
        settings=one,
    )
    asked = {**HEADER["settings"], "crossover": Sweep("numpy", "torch-cpu", "batch", 512, 1, 65536).settings()}
    times = {"numpy": lambda n: n * 1e-6, "torch-cpu": lambda n: 1e-4 + n * 1e-8}
    searched = [line(name, **{"pass": p}, batch=n, seconds=[found(n) * (1 + p / 1e4)] * 8)
                for name, found in times.items() for n in sizes for p in range(12)]  # fmt: skip
    write(folder / "20260103T000000Z-cccc.jsonl", *searched, settings=asked)
    gpu = {**MACHINE, "slug": "b-machine", "cpu": "B CPU", "gpus": [{"name": "a GPU"}]}
    on_gpu = [line("torch-cuda", device="cuda", batch=n, seconds=[1e-4 + n * 1e-9] * 8) for n in (32, 800, 65536)]
    on_cpu = [line(batch=n, seconds=[n * 1e-6] * 8) for n in (32, 800, 65536)]
    write(results / "raw" / "b-machine" / "20260104T000000Z-dddd.jsonl", *on_gpu, *on_cpu, followed(), machine=gpu)


def made(results: Path, chosen: list[Run] | None = None) -> str:
    """The page of all journals, or of these runs, without the other files of a report."""
    found = runs(results) if chosen is None else chosen
    document: Document = [*readme.PAGE_TITLE]
    for machine in dict.fromkeys(run.machine_slug for run in found):
        own = [run for run in found if run.machine_slug == machine]
        places = {run: {name: [name] for name, table in page.TABLES.items() if table.is_for(run)} for run in own}
        document += readme.page_section(own, places, {run: [] for run in own})
    groups = page._by_slug(found)
    said: list[str] = []
    web.write(results, document, groups, [results / "tables" / "answer.csv"], said.append)
    assert said == []
    return (results / web.NAME).read_text(encoding="utf-8")


class Read(HTMLParser):
    """The elements of a page with their attributes, the texts of its scripts, and all other text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the element."""
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        """Keep a text where it belongs."""
        if self.elements and self.elements[-1][0] == "script" and not self.scripts[-1]:
            self.scripts[-1] = data
        else:
            self.text += data

    @property
    def data(self) -> dict[str, Any]:
        """What is embedded as JSON."""
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


ALLOWED = {  # every element of ours, with the attributes that it may have
    "html": "lang", "head": "", "meta": "charset name content http-equiv", "title": "", "style": "", "body": "",
    "main": "", "header": "", "nav": "aria-label", "section": "id", "h1": "", "h2": "", "h3": "", "h4": "",
    "ul": "class", "li": "", "p": "id role hidden", "a": "href download", "details": "id", "summary": "", "strong": "",
    "dl": "", "dt": "", "dd": "",
    "div": "class id tabindex role aria-label hidden", "form": "id hidden aria-label", "button": "type id hidden",
    "noscript": "", "table": "", "thead": "", "tbody": "", "tr": "", "th": "scope", "td": "", "script": "type id",
}  # fmt: skip


def check_page(text: str) -> Read:
    """The page, which has no element, attribute, link or script but ours, and no sign that turns a text round."""
    found = Read(text)
    check_printable(found.text)
    for tag, attributes in found.elements:
        assert attributes.keys() <= set(ALLOWED[tag].split()), (tag, attributes)
        link = attributes.get("href")
        assert link is None or re.fullmatch(r"#[\w-]+|(tables|figures|raw)/[\w.+%/-]+", link), link
    policy = next(own["content"] or "" for tag, own in found.elements if own.get("http-equiv"))
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in found.scripts[1:]]
    assert re.findall(r"'sha256-(.*?)'", policy) == hashes
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy.partition("style-src")[0]
    assert len(found.scripts) == 1 + len(hashes) == 6
    assert not re.search("[<>&\u2028\u2029]", found.scripts[0])
    return found
