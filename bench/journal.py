"""The record of a run: one line of JSON for the run, then one for each finished case, on disk as soon as it is known.

Append-only: a run that is killed has lost nothing but the case in flight. bench/frames.py is the only reader.
"""

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from relufit.errors import RelufitError

SCHEMA = 2  # since 2, fields of the usual case and None are left out
RESULTS = Path("results")


class Journal:
    """One file of one run: results/raw/<machine>/<run>.jsonl."""

    def __init__(self, results: Path, header: dict[str, Any]) -> None:
        self.run = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(2)}"
        folder = results / "raw" / header["machine"]["slug"]
        self.path = folder / f"{self.run}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("x", encoding="utf-8")
        except OSError as error:
            raise RelufitError(
                f"cannot write results to {folder}: {error.strerror}; choose another --results"
            ) from None
        self.write({"kind": "run", "schema": SCHEMA, "run": self.run, **header})

    def write(self, line: dict[str, Any]) -> None:
        """Append one line and force it to disk."""
        present = {key: value for key, value in line.items() if value is not None}
        self._file.write(json.dumps(_compact(present), separators=(",", ":")) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; what was written is there already."""
        self._file.close()


def _compact(value: Any, digits: int = 6) -> Any:
    """The same value with floats of 6 digits, 4 in lists (no two rounds agree in the third); nan and inf as text."""
    if isinstance(value, dict):
        return {key: _compact(item, 3 if key == "agreement" else digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_compact(item, min(digits, 4)) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if abs(value) < float("inf") else str(value)
    return value
