"""Classes of a user's own, which a project may trust."""


class Doubling:
    """Remembers a number."""

    def __init__(self, by: int) -> None:
        self.by = by
