"""Records results of conversions in the registry, as OCI referrers of the source model."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog
from pydantic import ValidationError

from klever_jobrunner.ports import StoredResult
from kleverkit.errors import TransientError
from kleverproto.base import WireModel
from kleverproto.conversions import ConversionRecord
from kleverproto.jobs import JobSpec
from kleverproto.references import Digest, ModelRef
from modelformats.threads import in_thread
from ormb.client import OrmbClient
from ormb.errors import OrmbError
from ormb.reference import Reference
from ormb.referrers import Referrer

log = structlog.get_logger(__name__)

RESULT_TYPE = "application/vnd.klever.conversion.result.v1+json"
"""Artifact type of the referrer that names the result of a conversion."""
KEY = "dev.klever.conversion.key"
"""Annotation of the referrer with the key of the result."""
RESULT_BYTES = 1024 * 1024
RESULT_FILE = "result.json"


class _Entry(WireModel):
    """The content of the referrer."""

    ref: ModelRef
    digest: Digest
    record: ConversionRecord


class RegistryResults:
    """See `ports.ResultIndex`: an OCI referrer of the source for each result.

    Every user who may push to a project can attach such a referrer, and jobrunners may read every project. Therefore
    only results in the source's own project are used; otherwise a user could obtain models of other projects.

    Args:
        client: entered by its owner.
    """

    def __init__(self, client: OrmbClient) -> None:
        self._client = client

    async def find(self, spec: JobSpec, key: str) -> StoredResult | None:
        """See `ports.ResultIndex`."""
        try:
            referrers = await self._client.referrers.discover(_source(spec), spec.digest, RESULT_TYPE)
            return await self._newest(spec, [each for each in referrers if each.annotations.get(KEY) == key])
        except OrmbError as error:
            if error.transient:
                raise TransientError(f"the results of {spec.ref} cannot be listed now: {error}") from error
            log.warning("results of conversions are not available", model=str(spec.ref), error=str(error))
            return None

    async def record(self, spec: JobSpec, key: str, result: StoredResult) -> None:
        """See `ports.ResultIndex`."""
        if result.ref.project != spec.ref.project:
            return
        entry = _Entry(ref=result.ref, digest=result.digest, record=result.record)
        try:
            with tempfile.TemporaryDirectory() as directory:
                path = Path(directory) / RESULT_FILE
                await in_thread(path.write_text, entry.model_dump_json(indent=2))
                await self._client.attach(_source(spec), [path], RESULT_TYPE, {KEY: key})
        except (OrmbError, OSError) as error:
            log.warning("the result of a conversion was not recorded", model=str(spec.ref), error=str(error))

    async def _newest(self, spec: JobSpec, referrers: Sequence[Referrer]) -> StoredResult | None:
        for referrer in reversed(referrers):
            entry = await self._read(_source(spec).at(referrer.digest))
            if entry is not None and entry.ref.project == spec.ref.project:
                return StoredResult(entry.ref, entry.digest, entry.record)
        return None

    async def _read(self, reference: Reference) -> _Entry | None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / RESULT_FILE
            try:
                await self._client.referrers.fetch(reference, RESULT_TYPE, path, limit=RESULT_BYTES)
                return _Entry.model_validate(json.loads(await in_thread(path.read_bytes)))
            except OrmbError as error:
                if error.transient:
                    raise
                log.warning("the record of a result cannot be read", artifact=str(reference), error=str(error))
            except (ValidationError, ValueError, OSError) as error:
                log.warning("the record of a result cannot be read", artifact=str(reference), error=str(error))
        return None


def _source(spec: JobSpec) -> Reference:
    return Reference(spec.registry, spec.ref.repository, digest=spec.digest)
