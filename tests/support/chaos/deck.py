"""The order of faults: every kind occurs once before any occurs twice."""

from collections.abc import Iterator
from random import Random

from . import faults, store_faults
from .faults import Fault
from .world import SERVICES

ALL = frozenset(SERVICES)
LONG = (9.0, 10.0)
"""Seconds, long enough for a service to detect a fault and to be polled."""

FAULTS = (
    Fault(faults.kill_part),
    Fault(faults.kill_part),
    Fault(faults.kill_workers),
    Fault(faults.kill_envoy, hits_serving=True),
    Fault(faults.kill_model_server, hits_serving=True),
    Fault(faults.stop_model_servers, lasts=(2, 4), hits_serving=True),
    Fault(faults.stop_part, lasts=(2, 7)),
    Fault(faults.stop_nats, lasts=LONG, unready=ALL),
    Fault(faults.kill_supervisor, hits_serving=True),
    Fault(faults.restart_platform, hits_serving=True),
    Fault(faults.fill_disk_of_registry, lasts=LONG, unready=frozenset({"registry"}), needs="disks"),
    Fault(faults.fill_disk_of_deployer, lasts=LONG, unready=frozenset({"deployer"}), needs="disks"),
    Fault(faults.fill_another_disk, lasts=(5, 8), needs="disks"),
    Fault(faults.step_clock, lasts=(3, 6), needs="clock"),
    Fault(store_faults.delete_consumer),
    Fault(store_faults.delete_readers),
    Fault(store_faults.recreate_bucket),
    Fault(store_faults.recreate_stream),
    Fault(store_faults.wipe_while_running),
    Fault(store_faults.wipe_while_down, hits_serving=True),
    Fault(store_faults.restore_older_store, lasts=(5, 8)),
)


def named(names: str) -> tuple[Fault, ...]:
    """Return the faults with these comma-separated names, or all faults if there are none."""
    wanted = set(filter(None, names.split(",")))
    if unknown := wanted - {fault.name for fault in FAULTS}:
        raise ValueError(f"no such faults: {unknown}; there are {sorted({fault.name for fault in FAULTS})}")
    return tuple(fault for fault in FAULTS if not wanted or fault.name in wanted)


def shuffled(faults: tuple[Fault, ...], seed: str) -> Iterator[tuple[Fault, Random]]:
    """Yield faults without end, each with its own random generator."""
    random = Random(f"{seed}/faults")
    number = 0
    while True:
        deck = list(faults)
        random.shuffle(deck)
        for fault in deck:
            number += 1
            yield fault, Random(f"{seed}/fault {number}")
