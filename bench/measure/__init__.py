"""Runs cases: each is drawn, gated, timed and recorded, within a budget, in a process of its own if asked.

The way of one case: session.py (which cases, in which order) -> trial.py (the case with one backend: support, memory,
agreement) -> throughput.py (what is called) and rounds.py (how the calls are timed, and what shows that they are sound)
with timing.py (the clocks), or learning.py (slices of training) -> trial.py (the row in the journal).
"""
