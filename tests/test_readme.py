"""The README and bench/README do what they say: Python runs, the backend conforms, numbers stand in a journal."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.runs import runs
from bench.reporting.document import Items, markdown
from bench.reporting.number_format import FASTEST, NO_BREAK
from bench.reporting.tables.answer import answer
from bench.reporting.tables.learning import lay_out_reached
from bench.reporting.tables.summary import SUMMARY_TABLE, headline
from relufit import Backend
from relufit.testing import check_backend

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
OF_BENCH = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
LAYOUTS = {
    "answer": lambda run: [Items(answer(run))],
    "summary": SUMMARY_TABLE.document,
    "reached": lay_out_reached,
}
GUIDE = (ROOT / "relufit" / "README.md").read_text(encoding="utf-8")


def test_the_first_fit_prints_its_pieces(capsys: pytest.CaptureFixture[str]) -> None:
    """The block of the README prints the table of pieces that stands below it, up to rounding."""
    code, printed = re.search(r"```python\n(.*?)```\n\n((?:    [^\n]+\n)+)", README, flags=re.DOTALL).groups()  # type: ignore[union-attr]
    exec(code, {})
    (title, *rows), (wanted_title, *wanted) = ([line.split() for line in text.splitlines()]
                                              for text in (capsys.readouterr().out, printed))  # fmt: skip
    assert title == wanted_title
    np.testing.assert_allclose(np.array(rows, float), np.array(wanted, float), rtol=1e-4, atol=1e-4)


def test_the_example_backend_conforms() -> None:
    """The example of a backend meets every requirement of the suite."""
    names: dict[str, object] = {}
    snippets = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
    exec(next(snippet for snippet in snippets if "class Einsum" in snippet), names)
    backend = names["Einsum"]("einsum", "cpu")  # type: ignore[operator]
    assert isinstance(backend, Backend)
    check_backend(backend)


def test_the_tables_are_those_of_the_runs_they_name() -> None:
    """The tables of the guides are those that the raw journals give, line by line."""
    found = re.findall(r"<!-- (\w+): run (\S+) -->\n(.*?)\n<!-- end of table -->", README + GUIDE, flags=re.DOTALL)
    assert LAYOUTS.keys() == {kind for kind, _, _ in found}
    for kind, name, table in found:
        assert table.strip() == markdown(LAYOUTS[kind](runs(ROOT / "results", [name])[0]))


def test_plain_pytest_finds_the_tests() -> None:
    """`pytest tests` works, although unlike `python -m pytest` it does not put this folder on the path."""
    assert "pytest tests " in README
    command = [Path(sys.executable).with_name("pytest"), "tests/relufit/solvers/test_progress.py", "-q"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize(
    ("text", "run", "quoted"),
    [
        (README, "20261123T134931Z-7f6c", {"numba": "80.5", "numba-hinge": "4 820"}),
        (OF_BENCH, "20261123T134931Z-7f6c", {"numba": "80.5", "numba-hinge": "4 820"}),
        (OF_BENCH, "20261123T150447Z-45e4", {"numba": "21.4", "numba-hinge": "1 150"}),
    ],
)
def test_quoted_ratios_are_those_of_the_headline(text: str, run: str, quoted: dict[str, str]) -> None:
    """The ratios at N = 65536 that the prose quotes stand in the headline table of the run that they are from."""
    cells = headline(runs(ROOT / "results", [run])[0]).set_index("backend")["gradient\nN=65536"]
    for backend, ratio in quoted.items():
        assert ratio in text
        assert cells[backend].replace(NO_BREAK, " ").removesuffix(f" {FASTEST}").endswith(f", {ratio}x")


@pytest.mark.parametrize("folder", [".", "bench", "relufit", "relufit/backends/cuda"])
def test_every_link_leads_somewhere(folder: str) -> None:
    """Files that a README links to or shows exist, and so do the headings."""
    text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    for link in links:
        path, _, heading = link.partition("#")
        target = ROOT / folder / path if path else ROOT / folder / "README.md"
        assert target.exists(), link
        assert not heading or heading in headings(target), link


def headings(page: Path) -> set[str]:
    """The headings of a page as GitHub names them in links."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in found}
