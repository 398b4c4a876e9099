"""Write the files of a fit, and check before the fit that they can be written."""

from collections.abc import Callable
from typing import NamedTuple

from relufit.errors import RelufitError
from relufit.export import check_can_save, check_path
from relufit.fits.result import Fit
from relufit.solvers.training import Diverged


class Files(NamedTuple):
    """The files to write of a fit, by their paths; None for those that are not asked for."""

    save: str | None = None
    plot: str | None = None
    pieces: str | None = None


def check_files(files: Files, inputs: int, outputs: int) -> None:
    """Raise RelufitError if a fit with these numbers of inputs and outputs could not be written to these files."""
    if files.save is not None:
        check_can_save(files.save)
    if files.plot is not None:
        from relufit.fits.plotting import check_can_plot

        check_can_plot(files.plot, inputs, outputs)
    if files.pieces is not None:
        if inputs != 1:
            raise RelufitError(f"--pieces needs one --x, because only a function of one input has pieces, not {inputs}")
        check_path(files.pieces, ".csv")


def write_files(fit: Fit, files: Files) -> tuple[list[str], list[str]]:
    """Write the files; return the paths written, and the error messages of those that could not be written."""
    written: list[str] = []
    failures: list[str] = []
    writers: tuple[Callable[[str], object], ...] = (fit.save, fit.plot, lambda path: fit.to_piecewise().to_csv(path))
    for path, write in zip(files, writers, strict=True):
        if path is None:
            continue
        try:
            write(path)
            written.append(path)
        except RelufitError as error:
            failures.append(str(error))
    return written, failures


def with_last_state(error: Diverged, files: Files) -> RelufitError:
    """Write the last good state to the requested files; return an error that names them."""
    written, failures = ([], []) if error.fit is None else write_files(error.fit, files)
    kept = [f"the last good state is in {' and '.join(written)}"] if written else []
    return RelufitError("; ".join([str(error), *kept, *failures]))
