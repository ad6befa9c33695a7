"""A client of the HTTP API of Prometheus, which Thanos, Mimir and VictoriaMetrics have too."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Self

import aiohttp

from klever_deployer.errors import DataPlaneError

TIMEOUT = aiohttp.ClientTimeout(total=10)
OK = 200


@dataclass(frozen=True)
class Series:
    """Samples of one time series, in ascending order of time."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]
    """Times in Unix seconds, and values."""


class PrometheusClient:
    """Queries a Prometheus. It is entered before it is used.

    Args:
        url: URL of the server, with its path prefix if it has one.
        token_file: a file with a bearer token, read for each query; None if the server requires none.
        ca_file: PEM file with the certificate authorities of the server; None for those of the system.
    """

    def __init__(self, url: str, token_file: Path | None = None, ca_file: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._token_file = token_file
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Raises DataPlaneError: the file of certificate authorities cannot be read."""
        try:
            tls = ssl.create_default_context(cafile=self._ca_file) if self._ca_file is not None else True
        except OSError as error:
            raise DataPlaneError(f"{self._ca_file} has no certificate authorities: {error}") from error
        self._session = aiohttp.ClientSession(timeout=TIMEOUT, connector=aiohttp.TCPConnector(ssl=tls))
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def query(self, expression: str) -> list[Series]:
        """Evaluate an expression now. Values that are no finite numbers are left out.

        Raises:
            DataPlaneError: the server does not respond, refuses the query, or has only a part of the result.
        """
        result = await self._result(expression)
        try:
            return [_series(result["resultType"], each) for each in _items(result)]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unavailable("its response is not valid") from error

    async def _result(self, expression: str) -> Any:
        if self._session is None:
            raise self._unavailable("the deployer is not connected to it")
        url, data = f"{self.url}/api/v1/query", {"query": expression}
        try:
            headers = await asyncio.to_thread(self._headers)
            # A redirect would send the token elsewhere.
            async with self._session.post(url, data=data, headers=headers, allow_redirects=False) as response:
                return self._data(response.status, await response.text(errors="replace"))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unavailable(str(error) or type(error).__name__) from error

    def _data(self, status: int, text: str) -> Any:
        try:
            document = json.loads(text)
            if status == OK and document["status"] == "success" and not document.get("warnings"):
                return document["data"]
            reason = "; ".join(document.get("warnings") or [str(document.get("error"))])
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = ""
        raise self._unavailable(f"status {status} {reason}".strip())

    def _headers(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        return {"Authorization": f"Bearer {self._token_file.read_text().strip()}"}

    def _unavailable(self, reason: str) -> DataPlaneError:
        return DataPlaneError(f"the metrics in Prometheus at {self.url} are not available: {reason}")


def _items(result: Any) -> list[Any]:
    """The series of a result; a scalar is one without labels."""
    items: list[Any] = result["result"]
    return [{"metric": {}, "value": items}] if result["resultType"] == "scalar" else items


def _series(kind: str, item: Any) -> Series:
    pairs = item["values"] if kind == "matrix" else [item["value"]]
    samples = ((float(moment), float(value)) for moment, value in pairs)
    labels = {str(name): str(value) for name, value in item["metric"].items()}
    return Series(labels, tuple(sample for sample in samples if isfinite(sample[1])))
