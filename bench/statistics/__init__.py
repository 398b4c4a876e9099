"""Pure functions of numbers: intervals, verdicts, the search for a crossover."""
