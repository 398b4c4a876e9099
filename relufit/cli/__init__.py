"""`relufit` on the command line: fit a function or a table, use the fit, and say what the best fit would be.

Bad input ends in one sentence on stderr and exit code 2; results go to stdout, as text or as JSON.

words parses what was typed; printing formats results; keeping writes the files of a fit; prediction evaluates a saved
network.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import relufit
from relufit import backends, targets
from relufit.cli import keeping, prediction, printing, words
from relufit.errors import RelufitError
from relufit.options import SOLVERS
from relufit.params import DTYPES, SCHEMES

app = typer.Typer(
    help="Fit functions and data with two-layer ReLU networks.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain errors: a sentence in a box is hard to read, to copy and to search
    pretty_exceptions_enable=False,
)
TABLES = (".csv", ".tsv", ".txt", ".gz", ".bz2", ".parquet")
# The root of what typer raises for words that it cannot take: typer brings its own click or imports it, by version.
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]


def _complete_backends(incomplete: str) -> list[str]:
    """Names behind the last comma."""
    before = incomplete[: incomplete.rfind(",") + 1]
    return [before + name for name in backends.table()]


# Numbers come as text and are read by `words`: typer's own errors do not show what was given.
Domain = Annotated[str | None, typer.Option(help="LOW,HIGH, as in --domain=-2*pi,2*pi.")]
Columns = Annotated[
    list[str] | None, typer.Option("--x", help="Input column of a table; repeat it for several inputs.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("fit")
def fit_command(
    target: Annotated[
        str,
        typer.Argument(
            help=f"An expression in x, one of {', '.join(targets.ZOO)}, or a csv or parquet file; - is standard input.",
            autocompletion=lambda: list(targets.ZOO),
        ),
    ],
    domain: Domain = None,
    x: Columns = None,
    y: Annotated[
        list[str] | None, typer.Option("--y", help="Column of a table to fit; repeat it for several outputs.")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="Column of a table with the weights of its rows.")] = None,
    hidden: Annotated[
        str | None,
        typer.Option(
            help="Number of hidden units, or auto (spline only): as many as the data support. Default: auto for a "
            "table fitted by spline, else 512."
        ),
    ] = None,
    tolerance: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Use the fewest hidden units that reach this mean squared error: over the domain for a function "
            "without noise, else on the samples fitted.",
        ),
    ] = None,
    solver: Annotated[
        str | None,
        typer.Option(
            help=f"{', '.join(SOLVERS)}. Default: spline for a table with one --x and one --y, and for a function with "
            "--tolerance; else adam.",
            autocompletion=lambda: list(SOLVERS),
        ),
    ] = None,
    learning_rate: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Step size of sgd, momentum and adam; default 1e-3.")
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(metavar="INTEGER", help="Passes over the data, or iterations of lbfgs; default 200.")
    ] = None,
    batch_size: Annotated[str | None, typer.Option(metavar="INTEGER", help="Samples per update; default 32.")] = None,
    n: Annotated[str | None, typer.Option(metavar="INTEGER", help="Samples of the function; default 1000.")] = None,
    test_fraction: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Fraction of the samples held out for the test error; default 0.2."),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help="A name from `relufit backends`, or several with commas: the first that can run; default numpy.",
            autocompletion=_complete_backends,
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="float32 or float64, for training; default float32.", autocompletion=lambda: list(DTYPES)),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(
            help=f"Initial weights: {', '.join(SCHEMES)}; default spread.", autocompletion=lambda: list(SCHEMES)
        ),
    ] = None,
    seed: Annotated[str | None, typer.Option(metavar="INTEGER", help="Seed of all random numbers; default 0.")] = None,
    plot: Annotated[str | None, typer.Option(help="Draw the fit to this file (.png, .svg, .pdf).")] = None,
    save: Annotated[str | None, typer.Option(help="Write the weights to this .safetensors file.")] = None,
    as_json: Json = False,
) -> None:
    """Fit a function of x, or columns of a table, and print how good the fit is."""
    given = {
        "hidden": words.hidden_units(hidden), "tolerance": words.number("--tolerance", tolerance),
        "learning_rate": words.number("--learning-rate", learning_rate), "epochs": words.whole("--epochs", epochs),
        "batch_size": words.whole("--batch-size", batch_size), "n": words.whole("--n", n),
        "test_fraction": words.number("--test-fraction", test_fraction), "backend": words.names(backend),
        "dtype": dtype, "scheme": scheme, "seed": words.whole("--seed", seed, least=0),
        "domain": words.domain(domain), "weight": weight, "solver": solver,
    }  # fmt: skip
    options = {name: value for name, value in given.items() if value is not None}  # the library has the defaults
    keeping.check_files(save, plot, len(x or ("x",)), len(y or ("y",)))
    try:
        fit = _fit_table(target, x, y, options) if _is_table(target, x, y) else _fit_function(target, options)
    except KeyboardInterrupt:
        print("relufit: stopped by Ctrl-C, and nothing was fitted yet", file=sys.stderr)
        raise typer.Exit(130) from None
    except relufit.Diverged as error:
        raise keeping.with_last_state(error, save, plot) from None
    try:
        _, failures = keeping.write_files(fit, save, plot)
    finally:  # a file that cannot be written is no reason to lose the result
        print(printing.as_json(fit.metrics) if as_json else printing.in_words(fit))
    if failures:
        raise RelufitError("; ".join(failures))


@app.command("predict")
def predict_command(
    network: Annotated[str, typer.Argument(help="A .safetensors file written by fit --save.")],
    table: Annotated[str | None, typer.Argument(help="A csv or parquet file with the columns named by --x.")] = None,
    x: Columns = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="Values of x, such as --at=-1,0,pi/2; times, such as --at=2026-10-02,2026-10-02T12:30:12Z, where x "
            "was a column of times."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line; times are ISO 8601 strings in UTC.")
    ] = False,
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
        from relufit.reading.tables import tell_columns

        raise RelufitError(f"name the columns of x by --x; {tell_columns(str(table))}")
    prediction.predict_table(str(table), x, params, columns, as_json)


@app.command("limit")
def limit_command(
    target: Annotated[
        str,
        typer.Argument(
            help=f"An expression in x, or one of: {', '.join(targets.ZOO)}.", autocompletion=lambda: list(targets.ZOO)
        ),
    ],
    domain: Domain = None,
    hidden: Annotated[str, typer.Option(metavar="INTEGER", help="Hidden units.")] = "512",
    mse: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Also find the fewest units that reach this mean squared error."),
    ] = None,
    max_error: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Also find the fewest units whose largest error is at most this."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how well a function can be fitted: the best spline found, its asymptotic value and the theorem's bound."""
    from relufit.limits import limits

    if _is_table(target, None, None):
        raise RelufitError(
            f"limit takes a function, and {target} is a table; to find how many units reach a mean squared error, use "
            f"relufit fit {target} --x COLUMN --y COLUMN --tolerance NUMBER"
        )
    units = words.whole("--hidden", hidden) or 0
    tolerances = words.number("--mse", mse), words.number("--max-error", max_error)
    found = limits(target, units, domain=words.domain(domain), mse=tolerances[0], max_error=tolerances[1])
    print(printing.as_json(found._asdict()) if as_json else found.in_words())


