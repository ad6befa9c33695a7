"""The settings of the deployer, and the errors for invalid ones."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from klever_deployer.settings import DeployerSettings


def test_the_url_of_the_ingress_is_its_own_address_by_default() -> None:
    assert DeployerSettings(ingress_port=9000).ingress_url == "http://127.0.0.1:9000"
    assert DeployerSettings(ingress_public_url="https://models.example/").ingress_url == "https://models.example"


def test_state_is_kept_below_the_home_of_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KLEVER_HOME", str(tmp_path))
    assert DeployerSettings().work_dir == tmp_path / "deployer"


def test_the_service_exits_with_a_sentence_for_each_wrong_setting(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "klever_deployer"],
        env={
            "KLEVER_HOME": str(tmp_path),
            "KLEVER_DEPLOYER_INGRESS_PORT": "70000",
            "KLEVER_DEPLOYER_GRACE_SECONDS": "soon",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 1
    assert [line.partition(":")[0] for line in ended.stderr.splitlines()] == [
        "KLEVER_DEPLOYER_INGRESS_PORT",
        "KLEVER_DEPLOYER_GRACE_SECONDS",
    ]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("prometheus_url", "prometheus:9090"),
        ("prometheus_url", "https://user:password@prometheus"),
        ("cluster_sticky_extension", "Session/klever"),
        ("prometheus_window_seconds", 301),
    ],
)
def test_a_wrong_setting_of_a_cluster_is_refused(setting: str, value: object) -> None:
    with pytest.raises(ValidationError, match=setting):
        DeployerSettings.model_validate({setting: value})


def test_scaling_by_requests_needs_their_counters() -> None:
    with pytest.raises(ValidationError, match="needs prometheus_url"):
        DeployerSettings(cluster_scaling="requests")
    settings = DeployerSettings(cluster_scaling="requests", prometheus_url="https://prometheus:9090/prefix")
    assert settings.cluster_scaling == "requests"
