import pytest

from kleverserve.parameters import Parameters, parse_parameters


def test_options_are_read() -> None:
    assert parse_parameters('{"maxBatchRows": 8, "threads": 2}') == Parameters(max_batch_rows=8, threads=2)
    assert parse_parameters("{}") == Parameters()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x", "are not JSON"),
        ("[]", "must be a JSON object"),
        ('{"batch": 1}', "unknown parameter batch; the parameters are: maxBatchRows, threads"),
        ('{"threads": 0}', "must be an integer of at least 1"),
        ('{"threads": true}', "must be an integer of at least 1"),
    ],
)
def test_an_unknown_option_is_refused_with_the_known_ones(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_parameters(text)
