"""Runs cases: options, budget, timing, isolation in processes."""
