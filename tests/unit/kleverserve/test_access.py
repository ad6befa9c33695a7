"""Keys of model servers, and the paths that clients may use."""

import pytest

from kleverserve.access import EVERYBODY, VARIABLE, Access
from kleverserve.client_paths import is_client_call, is_client_path
from kleverserve.errors import ForbiddenError

INFER = "/v2/models/m/infer"


def test_the_key_is_removed_from_the_environment() -> None:
    environment = {VARIABLE: "key", "PATH": "/bin"}
    assert (Access.from_environment(environment), environment) == (Access("key"), {"PATH": "/bin"})
    assert Access.from_environment({}) == EVERYBODY
    assert "secret" not in repr(Access("secret"))


@pytest.mark.parametrize("given", [None, "", "kez", "keyy", "schlüssel"])
def test_a_request_without_the_key_is_refused(given: str | None) -> None:
    access = Access("key")
    with pytest.raises(ForbiddenError, match="from the ingress only"):
        access.check_request(INFER, given)
    assert not access.allows_call("/inference.GRPCInferenceService/ModelInfer", given)


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/m/ready"])
def test_probes_require_no_key(path: str) -> None:
    Access("key").check_request(path, None)
    Access("key").check_request(path, "key")
    with pytest.raises(ForbiddenError):
        Access("key").check_request(path, "another")
    assert Access("key").allows_call("/inference.GRPCInferenceService/ModelReady", None)


def test_the_key_grants_access_and_without_a_key_everybody_has_access() -> None:
    Access("key").check_request(INFER, "key")
    EVERYBODY.check_request(INFER, None)
    assert Access("key").allows_call("/inference.GRPCInferenceService/ModelInfer", "key")


@pytest.mark.parametrize("path", ["/v2", "/v2/models/iris-2.b/versions/v1/infer", "/openscoring/model/m/csv", "/ping"])
def test_clients_may_use_the_paths_of_the_protocols(path: str) -> None:
    assert is_client_path(path)


@pytest.mark.parametrize("path", ["/v2/repository/index", "/v2/models/a/../b", "/v2/models/a\n", "/metrics", "//v2"])
def test_clients_may_not_use_other_paths(path: str) -> None:
    assert not is_client_path(path)


def test_calls_match_only_as_a_whole() -> None:
    assert is_client_call("/inference.GRPCInferenceService/ModelInfer")
    assert not is_client_call("/inference.GRPCInferenceService/ModelInferX")
    assert not is_client_call("/inference.GRPCInferenceService/RepositoryModelUnload")
