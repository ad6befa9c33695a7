"""Reports of denied requests."""

from kleverkubeclient.denials import REPEATED_SECONDS, Denials


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_denial_is_reported_until_the_request_is_permitted() -> None:
    denials = Denials()
    denials.note("PATCH /a", "cannot patch a")
    denials.note("PATCH /b", "cannot patch b")
    assert denials.problem() == "cannot patch a; cannot patch b"
    denials.forget("PATCH /a")
    assert denials.problem() == "cannot patch b"


def test_a_request_that_is_not_repeated_is_needed_no_more() -> None:
    clock = Clock()
    denials = Denials(clock)
    denials.note("PATCH /a", "cannot patch a")
    clock.now = REPEATED_SECONDS
    assert denials.problem() is None
