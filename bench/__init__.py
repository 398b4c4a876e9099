"""The harness that measures relufit: `pytest bench --benchmark-only`, then `python -m bench.report`."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def read(path: str | Path) -> "pd.DataFrame":
    """One journal as a frame: a row for each case and backend.

    The columns are the fields of a case and its result under their names in the journal (bench/journal/schema.py), and
    `passes`. Fields that say which case it is are int64 or str (`work`, `batch`, `hidden`, `dtype`, `inputs`,
    `outputs`, `optimizer`, `target`, `scheme`, `epochs`, `networks`), `backend`, `status` and `reason` str; single
    numbers are float64, nan where they are absent, with their unit in the name; curves and rounds are lists of float,
    and `passes` a dict from the number of a pass to its seconds of a call. The rounds of several passes stand together
    in `seconds`. A backend that could not run there has a row for each case, SKIPPED, with its reason.

    Lines that cannot be used are left out. Raises RelufitError where the file cannot be read. A journal without a case
    gives an empty frame.
    """
    from bench.analysis import frames  # here, so that `import bench` loads no pandas

    return frames.read(Path(path)).cases
