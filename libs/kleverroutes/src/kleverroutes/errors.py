"""Errors of routes that cannot be rendered."""


class UnsupportedRouteError(ValueError):
    """The data plane cannot route requests as the route requires; the message has a sentence for each reason."""
