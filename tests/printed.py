"""What a command has printed, whatever the width of the terminal."""

import pytest


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """What went to standard output since the last look, with each line break and run of spaces as one space."""
    return " ".join(capsys.readouterr().out.split())
