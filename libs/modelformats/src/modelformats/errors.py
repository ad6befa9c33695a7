"""What can be wrong with a model's files."""


class InvalidModelError(Exception):
    """The files are not what the format says; the message tells what was expected and what was found."""


class UnsupportedFormatError(Exception):
    """The format is known, but nothing here can parse it."""
