"""Journals that were damaged, forged or cut off: the report finishes, names each bad line, and shows no text as code.

Real lines, one for each kind of work, rule and status, are changed value by value, nested values and first lines too.
"""

import contextlib
import gzip
import io
import json
import re
import struct
from contextlib import nullcontext
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from cleanness import check_csv, check_markdown, check_printable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journals import followed, solved, spline

from bench import report
from bench.analysis.frames import read
from bench.grid.sweep import Sweep
from bench.journal.reader import read_backend, read_case, read_header
from bench.journal.schema import ENTRIES, NUMBER_LIMIT, TEXT_LENGTH
from bench.reporting import drawing, figures, page
from relufit import RelufitError

RAW = Path(__file__).resolve().parents[2] / "results" / "raw"
ASKED = Sweep("numpy", "torch-cpu", "batch", 512, 1, 65536)
LATE = b'{"kind":"backend","backend":"cupy","reason":"no driver","facts":{"threads":"1"}}'
BACKENDS = ("numpy", "torch-cpu", "cupy")  # of the many in a real first line: two that ran, and one that could not
TEXTS = [
    "", "x", "nan", "-inf", "1e999", "800", "OK", "hinge", "<script>alert(1)</script>", "<img src=x onerror=y>",
    "<!-- ", "a|b`c`", "**b** _i_ ~~s~~", "![p](http://a.b/c.png)", "[l](javascript:x)", "&lt;b&gt;", "$\\frac$", "$x$",
    "\x1b[31mred\x1b[0m", "\x9b2J", "\x00", "a\nb\r\n# c", "\u202egnp", "\ud800", "=1+cmd|'/c calc'!A0", "+1", "-1",
    "@SUM(1)", "\t=1", "[/red]", "[red]x", "_x", "数🙂", "\\", "\\input{x}", "%", "../../x", "a" * 250, "a" * 5000,
]  # fmt: skip
NUMBERS = [
    0, -1, 1, 7, 2**53, 10**400, -(10**400), 0.5, -0.0, 5e-324, 1e-300, 1e17, 1e300, 1.7e308,
    float("nan"), float("inf"), -float("inf"),
]  # fmt: skip
DEEP = json.loads("[" * 400 + "]" * 400)
NASTY: list[Any] = [
    None, True, False, *NUMBERS, *TEXTS, [], {}, [[]], [None], [0.0], [1.0], [float("nan")], [float("inf")],
    [1e300, 1e-300], [-1.0, 2.0], [True], ["nan"], ["x"], DEEP, list(range(1, 3000)), {"a": 1}, {"": None},
    {"<b>": "<i>"}, {"\x1b[1m": "x"}, {"name": "x"}, [{"name": "<b>"}], [{"name": 3}],
    {"w1": {"error": 1.0, "bound": "inf", "share": "nan"}}, {"numpy": {"reason": "<b>", "facts": {"tf32": "<b>"}}},
    {str(number): "x" for number in range(ENTRIES + 1)},
]  # fmt: skip
RUBBISH = [
    b"", b"{", b"null", b"3", b"[1,2]", b'{"kind":"other"}', b'{"kind":"case"}', b'{"kind":"run"}',
    b'{"kind":["case"]}', b"\xff\xfe\x00", b"\x00" * 50, b"[" * 100_000, b'{"a":' * 5_000, b"\xef\xbb\xbf{}",
    b'"\\ud800"', b"\x1b[31mred",
]  # fmt: skip


