"""Comparison with float64 before any time counts: error bounds, update bounds, trajectories."""
