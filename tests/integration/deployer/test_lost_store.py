"""An event store that is lost while a deployer runs or is down: model servers continue, and servings are restored."""

from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from klever_deployer.adapters.copies import FileCopies
from klever_deployer.service.copies import Copies
from klever_deployer.service.intents import Intents
from klever_deployer.service.records import Records
from klever_deployer.service.restorer import Restorer
from kleverkit.incarnations import FileMemory, RememberedBucket
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments, NatsStream
from kleverkit.provisioning import provision
from kleverkit.publisher import RecordingPublisher
from kleverproto.documents import Intent
from kleverproto.envelope import EventSource, utc_now
from kleverproto.servings import ServingDeleteRequested, ServingDocument, ServingPhase, ServingRequested
from kleverproto.streams import SERVINGS, SERVINGS_BUCKET
from kleverroutes.versions import ServingName
from support.deployer import spec
from support.deployer_service import Surroundings, model_servers, surroundings
from support.nats_server import NatsServer
from support.onnx_models import look_up, model_directory
from support.v2_client import tensor
from support.waiting import eventually

BODY = {"inputs": [tensor("index", "INT64", [], [1])]}
NAME = ServingName("default", "iris")


def requested(version: str) -> ServingRequested:
    return ServingRequested(namespace=NAME.namespace, name=NAME.name, spec=spec(version))


def intent(sequence: int) -> Intent:
    return Intent(sequence=sequence, event_id=f"event-{sequence}", correlation_id="story")


@pytest.fixture
async def client(own_nats: NatsServer) -> AsyncIterator[Client]:
    client = await nats.connect(own_nats.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    await provision(client.jetstream())
    yield client
    await client.close()


class Keeper:
    """A deployer's records of its servings, with its home in a directory."""

    def __init__(self, client: Client, home: Path) -> None:
        source = ClientSource()
        source.set(client)
        self.documents = NatsDocuments(source, SERVINGS_BUCKET, ServingDocument)
        copies = Copies(FileCopies(home / "servings"))
        records = Records(self.documents, RecordingPublisher(), EventSource("deployer"), utc_now, copies)
        self.records, self.intents = records, Intents(records)
        requests = NatsStream(source, SERVINGS.name)
        bucket = RememberedBucket(FileMemory(home / "bucket.json"), self.documents)
        stream = RememberedBucket(FileMemory(home / "stream.json"), requests)
        self.restorer = Restorer(records, bucket, stream, requests.incarnation)

    async def is_complete(self) -> bool:
        await self.restorer.check()
        return await self.restorer.problem() is None


@pytest.mark.parametrize("restarted", [False, True], ids=["while the deployer runs", "while it is away"])
async def test_a_lost_store_is_restored_and_accepts_new_requests(
    own_nats: NatsServer, client: Client, tmp_path: Path, *, restarted: bool
) -> None:
    keeper = Keeper(client, tmp_path / "home")
    assert await keeper.is_complete()
    await keeper.intents.request(requested("v1"), intent(57))
    await keeper.intents.request(requested("v2"), intent(58))
    await keeper.restorer.check(remember=True)
    own_nats.lose_store()
    await eventually(lambda: _provisioned(client))
    keeper = Keeper(client, tmp_path / "home") if restarted else keeper
    assert await eventually(keeper.is_complete)
    assert (await _document(keeper)).generation == 2
    await keeper.intents.request(requested("v3"), intent(1))
    document = await _document(keeper)
    assert (document.generation, document.spec) == (3, spec("v3"))


async def _document(keeper: Keeper) -> ServingDocument:
    document = await keeper.records.read(NAME)
    assert document is not None
    return document


async def _provisioned(client: Client) -> bool:
    await provision(client.jetstream(timeout=1))
    return True


@pytest.fixture
async def world(own_nats: NatsServer, tmp_path: Path) -> AsyncIterator[Surroundings]:
    async with surroundings(own_nats.url, tmp_path / "world") as world:
        await world.push(model_directory(look_up(), tmp_path / "look-up"), "library/iris:v1")
        yield world


@pytest.mark.timeout(120)
async def test_a_serving_survives_the_loss_of_the_store_until_it_is_undeployed(
    world: Surroundings, own_nats: NatsServer
) -> None:
    ready = await world.answer(await world.ask(requested("v1")))
    [server] = model_servers()
    own_nats.lose_store()

    async def is_restored() -> bool:
        code, _ = await world.infer(ready.data.url, BODY)
        assert code == 200  # on every request
        return (await world.document()).status.phase is ServingPhase.READY

    assert await eventually(is_restored, within=30)
    assert [each.pid for each in model_servers()] == [server.pid]
    await world.ask(ServingDeleteRequested(namespace="default", name="iris"))

    async def is_gone() -> bool:
        return model_servers() == []

    assert await eventually(is_gone, within=30)
