"""Read columns of a csv or parquet file as float64 arrays, a chunk at a time. `relufit.files.fit_file` fits them.

- tables: from batches of rows to arrays, and errors about bad cells;
- delimited: from a csv to batches of rows; rows: the same in Python, for the header and for line numbers;
- arrow: from cells of a column to numbers; faults: messages about cells that are not numbers;
- sources: the file itself, or a copy of a pipe.
"""
