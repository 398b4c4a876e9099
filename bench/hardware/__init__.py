"""The machine that measures: its description, its state while a case runs, its measured peaks."""
