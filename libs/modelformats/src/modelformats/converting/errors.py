"""Why a conversion did not come about."""


class ConversionError(Exception):
    """A conversion failed; `code` is stable, the message says what a person can do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoRouteError(ConversionError):
    """No conversions lead from the source's format to what was asked for."""

    def __init__(self, message: str) -> None:
        super().__init__("no_route", message)
