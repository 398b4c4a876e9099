"""`relufit` on the command line: fit a function or a table, use the fit, and say what the best fit would be.

Bad input ends in one sentence on stderr and exit code 2; results go to stdout, as text or as one JSON object.
"""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import relufit
from relufit import backends, fitting, targets
from relufit.errors import RelufitError
from relufit.export import check_can_save, load_params
from relufit.fits import evaluate
from relufit.params import SCHEMES

app = typer.Typer(
    help="Fit functions and data with two-layer ReLU networks.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain errors: a sentence in a box is hard to read, to copy and to search
    pretty_exceptions_enable=False,
)
TABLES = (".csv", ".tsv", ".txt", ".gz", ".bz2", ".parquet")

Domain = Annotated[str | None, typer.Option(help="LOW,HIGH, as in --domain=-2*pi,2*pi.")]
Columns = Annotated[list[str] | None, typer.Option("--x", help="Column of a table; --x again for more inputs.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("fit")
def fit_command(
    target: Annotated[
        str, typer.Argument(help=f"An expression in x, one of {', '.join(targets.ZOO)}, or a csv or parquet file.")
    ],
    domain: Domain = None,
    x: Columns = None,
    y: Annotated[list[str] | None, typer.Option("--y", help="Column of a table that is fitted.")] = None,
    weight: Annotated[str | None, typer.Option(help="Column of a table with the weights of its rows.")] = None,
    hidden: Annotated[str | None, typer.Option(help="Hidden units; default 512, for a table auto.")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Mean squared error to reach with as few units as can be: of the function over its domain; of the "
            "samples fitted, where it has noise and for a table."
        ),
    ] = None,
    solver: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(fitting.SOLVERS)}; default adam, for a tolerance or a table of one x spline."),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of sgd, momentum and adam; default 1e-3.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the data; iterations of lbfgs.")] = 200,
    batch_size: Annotated[int, typer.Option(help="Samples per update.")] = 32,
    n: Annotated[int | None, typer.Option(help="Samples of the function; default 1000.")] = None,
    test_fraction: Annotated[float, typer.Option(help="Part of the samples that is kept for testing.")] = 0.2,
    backend: Annotated[
        str, typer.Option(help="See `relufit backends`; several, with commas: the first that can.")
    ] = "numpy",
    dtype: Annotated[str, typer.Option(help="float32 or float64, for training.")] = "float32",
    scheme: Annotated[str, typer.Option(help=f"Initial weights: {', '.join(SCHEMES)}.")] = "spread",
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    plot: Annotated[str | None, typer.Option(help="Draw the fit to this file (.png, .svg, .pdf).")] = None,
    save: Annotated[str | None, typer.Option(help="Write the weights to this .safetensors file.")] = None,
    as_json: Json = False,
) -> None:
    """Fit a function of x, or columns of a table, and print how good the fit is."""
    if save is not None:
        check_can_save(save)  # before the work that would be lost
    if plot is not None:
        from relufit.plotting import check_can_plot

        check_can_plot(plot, len(x or ("x",)), len(y or ("y",)))
    options: dict[str, Any] = {
        "hidden": _hidden(hidden), "tolerance": tolerance, "learning_rate": learning_rate, "epochs": epochs,
        "batch_size": batch_size, "test_fraction": test_fraction,
        "backend": backend.split(",") if "," in backend else backend, "dtype": dtype, "scheme": scheme, "seed": seed,
    }  # fmt: skip
    if _is_table(target, x, y):
        from relufit.files import fit_file

        if not x or not y or domain is not None or n is not None:
            raise RelufitError("a table takes --x and --y, the names of its columns, and neither --domain nor --n")
        default = "spline" if len(x) == len(y) == 1 else "adam"
        fit = fit_file(target, x=x, y=y, weight=weight, solver=solver or default, **options)
    else:
        if weight is not None:
            raise RelufitError("--weight names a column of a table")
        default = "adam" if tolerance is None else "spline"
        fit = relufit.fit(target, domain=_domain(domain), n=n, solver=solver or default, **options)
    if save is not None:
        fit.save(save)
    if plot is not None:
        fit.plot(plot)
    print(_as_json(fit.metrics) if as_json else _sentence(fit))


