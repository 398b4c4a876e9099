"""The page about the CUDA kernels says what the compiler says: instructions, shuffles, barriers, registers."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from cuda_sass import (
    ARCHITECTURES,
    KERNELS,
    TRAIN,
    Counted,
    compile_for,
    inner_loop,
    instructions,
    loops,
    step_row,
    table_row,
)

from relufit.backends.cuda.packing import LANES
from relufit.backends.cuda.sources import FOLDER, UNITS_PER_THREAD

pytestmark = pytest.mark.cuda_source
README = (FOLDER / "README.md").read_text(encoding="utf-8")
PICTURE = (FOLDER / "training-step.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_tables_are_what_the_compiler_gives(architecture: int) -> None:
    """Each row that names an architecture is counted, and no counted row is missing."""
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings is not installed")
    _, *version = nvrtc.nvrtcVersion()
    (stated,) = re.findall(r"NVRTC (\d+)\.(\d+)", README)
    if tuple(map(str, version)) != stated:
        pytest.skip(f"the page has the counts of NVRTC {'.'.join(stated)}, and this is {version}")
    written = [line for line in README.splitlines() if line.startswith("|") and f" sm_{architecture} |" in line]
    assert written == [*(table_row(one, architecture) for one in KERNELS), step_row(architecture)]


def test_the_ratios_are_those_of_the_table() -> None:
    """A quotient in the text divides numbers of the table, and is rounded down."""
    found = re.findall(r"(\d\.\d+) / (\d+\.\d+) = (0\.\d+)", README)
    assert len(found) == 2
    for above, below, ratio in found:
        assert f"| {above} |" in README
        assert f"| {below} |" in README
        assert 0 <= float(above) / float(below) - float(ratio) < 0.01


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_group_is_as_it_is_drawn(architecture: int) -> None:
    """A group has one barrier, 31 shuffles and an fma per unit and sample; the thread's registers do not spill."""
    counts, _ = inner_loop(TRAIN, architecture)
    assert (counts["BAR"], counts["SHFL"]) == (1, LANES - 1)
    assert counts["FFMA"] >= LANES * UNITS_PER_THREAD
    assert "31 shuffles" in PICTURE
    assert PICTURE.count('class="block"') == 2  # in the legend, and once in a group
    numbers = 3 * (3 * UNITS_PER_THREAD + 1)
    assert f"{numbers} numbers with Adam" in PICTURE
    assert re.search(rf"{numbers}\s+numbers with Adam", README)
    log, _ = compile_for(architecture, TRAIN.text, TRAIN.options)
    assert re.search(r"0 bytes stack frame, 0 bytes spill stores.*?Used 255 registers", log, flags=re.DOTALL)
    assert re.search(r"255\s+registers", README)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda one: one.kernel)
def test_loops_are_nested(kernel: Counted, architecture: int) -> None:
    """Two loops of a kernel are apart or one contains the other: branches are decoded to the right place."""
    _, cubin = compile_for(architecture, kernel.text, kernel.options)
    code = instructions(cubin, kernel.kernel)
    found = sorted(loops(code, architecture), key=lambda one: (one.start, -one.stop))
    assert found
    assert all(0 <= one.start < one.stop <= len(code) for one in found)
    for outer, inner in pairwise(found):
        assert inner.stop <= outer.stop or inner.start >= outer.stop


def test_the_picture_is_small_and_scalable() -> None:
    """The picture is well-formed text without a raster image, for light and dark pages."""
    root = ElementTree.fromstring(PICTURE)
    assert root.get("viewBox", "").split()[2] == "800"
    assert "prefers-color-scheme: dark" in PICTURE
    assert "<image" not in PICTURE
    assert len(PICTURE.encode()) < 60_000
    assert "](training-step.svg)" in README
