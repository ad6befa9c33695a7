"""Delays between attempts grow, stay under their maximum and differ slightly."""

from kleverkit.outcomes import RetryPolicy


def test_delays_double_up_to_the_maximum() -> None:
    policy = RetryPolicy(delay=1, cap=10)
    pauses = [policy.pause(deliveries) for deliveries in (1, 2, 3, 4, 5, 50)]
    for pause, bare in zip(pauses, (1, 2, 4, 8, 10, 10), strict=True):
        assert bare * 0.9 <= pause <= bare * 1.1


def test_two_messages_have_different_delays() -> None:
    policy = RetryPolicy(delay=1, cap=10)
    assert len({policy.pause(3) for _ in range(20)}) > 1
