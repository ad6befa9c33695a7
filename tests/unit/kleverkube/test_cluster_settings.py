"""The settings of services that create pods."""

import pytest

from klever_deployer.settings import DeployerSettings
from klever_jobrunner.settings import JobrunnerSettings
from kleverkube.options import ClusterOptions

EXPECTED = ClusterOptions(
    platform="staging",
    registry_secret="staging-registry",
    plain_http=True,
    registries={"127.0.0.1:5000": "http://registry.klever:5000"},
    images={"ghcr.io/kleveross/ormb-storage-initializer": "registry.local/initializer:1"},
)
VARIABLES = {
    "CLUSTER_PLATFORM": "staging",
    "CLUSTER_REGISTRY_SECRET": "staging-registry",
    "CLUSTER_PLAIN_HTTP": "true",
    "CLUSTER_REGISTRIES": '{"127.0.0.1:5000": "http://registry.klever:5000"}',
    "CLUSTER_IMAGES": '{"ghcr.io/kleveross/ormb-storage-initializer": "registry.local/initializer:1"}',
}


@pytest.mark.parametrize(
    ("service", "settings"), [("DEPLOYER", DeployerSettings), ("JOBRUNNER", JobrunnerSettings)], ids=str
)
def test_services_have_the_same_options_of_objects(
    monkeypatch: pytest.MonkeyPatch, service: str, settings: type[DeployerSettings | JobrunnerSettings]
) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(f"KLEVER_{service}_{name}", value)
    assert settings().cluster_options() == EXPECTED
