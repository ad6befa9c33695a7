"""The errors of the registry as errors of the job: transient ones are retried."""

from pathlib import Path
from typing import Any

import pytest

from klever_jobrunner.adapters.ormb_models import OrmbModels
from klever_jobrunner.errors import DISK_FULL, PULL_FAILED, PUSH_FAILED, JobError
from kleverkit.errors import TransientError
from kleverproto.conversions import ConversionRecord, Verification
from kleverproto.references import ModelRef
from ormb.client import OrmbClient
from ormb.errors import AuthenticationError, NoSpaceError, OrmbError, RegistryUnavailableError
from support.jobs import request

RECORD = ConversionRecord(
    source_format="H5", target_format="ONNX", steps=(), verification=Verification(verified=True), seconds=1.5
)


class Refusing(OrmbClient):
    """Raises an error for every model."""

    def __init__(self, root: Path, error: OrmbError) -> None:
        super().__init__(root)
        self.error = error

    async def pull_and_export(self, *_args: Any, **_options: Any) -> Any:
        """See `OrmbClient`."""
        raise self.error

    async def push_directory(self, *_args: Any, **_options: Any) -> Any:
        """See `OrmbClient`."""
        raise self.error


async def publish(models: OrmbModels, directory: Path) -> None:
    await models.publish(ModelRef.parse("library/m:v1-onnx"), "localhost:5000", directory, RECORD)


async def test_an_unreachable_registry_is_retried(tmp_path: Path) -> None:
    models = OrmbModels(Refusing(tmp_path, RegistryUnavailableError("no answer")))
    with pytest.raises(TransientError, match="no answer"):
        await models.fetch(request().spec, tmp_path / "model")
    with pytest.raises(TransientError, match="no answer"):
        await publish(models, tmp_path)


async def test_a_full_disk_is_a_transient_error_with_the_reason(tmp_path: Path) -> None:
    models = OrmbModels(Refusing(tmp_path, NoSpaceError("takes no more")))
    with pytest.raises(TransientError) as failure:
        await models.fetch(request().spec, tmp_path / "model")
    assert failure.value.code == DISK_FULL


async def test_a_refusal_by_the_registry_fails_the_job(tmp_path: Path) -> None:
    models = OrmbModels(Refusing(tmp_path, AuthenticationError("not yours")))
    with pytest.raises(JobError, match="not yours") as pulling:
        await models.fetch(request().spec, tmp_path / "model")
    with pytest.raises(JobError, match="not yours") as pushing:
        await publish(models, tmp_path)
    assert (pulling.value.code, pushing.value.code) == (PULL_FAILED, PUSH_FAILED)
