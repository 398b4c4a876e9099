"""Crossovers in words, out of the journal alone: the table, each form of the sentence, the page."""

import json
from pathlib import Path
from typing import Any

import pytest
from journals import HEADER, digest, line, write_aa
from journals import journal as ordinary
from printed import printed

from bench import compare, report
from bench.analysis.frames import Run, read
from bench.analysis.pairs import comparison
from bench.analysis.runs import runs
from bench.grid import sweep
from bench.grid.sweep import Sweep
from bench.reporting.number_format import NO_BREAK
from bench.reporting.tables.crossovers import crossover_in_words, crossover_table
from bench.reporting.tables.verdicts import reason

ASKED = Sweep("numpy", "torch-cpu", "batch", 512, 1, 65536)
FALLING = {1: 4.1, 8: 3.0, 64: 2.5, 512: 1.5, 724: 1.2, 1024: 0.8, 4096: 0.5, 65536: 1 / 6.2}
DISAGREES = "output is off by 2: 1 is allowed"


def blocks(
    asked: Sweep, size: int, ratio: float, passes: int = 12, seconds: float = 1e-3, steps: int = 1
) -> list[dict[str, Any]]:
    """The lines of one size: A takes `seconds` a step, B `ratio` times as much; blocks scatter by 1 %."""
    case = {**vars(asked.case(size)), "agreement": None}
    lines = []
    for number in range(passes):
        own = seconds * (1 + 0.01 * (number % 3 - 1))
        lines.append(line(asked.a, **case, **{"pass": number}, seconds=[steps * own] * 7, steps=steps))
        lines.append(line(asked.b, **case, **{"pass": number}, seconds=[own * ratio] * 7))
    return lines


def failed(asked: Sweep, size: int, backend: str, status: str, reason: str) -> dict[str, Any]:
    """A line without a time."""
    case = vars(asked.case(size))
    return line(backend, **{**case, "status": status, "reason": reason, "seconds": None, "agreement": None})


def write(results: Path, asked: Sweep, *lines: dict[str, Any], name: str = "20260103T000000Z-cccc") -> Path:
    """A journal of a crossover."""
    settings = {"profile": "crossover", "threads": None, "crossover": asked.settings()}
    names = {name: {"reason": None, "facts": {}} for name in (asked.a, asked.b)}
    path = results / "raw" / "a-machine" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"kind": "run", **HEADER, "settings": settings, "backends": names}
    path.write_text("\n".join(json.dumps(text) for text in (head, *lines)) + "\n")
    return path


def make(results: Path, ratios: dict[int, float], *more: dict[str, Any], asked: Sweep = ASKED) -> Run:
    """The run of such a journal."""
    return read(write(results, asked, *(line for n, r in ratios.items() for line in blocks(asked, n, r)), *more))


def test_the_table_is_made_from_the_journal(tmp_path: Path) -> None:
    """The table has sizes in order, with the ratio, interval and verdict on A, whatever the order of the lines."""
    run = make(tmp_path, dict(reversed(FALLING.items())))
    frame = comparison.crossover(run)
    assert frame["size"].tolist() == list(FALLING)
    assert frame.times_faster.tolist() == pytest.approx(list(FALLING.values()), rel=1e-3)
    assert frame.verdict.tolist() == ["FASTER"] * 5 + ["SLOWER"] * 3
    assert set(frame.blocks) == {12}
    (found,) = comparison.crossings(run)
    assert (found.low, found.high) == (724, 1024)
    assert 724 < found.size < 1024


def test_foreign_cases_are_no_part_of_it(tmp_path: Path) -> None:
    """A case of another width in the same journal is not another size."""
    other = Sweep("numpy", "torch-cpu", "batch", 64, 1, 65536)
    run = make(tmp_path, FALLING, *blocks(other, 9000, 3.0))
    assert comparison.crossover(run)["size"].tolist() == list(FALLING)


def test_what_the_machine_cannot_tell_apart_is_no_side_of_a_crossover(tmp_path: Path) -> None:
    """Sizes below what the A/A run of the folder resolves are undecided and widen the interval."""
    close = {**FALLING, 724: 1.04, 1024: 0.97}
    alone = make(tmp_path, close)
    assert [(found.low, found.high) for found in comparison.crossings(alone)] == [(724, 1024)]
    name = write_aa(tmp_path / "raw" / "a-machine", apart=1.07)
    (run,) = runs(tmp_path)
    frame = comparison.crossover(run).set_index("size")
    assert frame.verdict.loc[[512, 724, 1024, 4096]].tolist() == ["FASTER", "UNSURE", "UNSURE", "SLOWER"]
    assert f"that the A/A run {name} resolves" in reason(frame.loc[724].to_dict())
    assert [(found.low, found.high) for found in comparison.crossings(run)] == [(512, 4096)]


