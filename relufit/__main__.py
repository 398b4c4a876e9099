"""`python -m relufit` is the `relufit` command."""

from relufit.cli import main

main()
