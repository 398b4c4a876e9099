"""The command line `relufit` called in this process, which saves the seconds that a new one takes to import scipy."""

import pytest

from relufit import cli


class Answer:
    """What a command prints, and its exit code."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *given: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(given)
        captured = self.capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err  # type: ignore[return-value]

    def refusal(self, *given: str) -> str:
        """The one sentence on stderr, with exit code 2 and nothing on stdout."""
        code, out, err = self(*given)
        assert (code, out) == (2, "")
        assert err.startswith("relufit: ")
        assert err.count("\n") == 1
        return err.removeprefix("relufit: ").rstrip("\n")
