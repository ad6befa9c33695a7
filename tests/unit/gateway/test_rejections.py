"""Responses to clients whose requests the deployer rejects."""

import pytest

from klever_gateway.errors import AlreadyExistsError, InvalidRequestError, rejection_error
from kleverproto.codes import ALREADY_EXISTS, CODES, REFUSED_BY_PROXY, UNSUPPORTED_HERE
from kleverproto.documents import Problem


@pytest.mark.parametrize("code", [REFUSED_BY_PROXY, UNSUPPORTED_HERE])
def test_a_serving_that_cannot_run_is_an_invalid_request_with_the_reason(code: str) -> None:
    error = rejection_error(Problem(code=code, message="no cookies here"))
    assert isinstance(error, InvalidRequestError)
    assert (error.code, str(error)) == (code, "no cookies here")
    assert CODES[code].status == 422


def test_a_precondition_that_is_not_met_has_its_own_error() -> None:
    assert isinstance(rejection_error(Problem(code=ALREADY_EXISTS, message="taken")), AlreadyExistsError)
