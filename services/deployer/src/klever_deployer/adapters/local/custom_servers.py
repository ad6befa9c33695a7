"""Sends sample requests to custom servers that describe their model by V2, before they count as ready."""

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp

from kleverserve.model import TensorSpec
from kleverserve.samples import generated_samples
from kleverserve.tensors import Array, Datatype

SECONDS = 60.0
"""Time limit for all samples together."""
OK, SERVER_ERROR = 200, 500
MAX_BODY_CHARACTERS = 500
"""Characters of a response that are included in a fault."""


async def sample_fault(session: aiohttp.ClientSession, url: str, seconds: float = SECONDS) -> str | None:
    """The reason why a server fails on every sample, as a sentence.

    None if it responds to one with success or a client error, and if there is no metadata or it contains no inputs.

    Args:
        session: the HTTP client.
        url: the URL of the model, which is that of its V2 metadata.
        seconds: time limit for all samples together.
    """
    try:
        async with asyncio.timeout(seconds):
            fault = None
            specs = await _inputs(session, url)
            for sample in generated_samples(specs) if specs else ():
                fault = await _answer_to(session, url, sample, specs)
                if fault is None:
                    return None
            return fault
    except TimeoutError:
        return f"it did not respond to a sample request within {seconds:g} s"
    except (aiohttp.ClientError, OSError) as error:
        return f"it closed the connection on a sample request: {error}"


async def _inputs(session: aiohttp.ClientSession, url: str) -> list[TensorSpec]:
    """The inputs in the metadata; empty if there are none, or they have another format."""
    async with session.get(url) as response:
        if response.status != OK:
            return []
        try:
            described = (await response.json(content_type=None))["inputs"]
            return [TensorSpec(each["name"], Datatype(each["datatype"]), tuple(each["shape"])) for each in described]
        except (ValueError, TypeError, KeyError, AttributeError):
            return []


async def _answer_to(
    session: aiohttp.ClientSession, url: str, sample: Mapping[str, Array], specs: Sequence[TensorSpec]
) -> str | None:
    inputs = [
        {
            "name": spec.name,
            "datatype": spec.datatype,
            "shape": sample[spec.name].shape,
            "data": sample[spec.name].ravel().tolist(),
        }
        for spec in specs
    ]
    async with session.post(f"{url}/infer", json={"inputs": inputs}) as response:
        if response.status < SERVER_ERROR:
            return None
        body = " ".join((await response.text(errors="replace")).split())
        return f"it responds to a sample request with {response.status}: {body:.{MAX_BODY_CHARACTERS}}"
