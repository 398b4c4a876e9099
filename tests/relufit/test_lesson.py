"""The lesson of relufit/README.md: every step runs, prints what stands below it, and draws the picture that it shows.

The pictures in relufit/pictures are made anew by `python tests/relufit/test_lesson.py relufit/pictures`.
"""

import re
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "relufit" / "README.md"
STEPS = re.findall(r"^### (.+?)\n(.*?)(?=^### |^## |\Z)", GUIDE.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
BLOCK, PICTURE = re.compile(r"```python\n(.*?)```", flags=re.DOTALL), re.compile(r"!\[.+?\]\(pictures/(.+?)\)")
PRINTED = re.compile(r"^    (.+)$", flags=re.MULTILINE)
FIRST = BLOCK.search(GUIDE.read_text("utf-8"))


def run(code: str, names: dict[str, object]) -> None:
    """Run a block in these names."""
    exec(compile(code, str(GUIDE), "exec"), names)


def test_every_step_runs_and_draws_its_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every block runs after those before it, prints the lines below it, and writes the pictures that are shown."""
    plt = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed: no lesson can be drawn")
    pytest.importorskip("torch", reason="torch is not installed: the lesson compares with it")
    plt.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert FIRST is not None
    run(FIRST[1], names)
    for title, text in STEPS:
        for code in BLOCK.findall(text):
            run(code, names)
        printed = capsys.readouterr().out.splitlines()
        assert set(PRINTED.findall(BLOCK.sub("", text))) <= set(printed), title
        for picture in PICTURE.findall(text):
            assert (tmp_path / picture).stat().st_size > 5000, title
            assert (GUIDE.parent / "pictures" / picture).is_file(), title
    plt.close("all")
    assert len(STEPS) == 8


if __name__ == "__main__":
    import os

    os.environ["MPLBACKEND"] = "Agg"
    os.chdir(sys.argv[1])
    together: dict[str, object] = {}
    for block in BLOCK.findall(GUIDE.read_text("utf-8")):
        run(block, together)
