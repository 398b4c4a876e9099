"""From a function or a table to a fit: choose a solver, standardise, solve, fold the scaling back."""
