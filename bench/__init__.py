"""The harness that measures relufit: `pytest bench --benchmark-only`, then `python -m bench.report`."""
