"""Cases and their sizes, the selection of cases for a run, and their costs."""
