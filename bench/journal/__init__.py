"""The file format of a run: how lines are written, checked, merged and resumed."""
