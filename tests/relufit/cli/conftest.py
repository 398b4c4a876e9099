"""What tests of the command line share."""

import pytest
from command_line import Answer


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Runs a command, and returns its exit code and what it printed."""
    return Answer(capsys)
