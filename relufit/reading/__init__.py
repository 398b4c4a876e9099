"""Columns of a csv or parquet file as arrays of float64, a piece at a time. `relufit.files.fit_file` fits them.

tables: from the file to pieces of its rows, and what is said of a bad one; arrow: from cells of a column to numbers.
"""
