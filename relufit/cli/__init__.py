"""`relufit` on the command line: fit a function or a table, use the fit, and compute how well a function can be fitted.

Bad input ends in one sentence on stderr and exit code 2; results go to stdout, as text or as JSON.

arguments declares the options; words parses their values; printing formats results; keeping writes the files of a fit;
prediction evaluates a saved network.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

import relufit
from relufit import backends
from relufit.cli import arguments, keeping, prediction, printing, words
from relufit.errors import RelufitError
from relufit.targets import resolve

app = typer.Typer(
    help="Fit functions and data with two-layer ReLU networks.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain errors: a sentence in a box is hard to read, to copy and to search
    pretty_exceptions_enable=False,
)
TABLES = (".csv", ".tsv", ".txt", ".gz", ".bz2", ".parquet")
# The base class of typer's usage errors, from click, which typer bundles or imports, depending on its version.
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]


@app.command("fit")
def fit_command(
    target: arguments.Target,
    domain: arguments.Domain = None,
    x: arguments.Inputs = None,
    y: arguments.Outputs = None,
    weight: arguments.Weight = None,
    hidden: arguments.Hidden = None,
    tolerance: arguments.Tolerance = None,
    solver: arguments.Solver = None,
    learning_rate: arguments.LearningRate = None,
    epochs: arguments.Epochs = None,
    batch_size: arguments.BatchSize = None,
    n: arguments.SampleCount = None,
    test_fraction: arguments.TestFraction = None,
    backend: arguments.Backend = None,
    dtype: arguments.Dtype = None,
    scheme: arguments.Scheme = None,
    seed: arguments.Seed = None,
    plot: arguments.Plot = None,
    save: arguments.Save = None,
    pieces: arguments.Pieces = None,
    as_json: arguments.Json = False,
) -> None:
    """Fit a function of x, or columns of a table; print how good the fit is, and its pieces if they are few."""
    given = {
        "hidden": words.hidden_units(hidden), "tolerance": words.number("--tolerance", tolerance),
        "learning_rate": words.number("--learning-rate", learning_rate), "epochs": words.whole("--epochs", epochs),
        "batch_size": words.whole("--batch-size", batch_size), "n": words.whole("--n", n),
        "test_fraction": words.number("--test-fraction", test_fraction), "backend": words.names(backend),
        "dtype": dtype, "scheme": scheme, "seed": words.whole("--seed", seed, least=0),
        "domain": words.domain(domain), "weight": weight, "solver": solver,
    }  # fmt: skip
    options = {name: value for name, value in given.items() if value is not None}  # the library has the defaults
    files = keeping.Files(save, plot, pieces)
    keeping.check_files(files, len(x or ("x",)), len(y or ("y",)))
    fit = _fit(target, x, y, options, files)
    written: list[str] = []
    try:
        written, failures = keeping.write_files(fit, files)
    finally:  # print the result even if a file cannot be written
        print(printing.as_json(dict(fit.metrics)) if as_json else printing.in_words(fit))
    if written and not as_json:
        print(f"wrote {', '.join(written)}")
    if failures:
        raise RelufitError("; ".join(failures))


@app.command("predict")
def predict_command(
    network: arguments.Network,
    table: arguments.TableFile = None,
    x: arguments.Inputs = None,
    at: arguments.At = None,
    as_json: arguments.JsonLines = False,
) -> None:
    """Print the output of a saved network, one line for each x: the values of --at, or the rows of a table."""
    params, columns = prediction.load(network)
    if (table is None) == (at is None):
        raise RelufitError("give either a table and --x, or values by --at=-1,0,pi/2")
    if at is not None:
        if x:
            raise RelufitError(
                "--x names columns of a table, and --at gives the values themselves; give one of the two"
            )
        prediction.predict_at(at, params, columns, as_json)
        return
    if not x:
        from relufit.reading.tables import describe_columns

        raise RelufitError(f"name the columns of x by --x; {describe_columns(str(table))}")
    prediction.predict_table(str(table), x, params, columns, as_json)


@app.command("limit")
def limit_command(
    target: arguments.Function,
    domain: arguments.Domain = None,
    hidden: arguments.Units = "512",
    mse: arguments.Mse = None,
    max_error: arguments.MaxError = None,
    as_json: arguments.Json = False,
) -> None:
    """Show how well a function can be fitted: the best spline found, its asymptotic value and the theorem's bound."""
    from relufit.fitting.limits import limits

    if _is_table(target, None, None):
        raise RelufitError(
            f"limit takes a function, and {target} is a table; to find how many units reach a mean squared error, use "
            f"relufit fit {target} --x COLUMN --y COLUMN --tolerance NUMBER"
        )
    printing.print_limits(resolve(target, words.domain(domain)))
    units = words.whole("--hidden", hidden) or 0
    tolerances = words.number("--mse", mse), words.number("--max-error", max_error)
    found = limits(target, units, domain=words.domain(domain), mse=tolerances[0], max_error=tolerances[1])
    print(printing.as_json(found._asdict()) if as_json else found.in_words())


