"""Errors of unpickling."""

import pickle


class RefusedPickleError(pickle.UnpicklingError):
    """The pickle is damaged, or uses features that no model needs; the message says which."""


class LimitError(RefusedPickleError):
    """The pickle exceeds a limit of size, length or depth: its content beyond that is unknown."""
