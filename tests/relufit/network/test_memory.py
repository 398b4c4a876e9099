"""Free memory: of the machine, and within the limits of a container."""

from pathlib import Path

import psutil
import pytest

from relufit import RelufitError, fit
from relufit.network import memory

GIB = 2**30


def write_group(root: Path, folder: str, limit: object, used: int, cache: int = 0, version: int = 2) -> None:
    """Write the files of one control group below a folder that stands for /."""
    names = memory.UNIFIED if version == 2 else memory.LEGACY
    group = root / folder
    group.mkdir(parents=True, exist_ok=True)
    (group / names[0]).write_text(f"{limit}\n")
    (group / names[1]).write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"anon {used - cache}\ninactive_anon 1\n{names[2]} {cache}\n")


def write_membership(root: Path, text: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(text)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have 64 GiB free."""
    free = type("Free", (), {"available": 64 * GIB})()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)


def test_without_control_groups_the_machine_decides(tmp_path: Path) -> None:
    """A missing /proc, or a group without files, does not change the free memory."""
    assert memory.free_bytes(tmp_path) == 64 * GIB
    write_membership(tmp_path, "0::/user.slice\n")
    assert memory.free_bytes(tmp_path) == 64 * GIB


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/", "sys/fs/cgroup"),  # a container with a namespace of its own
        ("/a/b", "sys/fs/cgroup/a/b"),
        ("/a/b", "sys/fs/cgroup/a"),  # the limit is a parent's
        ("/docker/0123", "sys/fs/cgroup"),  # the path is the host's
        ("/../../a", "sys/fs/cgroup/a"),  # the process is outside of its namespace
        ("/a:b/c", "sys/fs/cgroup/a:b"),
        ("/a", "sys/fs/cgroup/unified/a"),  # beside version 1
    ],
)
def test_the_limit_of_a_group_or_of_its_parents_counts(tmp_path: Path, path: str, folder: str) -> None:
    """With a limit of 4 GiB and 3 used, of which 1 is file cache, 2 are free; a parent's limit counts too."""
    write_membership(tmp_path, f"0::{path}\n")
    write_group(tmp_path, folder, 4 * GIB, 3 * GIB, GIB)
    assert memory.free_bytes(tmp_path) == 2 * GIB


def test_the_smallest_limit_counts(tmp_path: Path) -> None:
    """The smallest limit of a group and its parents counts; "max" is no limit; usage above a limit leaves 0."""
    write_membership(tmp_path, "0::/a/b/c\n")
    write_group(tmp_path, "sys/fs/cgroup/a/b/c", "max", GIB)
    write_group(tmp_path, "sys/fs/cgroup/a/b", 9 * GIB, GIB)
    write_group(tmp_path, "sys/fs/cgroup/a", 6 * GIB, GIB)
    assert memory.free_bytes(tmp_path) == 5 * GIB
    write_group(tmp_path, "sys/fs/cgroup/a", GIB, 2 * GIB)
    assert memory.free_bytes(tmp_path) == 0


def test_version_1_has_other_names(tmp_path: Path) -> None:
    """In version 1 the memory controller has its own tree, and a huge number means no limit."""
    write_membership(tmp_path, "12:cpu,cpuacct:/x\n9:hugetlb,memory:/docker/1\n1:name=systemd:/x\n0::/\n")
    write_group(tmp_path, "sys/fs/cgroup/memory", 9223372036854771712, GIB, version=1)
    assert memory.free_bytes(tmp_path) == 64 * GIB
    write_group(tmp_path, "sys/fs/cgroup/memory/docker/1", 3 * GIB, 2 * GIB, GIB // 2, version=1)
    assert memory.free_bytes(tmp_path) == 1.5 * GIB
    (tmp_path / "sys/fs/cgroup/memory/docker/1/memory.stat").unlink()
    assert memory.free_bytes(tmp_path) == GIB


def test_what_a_container_does_not_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the memory left in the container, not that of the machine."""
    write_membership(tmp_path, "0::/\n")
    write_group(tmp_path, "sys/fs/cgroup", GIB, GIB // 2)
    monkeypatch.setattr(memory.free_bytes, "__defaults__", (tmp_path,))
    with pytest.raises(RelufitError, match=r"5000000 hidden units needs .* GiB and 0\.5 GiB are free"):
        fit("sin(x)", hidden=5_000_000, epochs=1, progress=False)
