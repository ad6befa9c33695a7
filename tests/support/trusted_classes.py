"""Custom classes, which a project may trust."""


class Doubling:
    """Stores a number."""

    def __init__(self, by: int) -> None:
        self.by = by
