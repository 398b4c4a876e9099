"""Whether the memory that is free will do, asked before large work: Linux grants more than there is, and then kills."""

from relufit.errors import RelufitError

SMALL = 2**28  # bytes, below which there is no asking


def demand_memory(work: str, need: float, advice: str) -> None:
    """Raise RelufitError where `work` needs more bytes than are free; the sentence names both."""
    if need < SMALL:
        return
    import psutil  # which takes as long to import as a small fit

    free = psutil.virtual_memory().available
    if need > free:
        raise RelufitError(f"{work} needs {need / 2**30:.3g} GiB and {free / 2**30:.3g} GiB are free; {advice}")
