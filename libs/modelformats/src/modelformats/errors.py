"""Errors in the files of a model."""


class InvalidModelError(Exception):
    """The files do not follow the format; the message names what was expected and what was read."""


class UnsupportedFormatError(Exception):
    """The format is known, but Klever cannot parse it."""
