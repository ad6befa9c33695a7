"""Why a pickle is not loaded."""

import pickle


class RefusedPickleError(pickle.UnpicklingError):
    """The pickle is damaged, or asks for what no model needs; the message says which."""


class LimitError(RefusedPickleError):
    """The pickle is larger, longer or deeper than is read: what it holds beyond that is not known."""
