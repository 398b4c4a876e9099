"""The root of every error a user can cause, so that one `except` (and one exit code) covers them all."""


class RelufitError(Exception):
    """Bad input, or something this machine lacks: one sentence with what was given, what is valid, what to do."""
