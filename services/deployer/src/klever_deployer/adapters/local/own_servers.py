"""Servers of the user's own that describe their model by V2: asked for a sample before they count as ready."""

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp

from kleverserve.model import TensorSpec
from kleverserve.samples import made_up
from kleverserve.tensors import Array, Datatype

SECONDS = 60.0
"""How long the samples may take, all together."""
OK, SERVER_ERROR = 200, 500
MAX_BODY_CHARACTERS = 500
"""Characters of an answer that are passed on."""


async def fault_of(session: aiohttp.ClientSession, url: str, seconds: float = SECONDS) -> str | None:
    """Why the server of a model answers no sample.

    None where it answers one, or calls one a bad request, and where its metadata has no inputs, or is not there.

    Args:
        session: of HTTP.
        url: of the model: its V2 metadata.
        seconds: for all samples together.
    """
    try:
        async with asyncio.timeout(seconds):
            fault = None
            specs = await _inputs(session, url)
            for sample in made_up(specs) if specs else ():
                fault = await _answer_to(session, url, sample, specs)
                if fault is None:
                    return None
            return fault
    except TimeoutError:
        return f"it did not answer a small sample within {seconds:g} s"
    except (aiohttp.ClientError, OSError) as error:
        return f"it closed the connection on a small sample: {error}"


async def _inputs(session: aiohttp.ClientSession, url: str) -> list[TensorSpec]:
    """What the metadata says; nothing where there are none, or of another kind."""
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
        return f"it answers a small sample with {response.status}: {body:.{MAX_BODY_CHARACTERS}}"
