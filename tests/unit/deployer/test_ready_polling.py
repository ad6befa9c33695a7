"""Polling intervals of starts: short at first, to delay no fast start, and longer later."""

from klever_deployer.service.servers import LONGEST_POLL_SECONDS, POLL_SECONDS, pause_after


def test_a_start_is_noticed_within_a_small_share_of_its_time() -> None:
    assert pause_after(0.0) == POLL_SECONDS
    assert pause_after(1.0) <= 0.1
    assert pause_after(3600.0) == LONGEST_POLL_SECONDS


def test_a_hundred_slow_starts_are_no_load() -> None:
    """A fixed pause of 20 ms would cause 5000 checks per second."""
    assert 100 / pause_after(10.0) <= 200
