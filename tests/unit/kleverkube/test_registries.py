"""Pods pull models from the addresses by which they reach registries."""

from typing import Any

import pytest

from kleverkube.labels import recorded
from kleverkube.options import ClusterOptions
from kleverkube.registries import loopback_registries, with_pod_registry
from kleverkube.rendering import render
from support.served_versions import served

LAPTOP = "127.0.0.1:5000"


def initializer(options: ClusterOptions) -> dict[str, Any]:
    deployment = next(each for each in render(served(registry=LAPTOP), options) if each["kind"] == "Deployment")
    container: dict[str, Any] = deployment["spec"]["template"]["spec"]["initContainers"][0]
    return container


@pytest.mark.parametrize(
    ("address", "plain_http", "expected", "pulls_by_http"),
    [
        ("http://10.0.0.1:5000", False, "10.0.0.1:5000", True),
        ("https://registry.example.com", True, "registry.example.com", False),
        ("registry.example.com:5443", False, "registry.example.com:5443", False),
        ("registry.example.com:5000", True, "registry.example.com:5000", True),
    ],
)
def test_pods_pull_from_the_address_of_the_registry_for_pods(
    address: str, expected: str, *, plain_http: bool, pulls_by_http: bool
) -> None:
    container = initializer(ClusterOptions(plain_http=plain_http, registries={LAPTOP: address}))
    assert container["args"][1].startswith(f"{expected}/library/")
    assert ("ORMB_PLAIN_HTTP" in {each["name"] for each in container["env"]}) is pulls_by_http


def test_other_registries_keep_their_address() -> None:
    container = initializer(ClusterOptions(registries={"127.0.0.1:5001": "10.0.0.1:5000"}))
    assert container["args"][1].startswith(f"{LAPTOP}/library/")


@pytest.mark.parametrize(
    ("address", "ports"),
    [
        ("http://10.0.0.1:5001", {5001}),
        ("http://registry.example.com", {53, 80}),
        ("https://registry.example.com", {53, 443}),
    ],
)
def test_policy_without_network_opens_the_port_of_the_registry_for_pods(address: str, ports: set[int]) -> None:
    policy = render(served(registry=LAPTOP), ClusterOptions(registries={LAPTOP: address}))[0]
    assert {each["port"] for each in policy["spec"]["egress"][0]["ports"]} == ports


def test_recorded_version_keeps_the_registry_of_the_catalogue() -> None:
    options = ClusterOptions(registries={LAPTOP: "10.0.0.1:5000"})
    deployment = next(each for each in render(served(registry=LAPTOP), options) if each["kind"] == "Deployment")
    version = recorded(deployment["metadata"]["annotations"])
    assert version is not None
    assert version.registry == LAPTOP


@pytest.mark.parametrize(
    ("registry", "is_loopback"),
    [
        (LAPTOP, True),
        ("127.8.8.8", True),
        ("localhost:5000", True),
        ("registry.localhost", True),
        ("[::1]:5000", True),
        ("10.0.0.1:5000", False),
        ("localhost.example.com:5000", False),
        ("registry.example.com", False),
    ],
)
def test_loopback_addresses_are_not_registries_of_pods(registry: str, *, is_loopback: bool) -> None:
    versions = [served(registry=registry), served(registry=registry)]
    assert loopback_registries(versions, ClusterOptions()) == ([registry] if is_loopback else [])


def test_only_registries_without_an_address_for_pods_get_one() -> None:
    versions = [served(registry=LAPTOP), served(registry="localhost:1"), served()]
    options = with_pod_registry(versions, ClusterOptions(registries={LAPTOP: "10.0.0.1:5000"}), "10.0.0.2:1")
    assert options.registries == {LAPTOP: "10.0.0.1:5000", "localhost:1": "http://10.0.0.2:1"}
    assert loopback_registries(versions, options) == []