@app.command("predict")
def predict_command(
    network: Annotated[str, typer.Argument(help="A .safetensors file that fit has saved.")],
    table: Annotated[str | None, typer.Argument(help="A csv or parquet file with the columns --x.")] = None,
    x: Columns = None,
    at: Annotated[str | None, typer.Option(help="Values of x, as in --at=-1,0,pi/2.")] = None,
    as_json: Json = False,
) -> None:
    """Print the network's output, a line for each x: at some values, or for the rows of a table."""
    params = load_params(network)
    if (table is None) == (at is None):
        raise RelufitError("give either a table and --x, or values by --at=-1,0,pi/2")
    if at is not None:
        _print_rows([_number(text) for text in at.split(",")], params, as_json)
        return
    if not x:
        raise RelufitError("name the columns of the table by --x")
    from relufit.reading.tables import read_columns

    dropped = 0
    for chunk in read_columns(str(table), x):
        dropped += chunk.dropped
        _print_rows(chunk.x, params, as_json)
    if dropped:
        print(f"relufit: {dropped} rows with a gap were left out", file=sys.stderr)


@app.command("limit")
def limit_command(
    target: Annotated[str, typer.Argument(help=f"An expression in x, or one of: {', '.join(targets.ZOO)}.")],
    domain: Domain = None,
    hidden: Annotated[int, typer.Option(help="Hidden units.")] = 512,
    mse: Annotated[float | None, typer.Option(help="A mean squared error: how many units does it need?")] = None,
    max_error: Annotated[float | None, typer.Option(help="A largest error: how many units does it need?")] = None,
    as_json: Json = False,
) -> None:
    """Say how well a function can be fitted: the best spline found, its asymptotic value, the theorem's bound."""
    from relufit.limits import limits

    if _is_table(target, None, None):
        raise RelufitError(
            f"limit is for a function, and {target} is a table; how many units it takes for a mean squared error says "
            f"relufit fit {target} --x COLUMN --y COLUMN --tolerance"
        )
    found = limits(target, hidden, domain=_domain(domain), mse=mse, max_error=max_error)
    print(_as_json(found._asdict()) if as_json else found.in_words())


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


@app.command("bench", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench_command(context: typer.Context) -> None:
    """Run the benchmarks here: pytest bench --benchmark-only, with all that follows."""
    if not Path("bench", "conftest.py").is_file():
        raise RelufitError("there is no bench here: the harness is in relufit's repository; run this at its top")
    command = [sys.executable, "-m", "pytest", "bench", "--benchmark-only", *context.args]
    sys.exit(subprocess.run(command, check=False).returncode)


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


def _is_table(target: str, x: list[str] | None, y: list[str] | None) -> bool:
    return bool(x or y) or Path(target).suffix.lower() in TABLES


def _hidden(text: str | None) -> int | str | None:
    if text is None or text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise RelufitError(f"--hidden takes a whole number of at least 1, or auto, not {text!r}") from None


def _domain(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    ends = text.split(",")
    if len(ends) != 2:
        raise RelufitError(f"--domain takes LOW,HIGH, such as --domain=-2*pi,2*pi, not {text!r}")
    return _number(ends[0]), _number(ends[1])


def _number(text: str) -> float:
    value = targets.parse(text)([0.0, 1.0])
    if value[0] != value[1]:
        raise RelufitError(f"a number is wanted, not an expression in x: {text!r}")
    return float(value[0])


def _print_rows(x: Any, params: relufit.Params, as_json: bool) -> None:
    """Each row of x, (n,) or (n, D), and what the network says of it."""
    inputs = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
    if inputs.shape[1] != params.w1.shape[0]:
        raise RelufitError(f"the network takes {params.w1.shape[0]} column(s) of x, not {inputs.shape[1]}")
    for given, found in zip(inputs, evaluate(params, inputs), strict=True):
        if as_json:
            print(json.dumps({"x": given.tolist(), "y": found.tolist()}))
        else:
            print(",".join(repr(float(value)) for value in (*given, *found)))


def _as_json(values: dict[str, Any]) -> str:
    """One object. JSON has no nan and no inf: an error that does not exist (no test samples) is null."""
    return json.dumps({k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()})


def _sentence(fit: relufit.Fit) -> str:
    m = fit.metrics
    stopped = " (stopped by Ctrl-C: this is the state reached)" if m["status"] == "interrupted" else ""
    lines = [f"mean squared error {m['mse']:.3e}, largest error {m['max_error']:.3e}{stopped}"]
    if fit.target is None or fit.target.noise:  # where what is fitted are the samples
        held_out = f", on those held out {m['test_mse']:.3e}" if math.isfinite(m["test_mse"]) else ""
        lines.append(f"on the samples fitted {m['train_mse']:.3e}{held_out}")
    if m.get("dropped"):
        lines.append(f"{m['rows']} rows; {m['dropped']} with a gap were left out")
    trained = f"{m['epochs']} epochs, {m['steps']} steps, " if m["epochs"] else ""
    lines.append(f"{m['hidden']} hidden units, {m['solver']} on {m['backend']}: {trained}{m['seconds']:.2g} s")
    return "\n".join(lines)