@app.command("backends")
def backends_command(as_json: Json = False) -> None:
    """List every backend, and why those that cannot run here cannot."""
    found = backends.status()
    if as_json:
        print(json.dumps(found))
        return
    width = max(map(len, found))
    for name, why in found.items():
        print(f"{name:<{width}}  {why or 'ready'}")


@app.command("bench", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench_command(context: typer.Context) -> None:
    """Run the benchmarks here: pytest bench --benchmark-only, with all that follows."""
    if not Path("bench", "conftest.py").is_file():
        raise RelufitError("there is no bench here: the harness is in relufit's repository; run this at its top")
    command = [sys.executable, "-m", "pytest", "bench", "--benchmark-only", *context.args]
    sys.exit(subprocess.run(command, check=False).returncode)


def main(given: Sequence[str] | None = None) -> None:
    """Run the command line; every error that a user can cause is one sentence and exit code 2."""
    given = sys.argv[1:] if given is None else given
    try:
        code = app(words.shield_minus(given), standalone_mode=False)
    except USAGE_ERROR as error:
        if given:
            _end(_in_a_sentence(error))
        error.show()  # type: ignore[attr-defined]  # the help, where nothing was asked for
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
    """What typer says of words that it cannot take, without the usage above it."""
    said = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return said[:1].lower() + said[1:] + ("" if context is None else f"; see {context.command_path} --help")


def _is_table(target: str, x: list[str] | None, y: list[str] | None) -> bool:
    return bool(x or y) or target == "-" or Path(target).suffix.lower() in TABLES


def _fit_table(path: str, x: list[str] | None, y: list[str] | None, options: dict[str, Any]) -> relufit.Fit:
    from relufit.files import fit_file

    if not x or not y:
        from relufit.reading.tables import tell_columns

        raise RelufitError(f"name the columns of the table by --x and --y; {tell_columns(path)}")
    default = "spline" if len(x) == len(y) == 1 else "adam"
    return fit_file(path, x=x, y=y, **{"solver": default, **options})


def _fit_function(target: str, options: dict[str, Any]) -> relufit.Fit:
    return relufit.fit(target, **{"solver": "spline" if "tolerance" in options else "adam", **options})
