"""Where a reader of live events is, and what it wants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klever_gateway.domain.positions import Interest, Position, serving_interest

SEQUENCES = st.tuples(*[st.integers(0, 10**12)] * 3)


@given(SEQUENCES)
def test_a_position_is_read_back_from_its_text(sequences: tuple[int, int, int]) -> None:
    assert Position.parse(str(Position(sequences))) == Position(sequences)


@pytest.mark.parametrize("text", ["", "1-2", "1-2-3-4", "a-b-c", "-1-2-3", "1-2-3\n", "1" * 30 + "-1-1"])
def test_other_text_is_no_position(text: str) -> None:
    assert Position.parse(text) is None


def test_seeing_an_event_moves_its_stream_only() -> None:
    assert Position((1, 2, 3)).after("KLEVER_JOBS", 9) == Position((1, 9, 3))


def test_a_position_behind_the_end_of_a_new_stream_starts_at_its_end() -> None:
    assert Position((5, 100, 7)).within(Position((9, 3, 7))) == Position((5, 3, 7))


def test_wanting_everything_filters_nothing_out() -> None:
    assert "klever.model.pushed.>" in Interest().filters("KLEVER_MODELS")
    assert len(Interest().filters("KLEVER_SERVINGS")) == 10


def test_a_type_and_a_subject_become_one_nats_subject() -> None:
    interest = Interest(frozenset({"dev.klever.model.pushed.v1"}), "library/a/b.c")
    assert interest.filters("KLEVER_MODELS") == ["klever.model.pushed.library.a=2Fb=2Ec"]
    assert interest.filters("KLEVER_JOBS") == []


def test_a_servings_interest_is_in_one_stream() -> None:
    interest = serving_interest("default", "iris")
    assert not interest.filters("KLEVER_MODELS")
    assert "klever.serving.ready.default.iris" in interest.filters("KLEVER_SERVINGS")


def test_types_that_are_not_in_the_contract_are_named() -> None:
    assert Interest(frozenset({"x", "dev.klever.job.started.v1"})).unknown_types == ["x"]
