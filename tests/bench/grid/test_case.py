"""A case and its name."""

from bench.grid.profiles import grid


def test_ids_tell_cases_apart() -> None:
    """No two tests of one kind have the same name."""
    for work in {c.work for c in grid("full")}:
        ids = [c.id for c in grid("full") if c.work == work]
        assert len(ids) == len(set(ids))
