"""Journals that were damaged, forged or cut off: the report finishes, names each bad line, and shows no text as code.

Real lines, one for each kind of work, rule and status, are changed value by value, nested values and first lines too.
"""

import contextlib
import io
import json
import re
import struct
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from cleanness import check_csv, check_markdown, check_printable
from damaged import BACKENDS, NASTY, NUMBERS, TEXTS, at, changed, journals, places, real_lines
from hypothesis import HealthCheck, given, settings

from bench import report
from bench.analysis.frames import read
from bench.grid.sweep import Sweep
from bench.journal.reader import read_backend, read_case, read_header
from bench.journal.schema import NUMBER_LIMIT, TEXT_LENGTH
from bench.reporting import figures, page
from relufit import RelufitError


def reported(folder: Path, lines: list[bytes]) -> str:
    """Report on a journal of these lines, and check all that is written; returns what was said to the terminal."""
    path = folder / "raw" / "a machine (1) <b>" / "r.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\n".join(lines) + b"\n")
    output, failure = io.StringIO(), None
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            report.report(folder)
        except RelufitError as error:
            failure = str(error)
    said = output.getvalue()
    check_printable(said)
    assert [int(number) for number in re.findall(r"r\.jsonl:(\d+): skipped: ", said)] == refused(lines)
    if failure is not None:
        assert re.fullmatch(r"there are no finished cases under \S+; run .*", failure)
        assert read(path).cases.empty
        return said
    run = read(path)
    for name in (name for name, table in page.TABLES.items() if table.is_for(run)):
        check_markdown(folder / "tables" / f"{name}.md")
        check_csv(folder / "tables" / f"{name}.csv")
    check_markdown(folder / "README.md")
    return said


def refused(lines: list[bytes]) -> list[int]:
    """The numbers of the lines that are neither the first that describes the run, nor a case, nor a late backend."""
    numbers, described = [], False
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
            if isinstance(value, dict) and value.get("kind") == "run" and not described:
                described = True
            elif isinstance(value, dict) and value.get("kind") == "backend":
                read_backend(value)
            else:
                read_case(value)
        except (ValueError, RecursionError):
            numbers.append(number)
    return numbers


def test_real_lines_are_all_read() -> None:
    """Real lines are all read before anything is done to them, so that damage is done to lines that are right."""
    heads, cases = real_lines()
    assert len({json.loads(line)["status"] for line in cases}) > 2
    complaints: list[str] = []
    for line in cases:
        assert read_case(json.loads(line))["backend"] in BACKENDS
    for line in heads:
        assert read_header(json.loads(line), complaints.append)["backends"]["cupy"]["reason"]
    assert complaints == []


@pytest.mark.parametrize("work", ["gradient", "step", "convergence", "trajectory", "agreement", "memory", "solving"])
def test_a_case_that_is_read_can_be_relied_on(work: str) -> None:
    """A case with a nasty value in any place, nested ones too, is refused in a sentence or usable."""
    line = next(line for line in real_lines()[1] if json.loads(line)["work"] == work)
    for place in places(json.loads(line)):
        for value in NASTY:
            try:
                case = read_case(json.loads(changed(line, place, value)))
            except (ValueError, RecursionError) as error:
                sentence = str(error)
                assert sentence.isprintable()
                continue
            assert [(name, found) for name, found in case.items() if not is_usable(name, found)] == [], place


def is_usable(name: str, found: Any) -> bool:
    """Whether tables and figures can take a value of a case as it stands."""
    if isinstance(found, str):
        return found.isprintable() and len(found) <= TEXT_LENGTH + 3
    if isinstance(found, dict):
        checks = [check[part] for check in found.values() for part in ("error", "bound", "share")]
        return name == "agreement" and all(type(part) is float for part in checks)
    if isinstance(found, list):
        wild = name in ("loss", "test_mse", "curve", "distance", "mse", "max_error")
        return all(type(item) is float and (wild or item < NUMBER_LIMIT) for item in found)
    return found is None or (not isinstance(found, bool) and not abs(found) >= NUMBER_LIMIT)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(journals())
def test_no_journal_breaks_the_tables(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, lines: list[bytes]
) -> None:
    """Each table is written and clean, and each line that is not ours is named once, and no other."""
    monkeypatch.setattr(figures, "draw_all", lambda run, folder, label: [folder / f"fits-{label}.png"])
    reported(tmp_path_factory.mktemp("fuzz"), lines)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(journals())
