"""The page put together: static HTML, the style sheet, the data as JSON, and the scripts that are allowed to run."""

import base64
import hashlib
import os
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from functools import lru_cache
from html import escape
from importlib.metadata import version
from itertools import chain, pairwise
from pathlib import Path
from string import Template
from tempfile import NamedTemporaryFile
from urllib.parse import quote

import pandas as pd
import vl_convert

from bench.analysis.frames import Run
from bench.reporting.document import NO_CASES, Document, Element, Heading, Items, Table, Words, texts
from bench.reporting.provenance import provenance
from bench.reporting.web.charts import DASHES, charts
from bench.reporting.web.dataset import dataset, in_json

FOLDER = Path(__file__).parent
SCRIPTS = ("selection.js", "cases.js", "rows.js", "drawing.js")  # each uses what those before it define
TERM = re.compile(r"^- \*\*(.+?)\*\*: (.+)$", re.MULTILINE)  # an item of the list of terms in README.md
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "relufit"


def assemble(out: Path, page: Document, groups: dict[str, list[Run]], written: Collection[Path]) -> str:
    """The text of index.html in `out`; links lead to the files `written`, and to journals that lie below `out`."""
    runs = [*chain.from_iterable(groups.values())]
    scripts = [_bundle(), *((FOLDER / name).read_text("utf-8") for name in SCRIPTS)]
    allowed = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    starts = [place for place, part in enumerate(page) if isinstance(part, Heading) and part.level == 2]
    machines = [page[start:end] for start, end in pairwise([*starts, len(page)])]
    return Template((FOLDER / "page.html").read_text("utf-8")).substitute(
        style=(FOLDER / "page.css").read_text("utf-8"),
        sources=" ".join(f"'sha256-{found}'" for found in allowed),
        terms=_terms(page[: min(starts, default=0)]),
        answer=_answer(machines),
        environment="\n".join(map(_environment, runs)),
        files="\n".join(_links(out, sorted(written))),
        journals="\n".join(_links(out, dict.fromkeys(run.path for run in runs))),
        data=in_json({**dataset(groups), "charts": charts(), "dashes": DASHES}),
        scripts="\n".join(f"<script>{text}</script>" for text in scripts),
    )


@lru_cache
def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one plain script.

    vl_convert ships their sources alone, and takes seconds to make a script of them. So what a version of it has made
    is kept in the user's cache folder, where that can be written.
    """
    kept = CACHE / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError, UnicodeDecodeError):
        return kept.read_bytes().decode()
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    bundle = bundle.replace("</script", r"<\/script").replace("<!--", r"<\!--")
    script = f"(() => {{\n{bundle}\n}})();"  # its names stay its own
    with suppress(OSError):
        CACHE.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=CACHE, delete=False) as unfinished:
            unfinished.write(script.encode())
        Path(unfinished.name).replace(kept)  # at once: another process finds all of it or nothing
    return script


def _terms(opening: Document) -> str:
    """What the signs and words mean, from the list that opens README.md; its links, which lead elsewhere, as text."""
    found = [pair for part in opening if isinstance(part, Words) for pair in TERM.findall(part.text)]
    plain = [[escape(re.sub(r"\[(.+?)\]\(.+?\)|\\(.)", r"\1\2", text)) for text in pair] for pair in found]
    return "\n".join(f"<dt>{term}</dt><dd>{meaning}</dd>" for term, meaning in plain)


def _answer(machines: list[Document]) -> str:
    """The section of each machine; where there are several, links to each come first."""
    names = [part.text for section in machines for part in section[:1] if isinstance(part, Heading)]
    links = [f'<a href="#machine-{number}">{escape(name)}</a>' for number, name in enumerate(names, 1)]
    sections = [f'<div id="machine-{number}">\n{html(own)}\n</div>' for number, own in enumerate(machines, 1)]
    return "\n".join([f'<nav aria-label="Machines">{" ".join(links)}</nav>'] * (len(links) > 1) + sections)


def html(document: Document) -> str:
    """A document as HTML, without `Words`, which hold links for README.md."""
    return "\n".join(_in_html(part) for part in document if not isinstance(part, Words))


def _in_html(element: Element) -> str:
    match element:
        case Heading(level, text):
            return f"<h{level + 1}>{escape(text)}</h{level + 1}>"
        case Items(lines):
            return f"<ul>{''.join(map(_item, lines))}</ul>"
        case Table(frame):
            return _table(frame) if len(frame) else f"<p>{NO_CASES}</p>"
    return f"<p>{escape(str(element))}</p>"


def _item(line: str) -> str:
    """An item of a list; what stands before its first colon, the question that it answers, can be found at a glance."""
    question, colon, answer = line.partition(": ")
    strong = f"<strong>{escape(question + colon)}</strong>{escape(answer)}"
    return f"<li>{strong if colon else escape(line)}</li>"


def _table(frame: pd.DataFrame) -> str:
    """A table that scrolls by itself, also by keys."""
    titles, *rows = texts(frame)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in titles)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in others)}</tr>\n'
        for first, *others in rows
    )
    inner = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(titles[0])}">{inner}</div>'


def _environment(run: Run) -> str:
    """What a run was measured with, folded."""
    packages = pd.DataFrame({"package": [*run.header["machine"]["packages"]]})
    packages["version"] = [*run.header["machine"]["packages"].values()]
    title = f"{run.title}; run {run.name}"
    return f"<details><summary>{escape(title)}</summary>{html([*provenance(run), Table(packages)])}</details>"


def _links(out: Path, paths: Iterable[Path]) -> list[str]:
    """A list item for each path: a link where it lies below `out`, else its folder and name."""
    items = []
    for path in paths:
        below = path.resolve().is_relative_to(out.resolve())
        name = path.resolve().relative_to(out.resolve()) if below else Path(path.parent.name, path.name)
        link = f'<a href="{escape(quote(os.fsencode(name.as_posix())))}">{escape(name.as_posix())}</a>'
        items.append(f"<li>{link if below else escape(name.as_posix())}</li>")
    return items
