"""The ledger by which the chaos suite judges: the outcomes that it excuses, and those that it does not."""

from itertools import islice

import pytest

from support.chaos.deck import FAULTS, named, shuffled
from support.chaos.ledger import Fate, Job, Ledger


def test_the_last_accepted_request_is_the_only_right_outcome() -> None:
    ledger = Ledger()
    ledger.wanted("iris", 1, "first")
    ledger.handled("iris", "first")
    ledger.wanted("iris", None, "second")
    assert ledger.servings["iris"].right == {None}


def test_a_request_lost_before_it_was_handled_may_have_changed_nothing() -> None:
    ledger = Ledger()
    ledger.wanted("iris", 1, "first")
    ledger.handled("iris", "first")
    ledger.wanted("iris", 2, "second")
    ledger.lost_serving_requests()
    assert ledger.servings["iris"].right == {1, 2}
    ledger.wanted("iris", 3, "third")
    assert ledger.servings["iris"].right == {3}
    ledger.lost_serving_requests()
    assert ledger.servings["iris"].right == {1, 2, 3}


def test_a_handled_request_is_not_excused_by_a_lost_stream() -> None:
    ledger = Ledger()
    ledger.wanted("iris", 1, "first")
    ledger.handled("iris", "another")
    assert not ledger.servings["iris"].handled
    ledger.handled("iris", "first")
    ledger.lost_serving_requests()
    assert ledger.servings["iris"].right == {1}
    assert ledger.excused == 0


def test_a_lost_bucket_excuses_a_missing_job_but_not_a_repeated_one() -> None:
    ledger = Ledger(jobs={"job": Job("chaos/adder:v1", Fate.CANCELLED, handled=True)})
    ledger.lost_everything()
    assert (ledger.jobs["job"].forgotten, ledger.jobs["job"].excused) == (True, False)
    ledger.went_back()
    assert ledger.jobs["job"].excused


def test_the_same_seed_gives_the_same_faults_with_the_same_dice() -> None:
    first, second = ([(f.name, r.random()) for f, r in islice(shuffled(FAULTS, "7"), 50)] for _ in range(2))
    assert first == second
    assert first != [(f.name, r.random()) for f, r in islice(shuffled(FAULTS, "8"), 50)]


def test_every_fault_occurs_before_any_occurs_twice() -> None:
    names = [fault.name for fault, _ in islice(shuffled(FAULTS, "7"), len(FAULTS))]
    assert sorted(names) == sorted(fault.name for fault in FAULTS)


def test_faults_are_chosen_by_name() -> None:
    assert {fault.name for fault in named("kill_envoy,stop_nats")} == {"kill_envoy", "stop_nats"}
    assert named("") == FAULTS
    with pytest.raises(ValueError, match="no such faults"):
        named("kill_everything")
