"""results/README.md: within its length the newest machines, and the names of the others."""

from bench.reporting.document import Document, Heading, markdown
from bench.reporting.readme import shortened


def test_older_machines_are_named_where_there_is_no_room() -> None:
    """The newest machines have their sections within 120 lines; the others are named in one line."""
    sections: dict[tuple[str, str], Document] = {
        (f"2026010{n}", f"machine-{n}"): [Heading(2, f"Machine {n}"), *["a line"] * 20] for n in (3, 1, 2, 4)
    }
    text = markdown(shortened(sections))
    assert text.count("\n") < 120
    assert [line[3:] for line in text.splitlines() if line[:3] == "## "] == ["Machine 3", "Machine 4", "More machines"]
    assert "In the tables and on the page: Machine 1; Machine 2." in text
    assert "More machines" not in markdown(shortened({("2026", "m"): sections["20260103", "machine-3"]}))
