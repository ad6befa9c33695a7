"""The position of a reader of live events, and its filter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klever_gateway.domain.positions import Interest, Loss, Mark, Position, resume, serving_interest

MARKS = st.tuples(*[st.builds(Mark, st.integers(0, 2**60), st.integers(0, 10**12))] * 3)
MARK = Mark(created=7, sequence=5)


@given(MARKS)
def test_a_position_is_read_back_from_its_text(marks: tuple[Mark, Mark, Mark]) -> None:
    assert Position.parse(str(Position(marks))) == Position(marks)


@pytest.mark.parametrize(
    "text", ["", "1-2-3", "a.1-a.2", "a.1-a.2-a.3-a.4", "x.1-a.1-a.1", "a.1-a.1-a.1\n", "a.-1-a.1-a.1"]
)
def test_other_text_is_not_a_position(text: str) -> None:
    assert Position.parse(text) is None


def test_an_event_moves_only_the_position_of_its_stream() -> None:
    first, second, third = Mark(1, 1), Mark(2, 2), Mark(3, 3)
    assert Position((first, second, third)).after("KLEVER_JOBS", MARK) == Position((first, MARK, third))


@pytest.mark.parametrize(
    ("stream", "resumed", "loss"),
    [
        pytest.param({"created": 7, "first": 1, "last": 9}, MARK, None, id="in the middle"),
        pytest.param({"created": 7, "first": 6, "last": 5}, MARK, None, id="at the end of a stream that was emptied"),
        pytest.param({"created": 8, "first": 1, "last": 9}, Mark(8, 0), Loss.RECREATED, id="another stream"),
        pytest.param({"created": 8, "first": 0, "last": 0}, Mark(8, 0), Loss.RECREATED, id="another, empty stream"),
        pytest.param({"created": 7, "first": 1, "last": 3}, Mark(7, 3), Loss.OLDER, id="an older copy"),
        pytest.param({"created": 7, "first": 8, "last": 9}, Mark(7, 7), Loss.EXPIRED, id="too late"),
    ],
)
def test_reading_resumes_only_in_existing_streams(stream: dict[str, int], resumed: Mark, loss: Loss | None) -> None:
    assert resume(MARK, **stream) == (resumed, loss)


def test_a_request_for_everything_filters_nothing_out() -> None:
    assert "klever.model.pushed.>" in Interest().filters("KLEVER_MODELS")
    assert len(Interest().filters("KLEVER_SERVINGS")) == 11


def test_a_type_and_a_subject_become_one_nats_subject() -> None:
    interest = Interest(frozenset({"dev.klever.model.pushed.v1"}), "library/a/b.c")
    assert interest.filters("KLEVER_MODELS") == ["klever.model.pushed.library.a=2Fb=2Ec"]
    assert interest.filters("KLEVER_JOBS") == []


def test_the_events_of_a_serving_are_in_one_stream() -> None:
    interest = serving_interest("default", "iris")
    assert not interest.filters("KLEVER_MODELS")
    assert "klever.serving.ready.default.iris" in interest.filters("KLEVER_SERVINGS")


def test_types_that_are_not_in_the_contract_are_reported() -> None:
    assert Interest(frozenset({"x", "dev.klever.job.started.v1"})).unknown_types == ["x"]
