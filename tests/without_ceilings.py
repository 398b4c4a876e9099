"""A plugin for the runs that tests begin: ceilings take seconds to measure, and have tests of their own."""

from bench.hardware import cpu_peaks

cpu_peaks.measure = lambda threads: {"reason": "not measured in this run"}  # type: ignore[assignment]