@lru_cache(maxsize=1)
def real_lines() -> tuple[list[bytes], list[bytes]]:
    """First lines of real journals, and lines of cases with all fields that a line may have; of lists the beginning."""
    heads: list[dict[str, Any]] = []
    cases: dict[tuple[str, ...], dict[str, Any]] = {}
    for path in sorted(RAW.glob("*/*")):
        content = path.read_bytes()
        head, *lines = map(json.loads, (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines())
        if not head["backends"].keys() >= set(BACKENDS):
            continue
        heads.append({**head, "backends": {name: head["backends"][name] for name in BACKENDS}})
        for case in (line for line in lines if line["kind"] == "case"):
            cases.setdefault((case["work"], case["status"], case.get("optimizer", "")), case)
    cases.setdefault(("trajectory",), followed())
    for solving in (spline(), solved(), solved("sgd", status="DIVERGED", reason="the loss was nan")):
        cases[solving["work"], solving["status"], solving["optimizer"]] = solving
    heads.append({**heads[0], "settings": {**heads[0]["settings"], "crossover": ASKED.settings()}})
    seen = {"reason": None, "device_seconds": None, "kernels_per_step": None, "networks": 1,
            "gpu": {"watts": 120.5, "sm_mhz": 1980, "throttled": "software power cap"}}  # fmt: skip
    short = [
        {
            **seen,
            **{name: found[:8] if isinstance(found, list) else found for name, found in case.items()},
            "backend": name,
        }
        for case, name in zip(cases.values(), cycle(BACKENDS[:2]), strict=False)
    ]
    return [json.dumps(head).encode() for head in heads], [json.dumps(case).encode() for case in short]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where values stand in a line, at every depth; of a list the last place stands for all."""
    inner = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list) and value:
        inner = [(len(value) - 1, value[-1])]
    return [place for key, item in inner for place in [(*path, key), *places(item, (*path, key))]]


def changed(line: bytes, place: tuple[Any, ...], value: Any) -> bytes:
    """The line with another value at this place."""
    whole = holder = json.loads(line)
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return json.dumps(whole).encode()


@st.composite
def damaged(draw: st.DrawFn, lines: list[bytes]) -> bytes:
    """A real line in which one value or two are others."""
    line = draw(st.sampled_from(lines))
    for _ in range(draw(st.integers(1, 2))):
        value = json.loads(line)
        field = draw(st.sampled_from([name for name in value if name not in ("kind", "schema", "run", "at")]))
        place = draw(st.sampled_from([place for place in places(value) if place[0] == field]))
        as_text = isinstance(value[field], str) and draw(st.integers(0, 4)) > 0
        line = changed(line, place, draw(st.sampled_from(TEXTS if as_text else NASTY)))
    return line


@st.composite
def journals(draw: st.DrawFn) -> list[bytes]:
    """The lines of a journal: some real, most of them damaged, some cut off or foreign."""
    heads, cases = real_lines()
    head = draw(st.one_of(st.sampled_from(heads), damaged(heads), st.sampled_from(RUBBISH)))
    cut = st.tuples(st.sampled_from(cases), st.integers(1, 300)).map(lambda drawn: drawn[0][: drawn[1]])
    others = damaged(heads), damaged([LATE]), cut, st.sampled_from(RUBBISH)
    kinds = st.one_of(st.sampled_from(cases), *[damaged(cases)] * 6, *others)
    return [head, *draw(st.lists(kinds, min_size=1, max_size=30))]


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
    monkeypatch.setattr(figures, "figures_of", lambda run, folder, label: {folder / f"fits-{label}.png": None})
    monkeypatch.setattr(drawing, "drawer", lambda processes: nullcontext(lambda figure, path: None))
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


def at(line: bytes, place: tuple[Any, ...]) -> Any:
    """The value at this place."""
    value = json.loads(line)
    for key in place:
        value = value[key]
    return value


def test_more_backends_and_kinds_than_a_figure_has_room_for(tmp_path: Path) -> None:
    """Figures of two hundred backends and kinds can be looked at, and tables have them all."""
    heads, cases = real_lines()
    works = {json.loads(line)["work"]: line for line in cases if b'"OK"' in line}
    lines = [changed(works["trajectory"], ("scheme",), f"scheme-{number}") for number in range(200)]
    lines += [changed(works["convergence"], ("backend",), f"backend-{number}") for number in range(200)]
    reported(tmp_path, [heads[0], *lines])
    for path in (tmp_path / "figures").glob("*.png"):
        assert max(struct.unpack(">II", path.read_bytes()[16:24])) < 10_000  # pixels, in the header of the format
    assert "backend-199" in (tmp_path / "tables" / "convergence.md").read_text()
    assert "scheme-199" in (tmp_path / "tables" / "trajectory.md").read_text()


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
