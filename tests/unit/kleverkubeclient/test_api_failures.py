"""Responses of an API server, as errors by what to do next."""

import json

import pytest

from kleverkubeclient.failures import (
    ApiUnavailableError,
    DeniedError,
    ExpiredError,
    MissingKindError,
    RefusedByClusterError,
    failure,
)


def status(message: str) -> str:
    return json.dumps({"kind": "Status", "message": message})


@pytest.mark.parametrize("code", [401, 409, 429, 500, 503, 504])
def test_a_request_that_may_succeed_later_is_repeated(code: int) -> None:
    assert isinstance(failure(code, status("later"), "GET /x"), ApiUnavailableError)


@pytest.mark.parametrize("code", [400, 403, 404, 405, 422])
def test_a_refused_request_is_not_repeated(code: int) -> None:
    error = failure(code, status("no"), "PATCH /x")
    assert isinstance(error, RefusedByClusterError)
    assert (str(error), error.status) == ("PATCH /x: no", code)


def test_a_wrong_field_is_a_refusal_although_its_status_is_500() -> None:
    message = "failed to create typed patch object (default/a; apps/v1, Kind=Deployment): .spec.x: field not declared"
    assert isinstance(failure(500, status(message), "PATCH /x"), RefusedByClusterError)


def test_an_expired_version_has_an_error_of_its_own() -> None:
    assert isinstance(failure(410, status("too old resource version"), "GET /x"), ExpiredError)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), (None, None), ("Fri, 27 Nov 2026 10:00:00 GMT", None)])
def test_the_pause_of_the_server_is_kept(header: str | None, seconds: float | None) -> None:
    error = failure(429, "Too many requests, please try again later.", "GET /x", header)
    assert isinstance(error, ApiUnavailableError)
    assert error.retry_after == seconds
    assert str(error) == "GET /x: Too many requests, please try again later."


def test_a_missing_permission_names_the_remedy_and_may_be_granted_later() -> None:
    message = 'deployments.apps is forbidden: User "klever" cannot patch resource "deployments"'
    assert isinstance(failure(403, status(message), "PATCH /x"), DeniedError)
    assert str(failure(403, status(message), "PATCH /x")).endswith("Grant this to the service's account (RBAC)")


@pytest.mark.parametrize("message", ['pods "a" is forbidden: exceeded quota: small', 'admission webhook "x" denied'])
def test_quotas_and_admission_are_refusals_although_permissions_have_the_same_status(message: str) -> None:
    assert isinstance(failure(403, status(message), "PATCH /x"), RefusedByClusterError)


def test_a_kind_that_is_not_installed_may_be_installed_later() -> None:
    error = failure(404, "404 page not found\n", "GET /apis/networking.istio.io/v1/virtualservices")
    assert isinstance(error, MissingKindError)
    assert str(error).endswith("The cluster lacks this kind: install its CustomResourceDefinition")
    assert isinstance(failure(404, status('virtualservices "a" not found'), "GET /x"), RefusedByClusterError)


def test_a_version_that_a_restored_server_has_never_had_is_expired() -> None:
    message = "Timeout: Too large resource version: 500, current: 50"
    assert isinstance(failure(504, status(message), "watch pods"), ExpiredError)
