"""`relufit` on the command line: fit a function, and say which backends work here.

Bad input ends in one sentence on stderr and exit code 2; results go to stdout, as text or as one JSON object.
"""

import json
import math
import sys
from typing import Annotated

import typer

import relufit
from relufit import backends, training
from relufit.errors import RelufitError
from relufit.export import check_can_save
from relufit.params import SCHEMES
from relufit.plotting import check_can_plot
from relufit.targets import ZOO, parse

app = typer.Typer(
    help="Fit functions with two-layer ReLU networks.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain errors: a sentence in a box is hard to read, to copy and to search
    pretty_exceptions_enable=False,
)


@app.command("fit")
def fit_command(
    target: Annotated[str, typer.Argument(help=f"An expression in x, or one of: {', '.join(ZOO)}.")],
    domain: Annotated[str | None, typer.Option(help="LOW,HIGH, as in --domain=-2*pi,2*pi.")] = None,
    hidden: Annotated[int, typer.Option(help="Hidden units.")] = 512,
    solver: Annotated[str, typer.Option(help=", ".join(training.OPTIMIZERS) + ".")] = "adam",
    learning_rate: Annotated[float | None, typer.Option(help="The solver's; default 1e-3.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the data.")] = 200,
    batch_size: Annotated[int, typer.Option(help="Samples per update.")] = 32,
    n: Annotated[int, typer.Option(help="Samples of the function.")] = 1000,
    backend: Annotated[
        str, typer.Option(help="See `relufit backends`; several, with commas: the first that can.")
    ] = "numpy",
    dtype: Annotated[str, typer.Option(help="float32 or float64, for training.")] = "float32",
    scheme: Annotated[str, typer.Option(help=f"Initial weights: {', '.join(SCHEMES)}.")] = "spread",
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    plot: Annotated[str | None, typer.Option(help="Draw the fit to this file (.png, .svg, .pdf).")] = None,
    save: Annotated[str | None, typer.Option(help="Write the weights to this .safetensors file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fit a function of x and print how good the fit is."""
    for path, check in ((save, check_can_save), (plot, check_can_plot)):
        if path is not None:
            check(path)  # before the training that would be lost
    fit = relufit.fit(
        target,
        domain=None if domain is None else _domain(domain),
        hidden=hidden,
        solver=solver,
        learning_rate=learning_rate,
        epochs=epochs,
        batch_size=batch_size,
        n=n,
        backend=backend.split(",") if "," in backend else backend,
        dtype=dtype,
        scheme=scheme,
        seed=seed,
    )
    if save is not None:
        fit.save(save)
    if plot is not None:
        fit.plot(plot)
    if as_json:
        # JSON has no nan and no inf: an error that does not exist (no test samples) is null.
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fit.metrics.items()}
        print(json.dumps(finite))
    else:
        print(_sentence(fit))


@app.command("backends")
def backends_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List every backend, and why those that cannot run here cannot."""
    found = backends.status()
    if as_json:
        print(json.dumps(found))
        return
    width = max(map(len, found))
    for name, reason in found.items():
        print(f"{name:<{width}}  {reason or 'ready'}")


def main() -> None:
    """Run the command line; every error that a user can cause is one sentence and exit code 2."""
    try:
        app()
    except RelufitError as error:
        print(f"relufit: {error}", file=sys.stderr)
        sys.exit(2)
    except MemoryError:
        print("relufit: this does not fit in memory; take fewer samples or hidden units", file=sys.stderr)
        sys.exit(2)


def _domain(text: str) -> tuple[float, float]:
    ends = text.split(",")
    if len(ends) != 2:
        raise RelufitError(f"--domain takes LOW,HIGH, such as --domain=-2*pi,2*pi, not {text!r}")
    low, high = (parse(end)([0.0, 1.0]) for end in ends)
    if low[0] != low[1] or high[0] != high[1]:
        raise RelufitError(f"the ends of a domain are numbers, not expressions in x: {text!r}")
    return float(low[0]), float(high[0])


def _sentence(fit: relufit.Fit) -> str:
    m = fit.metrics
    stopped = " (stopped by Ctrl-C: this is the state reached)" if m["status"] == "interrupted" else ""
    return (
        f"mean squared error {m['mse']:.3e}, largest error {m['max_error']:.3e}{stopped}\n"
        f"{m['hidden']} hidden units, {m['solver']} on {m['backend']}: "
        f"{m['epochs']} epochs, {m['steps']} steps, {m['seconds']:.2f} s"
    )