def test_times_are_of_a_step(tmp_path: Path) -> None:
    """A's calls of eight steps and B's of one are compared step by step."""
    asked = Sweep("numpy", "torch-cpu", "hidden", 32, 1, 4096, "step", "adam")
    run = read(write(tmp_path, asked, *blocks(asked, 64, 2.0, steps=8), *blocks(asked, 512, 0.5, steps=8)))
    assert comparison.crossover(run).times_faster.tolist() == pytest.approx([2.0, 0.5], rel=1e-3)
    assert "at H = 182 (between 64 and 512): adam step, N = 32, float32" in crossover_in_words(run)


OVERTAKES = (
    "torch-cpu overtakes numpy at N = 847 (between 724 and 1 024): gradient, H = 512, float32; "
    "below, numpy is up to 4.1 times faster, above, torch-cpu up to 6.2 times"
)


@pytest.mark.parametrize(
    ("ratios", "more", "sentence"),
    [
        (FALLING, [], f"{OVERTAKES}."),
        (
            {n: 1 / ratio for n, ratio in FALLING.items()}, [],
            "numpy overtakes torch-cpu at N = 847 (between 724 and 1 024): gradient, H = 512, float32; "
            "below, torch-cpu is up to 4.1 times faster, above, numpy up to 6.2 times.",
        ),
        (
            {**FALLING, 10**6: 9.0}, [],
            f"{OVERTAKES}; then numpy overtakes torch-cpu between 65 536 and 1 000 000.",
        ),
        (
            {1: 1.2, 512: 2.0, 65536: 80.0}, [],
            "numpy is faster than torch-cpu at every size measured, from N = 1 to 65 536: gradient, H = 512, float32; "
            "1.2 to 80 times.",
        ),
        (
            {1: 0.5, 512: 1.0, 65536: 0.25}, [],
            "torch-cpu is faster than numpy at 2 of 3 sizes measured, from N = 1 to 65 536: gradient, H = 512, "
            "float32; 2 to 4 times, and at the others no difference is clear.",
        ),
        (
            {1: 1.0, 8: 1.0}, [],
            "Neither numpy nor torch-cpu is clearly faster at any size measured, from N = 1 to 8: gradient, H = 512, "
            "float32.",
        ),
        (
            FALLING,
            [failed(ASKED, 860, name, "SKIPPED", "the 9 s were spent; --seconds gives more") for name in "ab"],
            f"{OVERTAKES}. N = 860 was not measured: the 9 s were spent; --seconds gives more.",
        ),
        (
            {1: 2.0},
            [failed(ASKED, 8, "numpy", "SKIPPED", "no memory"), failed(ASKED, 8, "torch-cpu", "SKIPPED", "alone")],
            "numpy is faster than torch-cpu at every size measured, N = 1: gradient, H = 512, float32; 2 times. "
            "N = 8 was not measured: numpy: no memory.",
        ),
        (
            {}, [failed(ASKED, 1, "torch-cpu", "SKIPPED", "no memory")],
            "Nothing was compared. N = 1 was not measured: torch-cpu: no memory.",
        ),
        (
            FALLING, [failed(ASKED, 860, "torch-cpu", "DISAGREES", DISAGREES)],
            f"No crossover is claimed. N = 860 DISAGREES: torch-cpu: {DISAGREES}.",
        ),
    ],
)  # fmt: skip
def test_the_sentence(ratios: dict[int, float], more: list[dict[str, Any]], sentence: str, tmp_path: Path) -> None:
    """Each form of the sentence is made from the journal alone."""
    more = [
        {**text, "backend": {"a": "numpy", "b": "torch-cpu"}.get(text["backend"], text["backend"])} for text in more
    ]
    assert crossover_in_words(make(tmp_path, ratios, *more)).replace(NO_BREAK, " ") == sentence


