"""Codes that are valid once, and the sessions that they start."""

from itertools import count

from klever_gateway.service.sessions import CODE_SECONDS, MAX_ENTRIES, SESSION_SECONDS, Sessions, has_page_key


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def sessions(clock: Clock) -> Sessions:
    numbers = count()
    return Sessions(clock, lambda: f"secret-{next(numbers)}")


def test_a_code_is_valid_once() -> None:
    here = sessions(Clock())
    code = here.new_code()
    assert here.log_in("another") is None
    session = here.log_in(code)
    assert session is not None
    assert here.find(session.cookie) == session
    assert here.log_in(code) is None


def test_a_code_is_valid_for_five_minutes() -> None:
    clock = Clock()
    here = sessions(clock)
    code = here.new_code()
    clock.now += CODE_SECONDS
    assert here.log_in(code) is None


def test_a_session_expires() -> None:
    clock = Clock()
    here = sessions(clock)
    session = here.log_in(here.new_code())
    assert session is not None
    clock.now += SESSION_SECONDS - 1
    assert here.find(session.cookie) == session
    clock.now += 1
    assert here.find(session.cookie) is None
    assert here.find("") is None


def test_a_call_requires_the_key_of_its_page_and_the_cookie() -> None:
    here = sessions(Clock())
    first, second = (here.log_in(here.new_code()) for _ in range(2))
    assert first is not None
    assert second is not None
    assert has_page_key(first, first.page_key)
    assert not has_page_key(first, second.page_key)
    assert not has_page_key(first, first.cookie)
    assert not has_page_key(first, "")
    assert not has_page_key(first, "\udcff")


def test_the_oldest_sessions_are_removed_at_the_limit() -> None:
    here = sessions(Clock())
    codes = [here.new_code() for _ in range(MAX_ENTRIES + 1)]
    assert here.log_in(codes[0]) is None
    kept = [here.log_in(code) for code in codes[1:]]
    assert all(kept)
    kept.append(here.log_in(here.new_code()))
    stored = [here.find(session.cookie) for session in kept if session is not None]
    assert stored == [None, *kept[1:]]
