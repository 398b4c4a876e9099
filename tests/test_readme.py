"""The README does what it says: its Python runs, its backend conforms, its numbers stand in a journal."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conformance import REQUIREMENTS

from bench import layouts
from bench.blocks import markdown
from bench.frames import runs
from relufit import Backend

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Every block, in order."""
    names: dict[str, object] = {}
    for snippet in SNIPPETS:
        exec(snippet, names)
    spline, first, second, is_good = capsys.readouterr().out.splitlines()
    assert [float(number) for number in spline.split()] == pytest.approx([1.6e-10, 3.2e-5], rel=0.02)
    assert is_good == "True"
    mse, largest = (float(number) for number in first.split())
    assert mse < 3e-4  # what the comment says, with room for another BLAS
    assert largest < 0.1
    assert [float(number) for number in second.strip("[]").split()] == pytest.approx([2**0.5, 2], abs=0.05)


def test_the_example_backend_conforms() -> None:
    """It meets every requirement of the suite."""
    names: dict[str, object] = {}
    exec(next(snippet for snippet in SNIPPETS if "class Einsum" in snippet), names)
    backend = names["Einsum"]("einsum", "cpu")  # type: ignore[operator]
    assert isinstance(backend, Backend)
    for requirement in REQUIREMENTS.values():
        requirement(backend)


def test_the_tables_are_those_of_the_runs_they_name() -> None:
    """Made again from the raw journals, line by line."""
    found = re.findall(r"<!-- (\w+): run (\S+) -->\n(.*?)\n<!-- end of table -->", README, flags=re.DOTALL)
    assert {"summary", "headline", "reached"} == {kind for kind, _, _ in found}
    for kind, name, table in found:
        assert table.strip() == markdown(layouts.LAYOUTS[kind](runs(ROOT / "results", [name])[0]))


def test_plain_pytest_finds_the_tests() -> None:
    """`pytest tests`, which unlike `python -m pytest` does not put this folder on the path."""
    assert "pytest tests " in README
    command = [Path(sys.executable).with_name("pytest"), "tests/test_progress.py", "-q"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)


def test_every_link_leads_somewhere() -> None:
    """Files that the README links to or shows exist."""
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
