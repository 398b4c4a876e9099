"""Two commits timed in turns: the order of passes, what is not asked for again, folders, and a planted slowdown."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench import compare
from bench.grid.case import Case
from bench.journal.status import Status
from bench.measure import commits
from relufit import RelufitError

CASE = Case("gradient", 800)
STEP = Case("step", 32, optimizer="adam")
BUSY = """
    def loss_and_grads(self, params, samples):
        import time

        start = time.perf_counter()
        found = super().loss_and_grads(params, samples)
        end = time.perf_counter() + {share} * (time.perf_counter() - start)
        while time.perf_counter() < end:
            pass
        return found

    def facts("""
VERBS = "\n    def facts("  # the first method of NumpyBackend after which one can be planted


class FakeSide:
    """A side on a clock that both share: each request takes a second."""

    now = 0.0

    def __init__(self, label: str, asked: list[tuple[str, str, str, int]], **status: str) -> None:
        self.label, self.asked, self.status = label, asked, status

    def time(self, case: Case, name: str, number: int) -> dict[str, Any]:
        FakeSide.now += 1
        self.asked.append((self.label, case.work, name, number))
        return {"status": self.status.get(name, "OK"), "reason": "planted"}


def alternate(seconds: float, *keys: commits.Key, **status: str) -> list[tuple[str, str, str, int]]:
    """What both sides were asked for; `status` is that of backends at NEW."""
    asked: list[tuple[str, str, str, int]] = []
    sides = FakeSide("old", asked), FakeSide("new", asked, **status)
    commits.alternate(*sides, keys, ["r", "s"], seconds, clock=lambda: FakeSide.now)
    return asked


def test_sides_alternate_and_recipes_take_turns() -> None:
    """OLD NEW, then NEW OLD; the recipes follow, each for two passes."""
    asked = alternate(1.0, (STEP, "numpy"))
    assert asked[:4] == [("old", "step", "numpy", 0), ("new", "step", "numpy", 0),
                         ("old", "gradient", "r", 0), ("new", "gradient", "r", 0)]  # fmt: skip
    assert [side for side, work, *_ in asked if work == "step"] == ["old", "new", "new", "old"] * 3
    assert [name for side, work, name, _ in asked if work == "gradient" and side == "old"] == list("rrssrr")


def test_passes_end_in_twos_when_the_time_is_spent() -> None:
    """Six passes whatever they take, an even number of them after that, and no more than MOST_PASSES."""
    passes = {seconds: alternate(seconds, (CASE, "numpy"))[-1][-1] + 1 for seconds in (1.0, 35.0, 1e9)}
    assert passes == {1.0: 6, 35.0: 10, 1e9: commits.MOST_PASSES}


def test_a_case_that_fails_is_not_asked_for_again() -> None:
    """What has no time on one side is asked for once, on both; the others go on."""
    asked = alternate(1.0, (CASE, "numpy"), (CASE, "numba"), numba="DISAGREES", r="SKIPPED")
    assert [number for *_, name, number in asked if name in ("numba", "r")] == [0] * 4
    assert len([1 for *_, name, _ in asked if name == "numpy"]) == 12
    assert [number for side, _, name, number in asked if (side, name) == ("old", "s")] == [1, 2, 3, 4, 5]


def test_a_side_on_which_all_crashes_is_an_error() -> None:
    """Where the recipes crash too the harness cannot drive that commit: that says which, and is no finding."""
    crashed = dict.fromkeys(("numpy", "r"), str(Status.CRASHED))
    with pytest.raises(RelufitError, match="cannot drive the relufit of new: planted"):
        alternate(1.0, (CASE, "numpy"), **crashed)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of this repository with the relufit of the working tree committed, whose commits are compared."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--local", str(commits.ROOT), str(clone)], check=True)
    shutil.copytree(commits.ROOT / "relufit", clone / "relufit", dirs_exist_ok=True)
    monkeypatch.setattr(commits, "REPOSITORY", clone)
    monkeypatch.setattr(commits, "RECIPES", {"textbook-numpy": commits.RECIPES["textbook-numpy"]})
    git(clone, "tag", "clean", commit(clone))
    return clone


def git(clone: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", *words]
    return subprocess.run(command, cwd=clone, check=True, capture_output=True, text=True).stdout.strip()


def commit(clone: Path) -> str:
    """Commit what the clone holds, and return the commit."""
    git(clone, "commit", "--quiet", "--all", "--allow-empty", "--message", "a commit")
    return git(clone, "rev-parse", "HEAD")


def plant(clone: Path, share: float) -> None:
    """Make numpy's gradient longer by this share, in the working tree."""
    path = clone / "relufit" / "backends" / "numpy.py"
    path.write_text(path.read_text().replace(VERBS, BUSY.format(share=share), 1))


@pytest.mark.parametrize("end", [None, KeyboardInterrupt, RelufitError])
def test_the_folder_is_removed_however_it_ends(repository: Path, end: type[BaseException] | None) -> None:
    """The folder holds the relufit of that commit alone, and nothing of it stays."""

    def use() -> None:
        with commits.checked_out("clean") as folder:
            assert [path.name for path in folder.iterdir()] == ["relufit"]
            assert (folder / "relufit" / "backends" / "numpy.py").is_file()
            found.append(folder)
            if end is not None:
                raise end

    found: list[Path] = []
    if end is None:
        use()
    else:
        with pytest.raises(end):
            use()
    assert not found[0].exists()


def test_the_working_tree_is_taken_as_it_is(repository: Path) -> None:
    """What is not committed is in the copy, and in no commit."""
    plant(repository, 0.5)
    for name, is_planted in ((None, True), ("clean", False)):
        with commits.checked_out(name) as folder:
            text = (folder / "relufit" / "backends" / "numpy.py").read_text()
            assert ("time.perf_counter" in text) == is_planted


@pytest.mark.parametrize("word", ["nowhere", "--help", ""])
def test_a_commit_that_does_not_exist(repository: Path, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong commits are a sentence and exit code 2."""
    assert compare.main(["--commits=" + word, "--backend", "numpy"]) == 2
    assert capsys.readouterr().err.startswith("bench.compare: git rev-parse")


def test_a_commit_that_cannot_be_driven(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A relufit without what this bench imports is named, with exit code 2."""
    (repository / "relufit" / "network" / "optim.py").write_text("")
    git(repository, "tag", "other", commit(repository))
    assert compare.main(["--commits", "other", "clean", "--backend", "numpy"]) == 2
    said = capsys.readouterr().err
    assert "cannot drive the relufit of other: ImportError" in said


@pytest.fixture
def side(repository: Path, tmp_path: Path) -> Iterator[commits.Side]:
    """A side at the working tree, with its process."""
    with commits.checked_out(None) as root:
        found = commits.Side("it", root, tmp_path / "it.jsonl", 1)
        found.ask_for_state(["numpy", "no-such-backend"])
        found.read_state()
        yield found
        found.close()


def test_a_process_that_ends_costs_its_case(side: commits.Side) -> None:
    """The case is CRASHED with the signal, and the next one has a new process."""
    assert "unknown backend" in str(side.reasons["no-such-backend"])
    assert side.time(CASE, "no-such-backend", 0)["status"] == Status.SKIPPED
    assert side.time(CASE, "numpy", 0)["status"] == Status.OK
    process = side._process
    process.send_signal(signal.SIGSTOP)  # so that it ends in the case
    side._send = lambda *request: process.kill()  # type: ignore[method-assign]
    crashed = side.time(CASE, "numpy", 1)
    assert (crashed["status"], crashed["reason"]) == (Status.CRASHED, "its process ended with -9 in this case")
    del side._send
    assert side.time(CASE, "numpy", 2)["status"] == Status.OK
    assert side._process is not process


def test_a_process_that_hangs_costs_its_case(side: commits.Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time the process is ended, and the case is TIMEOUT."""
    monkeypatch.setattr(commits, "CASE_SECONDS", 0.5)
    side._process.send_signal(signal.SIGSTOP)
    assert side.time(CASE, "numpy", 0)["status"] == Status.TIMEOUT


@pytest.mark.parametrize(("unsound", "status"), [(1, "OK"), (2, "OK"), (3, "UNSOUND")])
def test_a_case_is_unsound_if_it_is_so_again_and_again(
    side: commits.Side, monkeypatch: pytest.MonkeyPatch, unsound: int, status: str
) -> None:
    """A block that a loaded machine made look unsound is measured again; only the last one is in the journal."""
    found = iter([{"kind": "case", "status": "UNSOUND"}] * unsound + [{"kind": "case", "status": "OK"}])
    monkeypatch.setattr(side, "_time", lambda *asked: next(found))
    assert side.time(CASE, "numpy", 0)["status"] == status
    assert len(side.journal.path.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--backend", "numpy"], "--backend goes with --commits and --history only"),
        (["--commits", "a", "b", "c"], "--commits takes one commit or two"),
        (["--commits", "a", "--aa"], "--commits takes one commit or two"),
        (["--commits", "a", "--backend", "cuda"], "--backend: unknown 'cuda'"),
        (["--commits", "a", "--work", "memory"], "--work: unknown 'memory'"),
        (["--commits", "a", "--batch", "0"], "--batch takes whole numbers"),
        (["--commits", "a", "--threads", "0"], "--threads must be at least 1"),
    ],
)
def test_wrong_options(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be asked is a sentence and exit code 2, before anything is measured."""
    assert compare.main(words) == 2
    assert said in capsys.readouterr().err


def answer(*words: str) -> int:
    """The exit code of the command for numpy's gradient, in one thread; where it asks to measure again, that is done.

    A call of 0.3 ms is seldom interrupted on a machine that other tests use too.
    """
    given = ["--backend", "numpy", "--work", "gradient", "--batch", "100", "--threads", "1"]
    for _ in range(4):
        if (code := compare.main(["--commits", *words, *given, "--fail-on", "slower:5%"])) != 3:
            break
    return code


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds enough for what is plain."""
    monkeypatch.setattr(commits, "SECONDS", 10.0)


@pytest.mark.usefixtures("quick")
def test_a_planted_slowdown_is_found(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A gradient that takes 50 % longer at a commit is SLOWER, with exit code 1."""
    plant(repository, 0.5)
    git(repository, "tag", "slow", commit(repository))
    assert answer("clean", "slow") == 1
    said = capsys.readouterr()
    assert "SLOWER" in said.out
    assert "numpy, gradient N = 100: SLOWER by" in said.err


@pytest.mark.usefixtures("quick")
def test_without_a_change_nothing_is_claimed(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The working tree as it was committed is neither SLOWER nor FASTER."""
    assert answer("clean") in (0, 3)  # a loaded machine may not tell
    said = capsys.readouterr().out
    assert "SLOWER" not in said
    assert "FASTER" not in said


@pytest.mark.slow
def test_ten_planted_slowdowns_and_ten_without(repository: Path) -> None:
    """10 % are found in ten runs of ten, and without them there is no alarm in ten."""
    plant(repository, 0.1)
    git(repository, "tag", "slow", commit(repository))
    assert [answer("clean", "slow") for _ in range(10)] == [1] * 10
    assert 1 not in [answer("clean", "clean") for _ in range(10)]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_ended_leaves_nothing(repository: Path, tmp_path: Path, sent: int, code: int) -> None:
    """After Ctrl-C, or in a cancelled job, no process and no file of the run is left."""
    script = (
        "import signal, sys\nfrom pathlib import Path\nfrom bench import compare\nfrom bench.measure import commits\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # xdist ignores it, and so do its children
        f"commits.REPOSITORY = Path({str(repository)!r})\ncommits.RECIPES = {{}}\n"
        "sys.exit(compare.main(['--commits', 'HEAD', '--backend', 'numpy']))"
    )
    (folder := tmp_path / "tmp").mkdir()
    words, environment = [sys.executable, "-c", script], {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(words, cwd=commits.ROOT, env=environment, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        assert "the working tree against HEAD" in child.stderr.readline()
        sides = psutil.Process(child.pid).children()
        assert len(sides) == 2
        child.send_signal(sent)
        assert child.wait(60) == code
    assert not psutil.wait_procs(sides, 10)[1]
    assert list(folder.iterdir()) == []
