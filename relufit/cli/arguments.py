"""The arguments and options of the commands, as types of their parameters.

Numbers are declared as text and parsed by `words`, because typer's own errors do not show the given value.
"""

from typing import Annotated

import typer

from relufit import backends, targets
from relufit.fitting.options import SOLVERS
from relufit.network.params import DTYPES, SCHEMES
from relufit.solvers.training import CHOOSE


def _complete_backends(incomplete: str) -> list[str]:
    """Complete the name after the last comma."""
    before = incomplete[: incomplete.rfind(",") + 1]
    return [before + name for name in ("auto", *backends.table())]


Target = Annotated[
    str,
    typer.Argument(
        help=f"An expression in x, one of {', '.join(targets.ZOO)}, or a csv or parquet file; - is standard input.",
        autocompletion=lambda: list(targets.ZOO),
    ),
]
Function = Annotated[
    str,
    typer.Argument(
        help=f"An expression in x, or one of: {', '.join(targets.ZOO)}.", autocompletion=lambda: list(targets.ZOO)
    ),
]
Domain = Annotated[str | None, typer.Option(help="LOW,HIGH, as in --domain=-2*pi,2*pi.")]
Inputs = Annotated[list[str] | None, typer.Option("--x", help="Input column of a table; repeat it for several inputs.")]
Outputs = Annotated[
    list[str] | None, typer.Option("--y", help="Column of a table to fit; repeat it for several outputs.")
]
Weight = Annotated[str | None, typer.Option(help="Column of a table with the weights of its rows.")]
Hidden = Annotated[
    str | None,
    typer.Option(
        help="Number of hidden units; auto (spline only) chooses it from the data. Default: auto for a table fitted "
        "by spline, else 512."
    ),
]
Tolerance = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBER",
        help="Find the smallest number of hidden units that reaches this mean squared error: over the domain for a "
        "function without noise, else on the samples fitted. Excludes --hidden.",
    ),
]
Solver = Annotated[
    str | None,
    typer.Option(
        help=f"auto, {', '.join(SOLVERS)}. auto, the default, is spline for one input and one output, else lbfgs; with "
        "an option of training, such as --epochs or --backend, adam.",
        autocompletion=lambda: [CHOOSE, *SOLVERS],
    ),
]
LearningRate = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="Step size of sgd, momentum and adam; default 1e-3.")
]
Epochs = Annotated[
    str | None, typer.Option(metavar="INTEGER", help="Passes over the data, or iterations of lbfgs; default 200.")
]
BatchSize = Annotated[str | None, typer.Option(metavar="INTEGER", help="Samples per update; default 32.")]
SampleCount = Annotated[str | None, typer.Option(metavar="INTEGER", help="Samples of the function; default 1000.")]
TestFraction = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="Fraction of the samples held out for the test error; default 0.2."),
]
Backend = Annotated[
    str | None,
    typer.Option(
        help="A name from `relufit backends`, or several separated by commas: the first that can run is used; auto "
        "takes the one that is fastest in published measurements, on the CPU; default numpy.",
        autocompletion=_complete_backends,
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(help="float32 or float64, for training; default float32.", autocompletion=lambda: list(DTYPES)),
]
Scheme = Annotated[
    str | None,
    typer.Option(help=f"Initial weights: {', '.join(SCHEMES)}; default spread.", autocompletion=lambda: list(SCHEMES)),
]
Seed = Annotated[str | None, typer.Option(metavar="INTEGER", help="Seed of all random numbers; default 0.")]
Plot = Annotated[str | None, typer.Option(help="Draw the fit to this file (.png, .svg, .pdf).")]
Save = Annotated[str | None, typer.Option(help="Write the weights to this .safetensors file.")]
Pieces = Annotated[
    str | None, typer.Option(help="Write the pieces of the fitted function to this .csv file: a row for each line.")
]
Network = Annotated[str, typer.Argument(help="A .safetensors file written by fit --save.")]
TableFile = Annotated[str | None, typer.Argument(help="A csv or parquet file with the columns named by --x.")]
At = Annotated[
    str | None,
    typer.Option(
        help="Values of x, such as --at=-1,0,pi/2; or times, such as --at=2026-10-02,2026-10-02T12:30:12Z, if x was a "
        "column of times."
    ),
]
Units = Annotated[str, typer.Option(metavar="INTEGER", help="Hidden units.")]
Mse = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="Also find the smallest number of units with at most this mean squared error."),
]
MaxError = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="Also find the smallest number of units with at most this maximum error."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
JsonLines = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per line; times are ISO 8601 strings in UTC.")
]
