"""Columns of a csv or parquet file as arrays of float64, a piece at a time. `relufit.files.fit_file` fits them.

tables: from pieces of rows to arrays, and errors about bad cells; delimited: from a csv to pieces of its rows; rows:
the same in Python, for the header and for line numbers; faults: why a cell is refused; arrow: from cells of a column to
numbers; sources: the file itself, or a copy of a pipe.
"""
