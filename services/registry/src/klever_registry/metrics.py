"""The registry's own metrics."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry

from kleverkit.metrics import counter, gauge, histogram
from kleverproto.metrics import PUSH_TO_SERVABLE, REGISTRY_FREE, REGISTRY_STORED, REGISTRY_TRANSFER
from kleverproto.models import ExtractionPhase

from .domain.storage import Storage

MEASURE_SECONDS = 30.0
"""Interval between two measurements of the disk, each of which reads all directories."""


class RegistryMetrics:
    """The metrics of transfers, of the disk and of parsing.

    Args:
        registry: the registry of the service's metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.transfers = counter(REGISTRY_TRANSFER, registry)
        self.push_to_servable = histogram(PUSH_TO_SERVABLE, registry)
        for phase in ExtractionPhase:
            if phase is not ExtractionPhase.PENDING:
                self.push_to_servable.labels(phase.lower())  # exported as 0, so that the first push is an increase
        self._stored, self._free = gauge(REGISTRY_STORED, registry), gauge(REGISTRY_FREE, registry)

    async def measure(self, storage: Callable[[], Awaitable[Storage]]) -> None:
        """Measure the disk periodically, until cancelled."""
        while True:
            now = await storage()
            self._stored.set(now.stored)
            self._free.set(now.free)
            await asyncio.sleep(MEASURE_SECONDS)
