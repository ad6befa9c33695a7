"""The credentials of a platform on a cluster are created once, and completed by later releases."""

import json
from typing import Any

import pytest

from klever.errors import PlatformError
from klever.platform.cluster_credentials import ACCOUNTS, EXTERNALS, ROUTES, SEEDS, completed
from kleverproto.streams import TOPOLOGY

NODES = ("klever-nats-0.klever-nats", "klever-nats-1.klever-nats")
EXTERNAL: dict[str, Any] = {
    "name": "billing",
    "key": "UCJOTQZOKLCTVRUQTUUJVCN3WZDIRY22RCR66YEVFQB2PFA2MPUUYE7O",
    "publish": [],
    "subscribe": ["klever.serving.>"],
}


def test_each_client_has_credentials_of_its_own() -> None:
    entries = completed({})
    assert {"registry.nk", "jobrunner.nk", "deployer.nk", "gateway.nk", "topology.nk", "operator.nk"} == set(SEEDS)
    assert len({entries[name] for name in SEEDS}) == len(SEEDS)
    assert TOPOLOGY in json.loads(entries[ACCOUNTS])["accounts"]


def test_what_exists_is_never_replaced() -> None:
    first = completed({}, NODES)
    assert completed(first, NODES) == first
    without = {name: text for name, text in first.items() if name not in {"gateway.nk", "token"}}
    again = completed(without, NODES)
    assert {name for name in first if again[name] != first[name]} == {"gateway.nk", "token", ACCOUNTS}


def test_seeds_are_in_no_configuration() -> None:
    entries = completed({}, NODES)
    for name in SEEDS:
        assert entries[name].strip() not in entries[ACCOUNTS] + entries[ROUTES]


def test_more_nodes_are_routes_with_the_same_password() -> None:
    first = completed({}, NODES)
    more = completed(first, (*NODES, "klever-nats-2.klever-nats"))
    routes = json.loads(more[ROUTES])["routes"]
    assert routes[:2] == json.loads(first[ROUTES])["routes"]
    assert routes[2].endswith("@klever-nats-2.klever-nats:6222")


def test_the_accounts_of_external_systems_are_kept() -> None:
    entries = completed({EXTERNALS: json.dumps([EXTERNAL])})
    assert EXTERNAL["key"] in entries[ACCOUNTS]
    assert entries[EXTERNALS] == json.dumps([EXTERNAL])


@pytest.mark.parametrize("externals", ["", "nonsense", "{}", json.dumps([{**EXTERNAL, "name": "../billing"}])])
def test_a_damaged_list_of_external_systems_is_reported_by_the_name_of_its_entry(externals: str) -> None:
    with pytest.raises(PlatformError, match=r"^the entry externals.json of the Secret cannot be read. Restore it"):
        completed({EXTERNALS: externals})


@pytest.mark.parametrize("seed", ["", "no seed", "SUAOJWWUPQIGWTIFRINDEQWVTZBMFPALZ2WQV7C6CHA4XHW3KX2H3UKYX"])
def test_a_damaged_key_is_reported_and_not_replaced(seed: str) -> None:
    with pytest.raises(PlatformError, match=r"the entry deployer.nk of the Secret is not the seed of an NKey"):
        completed({**completed({}), "deployer.nk": seed})
