"""Numbers computed from journals; the home of pandas. Prints nothing."""
