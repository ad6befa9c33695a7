"""What can be wrong with a model's files."""


class InvalidModelError(Exception):
    """The files do not follow the format; the message names what was expected and what is there."""


class UnsupportedFormatError(Exception):
    """The format is known, but nothing here can parse it."""
