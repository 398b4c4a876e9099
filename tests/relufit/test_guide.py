"""relufit/README.md: every block of the lesson and the guide runs, prints what stands below it, and draws its picture.

The pictures in .github/pictures are made anew by `python tests/relufit/test_guide.py .github/pictures`.
"""

import os
import re
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "relufit" / "README.md"
TEXT = GUIDE.read_text("utf-8")
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n((?:    [^\n]+\n)+))?", flags=re.DOTALL)  # and what it prints
PICTURE = re.compile(r"!\[.+?\]\(../.github/pictures/(.+?)\)")
PARTS = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]


def run(code: str, names: dict[str, object]) -> None:
    """Run a block in these names."""
    exec(compile(code, str(GUIDE), "exec"), names)


@pytest.mark.parametrize("part", PARTS, ids=[part.partition("\n")[0] for part in PARTS])
def test_every_block_runs(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each block runs after those before it and prints the lines below it; the pictures that are shown are drawn."""
    plt = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed: nothing can be drawn")
    for library in ("torch", "sklearn", "safetensors"):
        pytest.importorskip(library, reason=f"{library} is not installed: the guide uses it")
    plt.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    first = BLOCK.search(TEXT)
    assert first is not None
    run(first[1], names)
    for code, printed in BLOCK.findall(part):
        run(code, names)
        assert capsys.readouterr().out.splitlines() == [line[4:] for line in printed.splitlines()], code
    for picture in PICTURE.findall(part):
        assert (tmp_path / picture).stat().st_size > 5000
        assert (GUIDE.parents[1] / ".github" / "pictures" / picture).is_file()
    plt.close("all")


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "Agg"
    os.chdir(sys.argv[1])
    together: dict[str, object] = {}
    for block, _ in BLOCK.findall(TEXT):
        run(block, together)
    Path("fit.safetensors").unlink()  # which the guide writes beside the pictures
