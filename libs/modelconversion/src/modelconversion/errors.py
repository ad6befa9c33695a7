"""Errors of conversions."""

from kleverproto.codes import DISK_FULL, OUT_OF_MEMORY, TIMED_OUT, TOOLCHAIN_FAILED, UNSUPPORTED_CONVERSION

RESOURCE_CODES = frozenset({OUT_OF_MEMORY, TIMED_OUT, DISK_FULL})
"""Codes that do not depend on the model: with more memory, time or space, the same conversion may succeed."""

_NO_SPACE = ("No space left on device", "Disk quota exceeded")


class ConversionError(Exception):
    """A conversion failed; `code` is stable, the message contains what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoRouteError(ConversionError):
    """No conversions lead from the source's format to the target format."""

    def __init__(self, message: str) -> None:
        super().__init__(UNSUPPORTED_CONVERSION, message)


def failed_tool(message: str) -> ConversionError:
    """Return the error for a message of a tool: `disk_full` if the message shows that, else `toolchain_failed`."""
    is_full = any(sign in message for sign in _NO_SPACE)
    return ConversionError(DISK_FULL if is_full else TOOLCHAIN_FAILED, message)
