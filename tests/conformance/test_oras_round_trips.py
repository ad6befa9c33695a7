"""The Go client `oras`, which does not know Klever, reads our artifacts and writes artifacts that we read."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ormb.client import OrmbClient
from ormb.packing import pack
from ormb.reference import Reference
from support.go_tools import go_tool
from support.small_models import adder

ORAS = "oras.land/oras/cmd/oras"
REPORT = "application/vnd.example.report"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[OrmbClient]:
    async with OrmbClient(tmp_path / "ormb") as opened:
        yield opened


@pytest.fixture(scope="session")
def oras() -> Path:
    return go_tool(ORAS)


async def run(program: Path, *arguments: str, cwd: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        program, *arguments, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode()


async def test_oras_pulls_the_files_of_a_model(oci_host: str, client: OrmbClient, oras: Path, tmp_path: Path) -> None:
    directory = adder(tmp_path / "adder", 1)
    await client.push_directory(directory, Reference(oci_host, "library/adder", "v1"))
    (tmp_path / "out").mkdir()
    await run(oras, "pull", "--plain-http", f"{oci_host}/library/adder:v1", cwd=tmp_path / "out")
    assert pack(tmp_path / "out").digest == pack(directory).digest


async def test_a_model_survives_a_round_trip_through_an_oras_layout(
    oci_host: str, client: OrmbClient, oras: Path, tmp_path: Path
) -> None:
    pushed = await client.push_directory(adder(tmp_path / "adder", 1), Reference(oci_host, "library/adder", "v1"))
    layout = f"{tmp_path}/layout:v1"
    await run(
        oras, "copy", "--from-plain-http", f"{oci_host}/library/adder:v1", "--to-oci-layout", layout, cwd=tmp_path
    )
    target = f"{oci_host}/library/back:v1"
    await run(oras, "copy", "--from-oci-layout", layout, "--to-plain-http", target, cwd=tmp_path)
    exported = await client.pull_and_export(Reference(oci_host, "library/back", "v1"), tmp_path / "out")
    assert exported.digest == pushed.digest == pack(tmp_path / "out").digest


async def test_ormb_and_oras_discover_each_others_attachments(
    oci_host: str, client: OrmbClient, oras: Path, tmp_path: Path
) -> None:
    reference = Reference(oci_host, "library/adder", "v1")
    await client.push_directory(adder(tmp_path / "adder", 1), reference)
    (tmp_path / "report.txt").write_text("good")
    ours = await client.attach(reference, [tmp_path / "report.txt"], REPORT, {})
    attach = ("attach", "--plain-http", "--artifact-type", "application/vnd.example.other", str(reference))
    await run(oras, *attach, "report.txt:text/plain", cwd=tmp_path)
    referrers = await client.discover(reference)
    assert {one.artifact_type for one in referrers} == {REPORT, "application/vnd.example.other"}
    listed = json.loads(await run(oras, "discover", "--plain-http", "--format", "json", str(reference), cwd=tmp_path))
    assert ours in json.dumps(listed)
    assert len(listed["referrers"]) == 2


async def test_oras_lists_repositories(oci_host: str, client: OrmbClient, oras: Path, tmp_path: Path) -> None:
    directory = adder(tmp_path / "adder", 1)
    for repository in ("library/adder", "team/adder"):
        await client.push_directory(directory, Reference(oci_host, repository, "v1"))
    listed = await run(oras, "repo", "ls", "--plain-http", oci_host, cwd=tmp_path)
    assert listed.split() == ["library/adder", "team/adder"]
