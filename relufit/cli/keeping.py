"""Write the files of a fit, and check before the fit that they can be written."""

from relufit.errors import RelufitError
from relufit.export import check_can_save
from relufit.fits import Fit
from relufit.solvers.training import Diverged


def check_files(save: str | None, plot: str | None, inputs: int, outputs: int) -> None:
    """Raise RelufitError if a fit with these numbers of inputs and outputs could not be written to these files."""
    if save is not None:
        check_can_save(save)
    if plot is not None:
        from relufit.plotting import check_can_plot

        check_can_plot(plot, inputs, outputs)


def write_files(fit: Fit, save: str | None, plot: str | None) -> tuple[list[str], list[str]]:
    """Write the files; return the paths written, and the error messages of those that could not be written."""
    written: list[str] = []
    failures: list[str] = []
    for path, write in ((save, fit.save), (plot, fit.plot)):
        if path is None:
            continue
        try:
            write(path)
            written.append(path)
        except RelufitError as error:
            failures.append(str(error))
    return written, failures


def with_last_state(error: Diverged, save: str | None, plot: str | None) -> RelufitError:
    """Write the last good state to the requested files; return an error that names them."""
    written, failures = ([], []) if error.fit is None else write_files(error.fit, save, plot)
    kept = [f"the last good state is in {' and '.join(written)}"] if written else []
    return RelufitError("; ".join([str(error), *kept, *failures]))
