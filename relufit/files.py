"""Fit a table in a file (relufit/fitting/file.py)."""

from relufit.fitting.file import fit_file

__all__ = ["fit_file"]
