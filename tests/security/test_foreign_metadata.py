"""Artifacts with unreadable metadata: the registry continues, and reports which version it could not announce."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import hostile_artifacts as hostile
from support import oci_artifacts as oci
from support.nats_server import NatsServer
from support.oci_artifacts import OciClient
from support.registry_service import RegistryProcess, oci_client, platform, ready
from support.waiting import eventually

MODEL = oci.model()
ALARM = 'klever_registry_alarm{name="announcements_stuck"} '


@pytest.fixture
def service(own_nats: NatsServer, tmp_path: Path) -> Iterator[RegistryProcess]:
    process = RegistryProcess(tmp_path, own_nats.url, reconcile_seconds="0.2")
    process.start()
    yield process
    process.kill()  # a hanging process does not react to a request to stop


async def alarm_is(client: OciClient, value: str) -> None:
    async def is_expected() -> bool:
        metrics = (await client.request("GET", "/metrics")).body.decode()
        return f"{ALARM}{value}" in metrics

    await eventually(is_expected, within=20)


@pytest.mark.parametrize(
    ("artifact", "reason"),
    [
        pytest.param(hostile.with_config(b"[" * 100_000), "nested more than 64 levels", id="nested"),
        pytest.param(hostile.with_config(b"[" + b"{}," * 300_000 + b"1]"), "more than 250000 values", id="many"),
        pytest.param(hostile.with_modelfile({"author": {"x": 1}}), "author of it is wrong", id="wrong"),
        pytest.param(hostile.with_modelfile({"description": "d" * 900_000}), "more than 524288", id="large"),
    ],
)
async def test_a_version_that_cannot_be_announced_is_parked_while_others_are_announced(
    service: RegistryProcess, own_nats: NatsServer, artifact: oci.Artifact, reason: str
) -> None:
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        await client.push("library/hostile", "v1", artifact)
        await client.push("library/iris", "v1", MODEL)
        await world.settled("library/iris:v1", MODEL.digest)
        await alarm_is(client, "1.0")
        assert reason in service.log.read_text()

        service.kill()
        service.start()
        await ready(client)
        await alarm_is(client, "1.0")

        await client.push("library/hostile", "v1", MODEL)
        await world.settled("library/hostile:v1", MODEL.digest)
        await alarm_is(client, "0.0")


async def test_metadata_of_the_wrong_type_are_omitted(service: RegistryProcess, own_nats: NatsServer) -> None:
    artifact = hostile.with_config(b'{"AUTHOR": {"x": 1}, "format": "ONNX"}')
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        await client.push("library/hostile", "v1", artifact)
        document = await world.settled("library/hostile:v1", artifact.digest)
        assert (document.format, document.spec.metadata.author) == ("ONNX", None)
        assert (await client.request("GET", "/healthz")).status == 200