def test_a_size_that_disagrees_takes_the_claim_of_all_others(tmp_path: Path) -> None:
    """A size that disagrees has no time, and the report then claims no crossover anywhere."""
    disagreeing = failed(ASKED, 860, "torch-cpu", "DISAGREES", DISAGREES)
    run = make(tmp_path, FALLING, disagreeing, failed(ASKED, 860, "numpy", "SKIPPED", "alone"))
    assert comparison.crossings(run) == []
    report.report(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "No crossover is claimed" in page
    assert "overtakes" not in page
    (row,) = [text for text in page.splitlines() if text.startswith("| 860")]
    assert DISAGREES in row
    assert " us" not in row


PAGES = ("README.md", "index.html")  # which list every run


def test_a_crossover_has_a_section_table_and_figure_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A crossover changes nothing in the tables of other runs; the same journals give the same bytes."""
    for folder in ("without", "with", "again"):
        ordinary(tmp_path / folder)
        if folder != "without":
            make(tmp_path / folder, FALLING)
        report.report(tmp_path / folder)
    without, found, again = (digest(tmp_path / folder) for folder in ("without", "with", "again"))
    assert found == again
    slug = "a-machine-numpy-to-torch-cpu-over-batch-gradient"
    new = {
        "tables/crossover.csv",
        "tables/crossover.md",
        f"figures/crossover-{slug}.png",
        f"figures/crossover-{slug}.svg",
    }
    assert set(found) - set(without) == new
    assert {name: found[name] for name in without if name not in PAGES} == {
        name: without[name] for name in without if name not in PAGES
    }
    page = (tmp_path / "with" / "README.md").read_text().replace(NO_BREAK, " ")
    assert f"{OVERTAKES}." in page
    assert f"](figures/crossover-{slug}.png)" in page
    assert "(tables/crossover.md)" in page
    assert "| 1 024 " in (tmp_path / "with" / "tables" / "crossover.md").read_text().replace(NO_BREAK, " ")
    assert OVERTAKES in printed(capsys)


def test_a_folder_of_crossovers_alone_is_reported(tmp_path: Path) -> None:
    """A folder of crossovers alone is reported without the other tables."""
    make(tmp_path, FALLING)
    report.report(tmp_path)
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {"crossover.csv", "crossover.md"}
    assert len(crossover_table(runs(tmp_path)[0]).frame) == len(FALLING)


def test_each_question_is_a_kind_of_run(tmp_path: Path) -> None:
    """The newest run of each sweep is shown, beside the ordinary run and other sweeps of its backends."""
    ordinary(tmp_path, "20260101T000000Z-aaaa")
    asked = {
        "20260102": ASKED,
        "20260103": ASKED,
        "20260104": Sweep("torch-cpu", "numpy", "batch", 512, 1, 65536),
        "20260105": Sweep("numpy", "torch-cpu", "hidden", 800, 1, 4096),
        "20260106": Sweep("numpy", "torch-cpu", "batch", 64, 1, 65536),
        "20260107": Sweep("numpy", "torch-cpu", "batch", 512, 8, 4096, "step", "sgd", "float64"),
    }
    for name, one in asked.items():
        write(tmp_path, one, *blocks(one, 100, 2.0), name=name)
    assert {run.name: run.slug for run in runs(tmp_path)} == {
        "20260101T000000Z-aaaa": "a-machine",
        "20260103": "a-machine-numpy-to-torch-cpu-over-batch-gradient",
        "20260104": "a-machine-torch-cpu-to-numpy-over-batch-gradient",
        "20260105": "a-machine-numpy-to-torch-cpu-over-hidden-gradient",
        "20260106": "a-machine-numpy-to-torch-cpu-over-batch-gradient-hidden-64",
        "20260107": "a-machine-numpy-to-torch-cpu-over-batch-sgd-step-float64",
    }


def test_two_backends_are_compared_in_the_newest_run_of_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two backends are compared in the newest ordinary run, not in a later crossover that is not named."""
    ordinary(tmp_path, "20260101T000000Z-aaaa")
    make(tmp_path, FALLING)
    assert compare.main(["numpy", "torch-cpu", "--results", str(tmp_path)]) == 0
    assert "20260101T000000Z-aaaa" in capsys.readouterr().out
    words = ["--run", "20260103T000000Z-cccc", "--results", str(tmp_path)]
    assert compare.main(["numpy", "torch-cpu", *words]) == 0
    assert "20260103T000000Z-cccc" in capsys.readouterr().out


@pytest.mark.usefixtures("undrawn")
def test_a_crossover_is_not_compared_with_an_older_ordinary_run(tmp_path: Path) -> None:
    """A crossover is not compared with an ordinary run that has the same case, for it answers another question."""
    for name in ("20260101T000000Z-aaaa", "20260102T000000Z-bbbb"):
        ordinary(tmp_path, name)
    make(tmp_path, FALLING)
    report.report(tmp_path, against="20260101T000000Z-aaaa")
    against = (tmp_path / "tables" / "against.md").read_text()
    assert "20260102T000000Z-bbbb" in against
    assert "20260103T000000Z-cccc" not in against


@pytest.mark.parametrize(
    "found",
    [None, 3, [], {}, {**ASKED.settings(), "a": 1}, {**ASKED.settings(), "fixed": "512"},
     {**ASKED.settings(), "least": True}, {**ASKED.settings(), "over": "depth"}],
)  # fmt: skip
def test_a_damaged_question_is_none(found: object) -> None:
    """A run with a damaged sweep is an ordinary one; a whole sweep comes back as it was."""
    assert sweep.read(found) is None
    assert sweep.read(json.loads(json.dumps(ASKED.settings()))) == ASKED


def test_a_step_avoids_the_batch_of_minibatches() -> None:
    """The batch at which a step goes through an epoch is avoided; where the width varies none is."""
    assert Sweep("a", "b", "batch", 512, 1, 100, "step", "adam").avoided == (32,)
    assert Sweep("a", "b", "hidden", 32, 1, 100, "step", "adam").avoided == ()
    assert ASKED.avoided == ()
