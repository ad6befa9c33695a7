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
        ('{"batch": 1}', "there is no parameter batch; there are: maxBatchRows, threads"),
        ('{"threads": 0}', "must be a whole number from 1 up"),
        ('{"threads": true}', "must be a whole number from 1 up"),
    ],
)
def test_an_unknown_option_is_refused_with_the_known_ones(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_parameters(text)
