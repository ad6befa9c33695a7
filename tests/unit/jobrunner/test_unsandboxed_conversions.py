"""Conversions of models that may run code, without a complete sandbox."""

from pathlib import Path

import pytest

from klever_jobrunner.adapters.toolchain_converter import ToolchainConverter
from klever_jobrunner.errors import JobError
from klever_jobrunner.ports import ConversionSource
from kleverproto.codes import UNSANDBOXED
from kleverproto.conversions import Conversion
from kleverproto.signatures import Signature
from kleversandbox.support import Confinement, Support
from modelconversion.execution import Limits
from modelconversion.toolchains.store import ToolchainStore

MISSING = Confinement(Support(missing=("Landlock is not enabled",)))
NO_UV = "there is no such uv"


async def failure(directory: Path, model_format: str, confinement: Confinement) -> JobError:
    """Return the reason why a conversion fails where no toolchain can be installed."""
    converter = ToolchainConverter(ToolchainStore(directory / "toolchains", uv=NO_UV), Limits(), confinement)
    (directory / "made").mkdir()
    source = ConversionSource(directory, model_format, Signature())
    with pytest.raises(JobError) as caught:
        await converter.convert(source, Conversion(to="ONNX"), directory / "made", print)
    return caught.value


async def test_a_model_that_may_run_code_is_refused_before_anything_runs(tmp_path: Path) -> None:
    refused = await failure(tmp_path, "SKLearn", MISSING)
    assert refused.code == UNSANDBOXED
    assert str(refused).startswith("a model of format SKLearn may run code, and this system cannot confine it")


@pytest.mark.parametrize(
    ("model_format", "confinement"),
    [("XGBoost", MISSING), ("SKLearn", MISSING._replace(allow_unsandboxed=True)), ("SKLearn", Confinement(Support()))],
    ids=["data only", "allowed", "complete"],
)
async def test_other_models_are_read_from_their_files(
    tmp_path: Path, model_format: str, confinement: Confinement
) -> None:
    assert (await failure(tmp_path, model_format, confinement)).code != UNSANDBOXED