def test_no_journal_breaks_the_figures(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    """The whole report, with its figures, is written from any journal."""
    reported(tmp_path_factory.mktemp("fuzz"), lines)


def test_every_hostile_text_is_shown_as_it_is(tmp_path: Path) -> None:
    """A hostile text in any field is shown as text in tables, figures and the terminal."""
    heads, cases = real_lines()
    fields = ("backend", "reason", "status", "optimizer", "target", "dtype", "work", "scheme", "algorithm", "order")
    each = zip([(field, text) for text in TEXTS for field in fields], cycle(cases), strict=False)
    head = json.loads(heads[0])
    head["machine"] |= {"cpu": "".join(TEXTS), "packages": dict.fromkeys(("numpy", "torch"), "<b>\x1b[0m")}
    head["backends"] |= {text: {"reason": text, "facts": {"tf32": text}} for text in TEXTS[::3]}
    lines = [*cases, *(changed(case, (field,), text) for (field, text), case in each)]
    said = reported(tmp_path, [json.dumps(head).encode(), *lines])
    assert "[/red]" in said
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in (tmp_path / "tables" / "throughput.md").read_text()
    assert "<script>alert(1)</script>" in "".join(path.read_text() for path in (tmp_path / "tables").glob("*.csv"))
    assert list((tmp_path / "figures").glob("fits-*.png"))


def test_every_extreme_number_is_shown_or_refused(tmp_path: Path) -> None:
    """An extreme number in any field of a case is shown or refused, in tables and figures."""
    heads, cases = real_lines()
    lines = [line for line in cases if json.loads(line)["status"] == "OK"]
    for work in ("gradient", "convergence", "trajectory", "scaling", "ensemble", "memory", "solving"):
        line = next((line for line in lines if json.loads(line)["work"] == work), lines[0])
        numbers = [place for place in places(json.loads(line)) if place[0] not in ("at", "schema", "gpu")]
        for number, place in enumerate(place for place in numbers if type(at(line, place)) in (int, float)):
            for value in NUMBERS:
                lines.append(changed(changed(line, place, value), ("backend",), f"b{number % 7}"))
    reported(tmp_path, [heads[0], *lines])


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "[/red] | `x` $y$", "\x1b[31mred"])
def test_a_hostile_question_of_a_crossover_is_shown_as_it_is(text: str, tmp_path: Path) -> None:
    """Hostile backends, work and rules of a crossover are text in headings, sentences and figures."""
    heads, cases = real_lines()
    line = next(line for line in cases if b'"gradient"' in line and b'"OK"' in line)
    asked = Sweep(text, "numpy", "batch", 512, 1, 65536)
    head = json.loads(heads[0])
    head["settings"]["crossover"] = asked.settings()
    sizes = [
        changed(changed(line, ("batch",), size), ("backend",), n) for size in (8, 64, 512) for n in (text, "numpy")
    ]
    said = reported(tmp_path, [json.dumps(head).encode(), *sizes])
    if text.isprintable():
        assert text.replace(" ", "") in said.replace(" ", "").replace("\n", "")
        assert (tmp_path / "tables" / "crossover.md").is_file()
    else:
        assert ":1: left out: settings.crossover: " in said


def test_more_backends_and_kinds_than_a_figure_has_room_for(tmp_path: Path) -> None:
    """Figures of a hundred backends and kinds can be looked at, and tables have them all."""
    heads, cases = real_lines()
    works = {json.loads(line)["work"]: line for line in cases if b'"OK"' in line}
    lines = [changed(works["trajectory"], ("scheme",), f"scheme-{number}") for number in range(100)]
    lines += [changed(works["convergence"], ("backend",), f"backend-{number}") for number in range(100)]
    reported(tmp_path, [heads[0], *lines])
    for path in (tmp_path / "figures").glob("*.png"):
        assert max(struct.unpack(">II", path.read_bytes()[16:24])) < 10_000  # pixels, in the header of the format
    assert "backend-99" in (tmp_path / "tables" / "convergence.md").read_text()
    assert "scheme-99" in (tmp_path / "tables" / "trajectory.md").read_text()


def test_huge_lines_are_cut_or_named(tmp_path: Path) -> None:
    """A text of 5 MB is cut; lists may be long, tables and names may not."""
    heads, cases = real_lines()
    line = next(line for line in cases if b'"gradient"' in line)
    many = {str(number): {"error": 0.0, "bound": 1.0, "share": 0.0} for number in range(10**4)}
    lines = [
        changed(line, ("reason",), "5 MB " + "x" * 5 * 10**6),
        changed(changed(line, ("batch",), 77), ("seconds",), [1e-3] * 10**5),
        changed(line, ("backend",), "x" * 5 * 10**6),
        changed(line, ("agreement",), many),
    ]
    head = changed(heads[0], ("backends",), {name: {"reason": "none", "facts": {}} for name in many})
    assert refused([head, *lines]) == [4, 5]  # before a report of thousands of backends is tried
    assert read_header(json.loads(head))["backends"] == {}
    said = reported(tmp_path, [head, *lines])
    assert ":1: left out: backends: " in said
    assert max(path.stat().st_size for path in (tmp_path / "tables").iterdir()) < 10**5