@app.command("backends")
def backends_command(as_json: arguments.Json = False) -> None:
    """List every backend, and why those that cannot run here cannot."""
    found = backends.status()
    if as_json:
        print(json.dumps(found))
        return
    width = max(map(len, found))
    for name, why in found.items():
        print(f"{name:<{width}}  {why or 'ready'}")


def main(given: Sequence[str] | None = None) -> None:
    """Run the command line; every error that a user can cause ends in one sentence and exit code 2."""
    given = sys.argv[1:] if given is None else given
    try:
        code = app(words.shield_minus(given), standalone_mode=False)
    except USAGE_ERROR as error:
        if given:
            _end(_in_a_sentence(error))
        error.show()  # type: ignore[attr-defined]  # no arguments: show the help
        sys.exit(2)
    except RelufitError as error:
        _end(words.as_options(str(error)))
    except MemoryError:
        _end("this does not fit in memory; take fewer samples or hidden units")
    sys.exit(code)


def _end(sentence: str) -> None:
    print(f"relufit: {sentence}", file=sys.stderr)
    sys.exit(2)


def _in_a_sentence(error: Any) -> str:
    """The message of a usage error in one sentence, without the usage that typer prints above it."""
    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return message[:1].lower() + message[1:] + ("" if context is None else f"; see {context.command_path} --help")


def _is_table(target: str, x: list[str] | None, y: list[str] | None) -> bool:
    return bool(x or y) or target == "-" or Path(target).suffix.lower() in TABLES


def _fit(
    target: str,
    x: list[str] | None,
    y: list[str] | None,
    options: dict[str, Any],
    files: keeping.Files,
) -> relufit.Fit:
    """Fit; Ctrl-C and divergence end in one sentence, and the files get the last state before a divergence."""
    try:
        return _fit_table(target, x, y, options) if _is_table(target, x, y) else _fit_function(target, options)
    except KeyboardInterrupt:
        print("relufit: stopped by Ctrl-C, and nothing was fitted yet", file=sys.stderr)
        raise typer.Exit(130) from None
    except relufit.Diverged as error:
        raise keeping.with_last_state(error, files) from None


def _fit_table(path: str, x: list[str] | None, y: list[str] | None, options: dict[str, Any]) -> relufit.Fit:
    from relufit.fitting.file import fit_file

    if not x or not y:
        from relufit.reading.tables import describe_columns

        raise RelufitError(f"name the columns of the table by --x and --y; {describe_columns(path)}")
    return fit_file(path, x=x, y=y, **options)


def _fit_function(target: str, options: dict[str, Any]) -> relufit.Fit:
    printing.print_limits(resolve(target, options.get("domain")))
    return relufit.fit(target, **options)
