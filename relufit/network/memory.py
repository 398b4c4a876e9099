"""Refuse work that does not fit into free memory: Linux grants more memory than it has, and then kills the process.

Free memory is the least of what the machine has free and what each control group of this process still allows: a
container sees the memory of its host, but is killed at its own limit.
"""

from collections.abc import Iterator
from pathlib import Path

from relufit.errors import RelufitError

SMALL = 2**28  # bytes, below which free memory is not looked up
# The names of the limit, of the usage, and of the file cache in memory.stat, which is part of the usage but is dropped
# before the kernel kills a process, in control groups of versions 2 and 1.
# Sources: https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
UNIFIED = "memory.max", "memory.current", "inactive_file"
LEGACY = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"


def demand_memory(work: str, need: float, advice: str) -> None:
    """Raise RelufitError if `work` needs more bytes than are free; the message names both numbers."""
    if need < SMALL:
        return
    free = free_bytes()
    if need > free:
        raise RelufitError(f"{work} needs {need / 2**30:.3g} GiB and {free / 2**30:.3g} GiB are free; {advice}")


def free_bytes(root: Path = Path("/")) -> int:
    """Bytes that this process can still allocate; `root` is the folder that holds proc and sys."""
    import psutil  # its import takes as long as a small fit

    groups = control_groups("memory", root)
    allowed = [_left_in(group, *(UNIFIED if is_unified else LEGACY)) for group, is_unified in groups]
    return min([int(psutil.virtual_memory().available), *(left for left in allowed if left is not None)])


def control_groups(controller: str, root: Path = Path("/")) -> Iterator[tuple[Path, bool]]:
    """The control groups of this process and their parents, and whether each is of version 2; some may not exist.

    In a container, proc/self/cgroup may hold the host's path, which does not exist below the container's mount. The
    mount itself is the topmost parent.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = (f"sys/fs/cgroup/{controller}",) if controllers else ("sys/fs/cgroup", "sys/fs/cgroup/unified")
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for mount in mounts:
            for depth in range(len(parts) + 1):
                yield root.joinpath(mount, *parts[:depth]), not controllers


def _left_in(group: Path, limit: str, used: str, droppable: str) -> int | None:
    """Bytes left in one control group; None where it does not exist or has no limit."""
    try:
        left = int((group / limit).read_text()) - int((group / used).read_text())
    except (OSError, ValueError):  # no such group, or "max", which means no limit
        return None
    try:
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except OSError:
        stat = {}
    return max(0, left + int(stat.get(droppable, 0)))
