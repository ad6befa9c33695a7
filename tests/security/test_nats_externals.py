"""An external system can do on NATS only what its credentials permit."""

import asyncio
import json
from pathlib import Path

import nats.errors
import pytest

from klever.errors import PlatformError
from klever.platform.nats_reload import admitted
from kleverproto.permissions import publishable_by_externals
from kleverproto.streams import CONSUMERS, JOBS, MODELS, STREAMS
from support.guarded_nats import Connected, GuardedNats
from support.nats_powers import external_events, powers
from support.waiting import eventually

PUSHED = "klever.model.pushed.>"
ONE_PROJECT = "klever.model.pushed.library.*"
EVERYTHING = tuple(subject for stream in STREAMS for subject in stream.subjects)


def admit(guarded_nats: GuardedNats, *, publish: tuple[str, ...] = (), subscribe: tuple[str, ...] = ()) -> Path:
    """Issue credentials of `ci`, which are valid once the server answers again."""
    credentials = guarded_nats.issue("ci", publish=publish, subscribe=subscribe)
    guarded_nats.restart()
    return credentials


async def publish_twice(external: Connected, operator: Connected, subject: str) -> int:
    """Publish twice. Return the number of new messages in the stream."""
    js = operator.client.jetstream()
    before = (await js.stream_info(MODELS.name)).state.messages
    await external.refused(subject, subject)
    return (await js.stream_info(MODELS.name)).state.messages - before


async def test_an_external_client_with_all_rights_publishes_only_the_documented_subjects(
    guarded_nats: GuardedNats,
) -> None:
    credentials = admit(guarded_nats, publish=publishable_by_externals(), subscribe=EVERYTHING)
    subjects = [power.subject for power in powers()]
    async with guarded_nats.client(credentials) as external:
        assert await external.refused(*subjects) == set(subjects) - set(external_events())
        own = [f"$JS.API.CONSUMER.INFO.{stream.name}.ci" for stream in STREAMS]
        assert await external.refused(*own) == set()


async def test_an_external_client_may_be_limited_to_one_project(guarded_nats: GuardedNats) -> None:
    credentials = admit(guarded_nats, publish=(ONE_PROJECT,))
    async with guarded_nats.client(credentials) as external, guarded_nats.client() as operator:
        assert await publish_twice(external, operator, "klever.model.pushed.library.iris") == 2
        assert await publish_twice(external, operator, "klever.model.pushed.secret.iris") == 0
        assert await publish_twice(external, operator, "klever.model.deleterequested.library.iris") == 0


async def test_an_external_client_receives_events_with_a_durable_consumer_of_its_own_name(
    guarded_nats: GuardedNats,
) -> None:
    credentials = admit(guarded_nats, subscribe=(PUSHED,))
    async with guarded_nats.client(credentials) as external, guarded_nats.client() as operator:
        await operator.client.jetstream().publish("klever.model.pushed.library.iris", b"event")
        js = external.client.jetstream()
        for _again in range(2):
            events = await js.pull_subscribe(PUSHED, durable="ci", stream=MODELS.name)
            (message,) = await events.fetch(1, timeout=10)
            assert message.data == b"event"
            await message.nak()
        (message,) = await events.fetch(1, timeout=10)
        await message.ack_sync(timeout=10)
        assert external.errors == []


@pytest.mark.parametrize(
    ("consumer", "filter_", "body"),
    [
        pytest.param("ci", "klever.model.>", {}, id="wider than what was issued"),
        pytest.param("ci", "klever.model.updated.>", {}, id="other events"),
        pytest.param("other", PUSHED, {}, id="another name"),
        pytest.param(CONSUMERS[0].durable, PUSHED, {}, id="a service's consumer"),
        pytest.param("ci", PUSHED, {"filter_subject": "klever.model.>"}, id="wider in the body than in the subject"),
        pytest.param("ci", PUSHED, {"filter_subject": "", "filter_subjects": ["klever.>"]}, id="several in the body"),
        pytest.param("ci", PUSHED, {"name": "other", "durable_name": "other"}, id="another name in the body"),
    ],
)
async def test_an_external_client_creates_no_other_consumer(
    guarded_nats: GuardedNats, consumer: str, filter_: str, body: dict[str, object]
) -> None:
    credentials = admit(guarded_nats, subscribe=(PUSHED,))
    config = {"name": consumer, "durable_name": consumer, "filter_subject": filter_, "ack_policy": "explicit"} | body
    async with guarded_nats.client(credentials) as external, guarded_nats.client() as operator:
        before = {each.name for each in await operator.client.jetstream().consumers_info(MODELS.name)}
        subject = f"$JS.API.CONSUMER.CREATE.{MODELS.name}.{consumer}.{filter_}"
        request = json.dumps({"stream_name": MODELS.name, "config": config}).encode()
        if body:
            answer = json.loads((await external.client.request(subject, request, timeout=10)).data)
            assert "error" in answer
        else:
            assert await external.refused(subject) == {subject}
        assert {each.name for each in await operator.client.jetstream().consumers_info(MODELS.name)} == before


async def test_an_external_client_reads_no_other_stream_and_its_own_in_no_other_way(guarded_nats: GuardedNats) -> None:
    credentials = admit(guarded_nats, subscribe=(PUSHED,))
    ways = [
        f"$JS.API.CONSUMER.CREATE.{JOBS.name}.ci.klever.job.>",
        f"$JS.API.CONSUMER.CREATE.{MODELS.name}",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{MODELS.name}.ci",
        f"$JS.API.STREAM.MSG.GET.{MODELS.name}",
        f"$JS.API.DIRECT.GET.{MODELS.name}",
        f"$JS.API.DIRECT.GET.{MODELS.name}.klever.model.pushed.library.iris",
    ]
    async with guarded_nats.client(credentials) as external:
        assert await external.refused(*ways) == set(ways)


async def test_a_removed_client_is_disconnected_and_refused(guarded_nats: GuardedNats) -> None:
    credentials = admit(guarded_nats, publish=publishable_by_externals())
    async with guarded_nats.client(credentials) as external:
        guarded_nats.access.remove("ci")
        guarded_nats.reload()

        async def is_cut_off() -> bool:
            return not external.client.is_connected

        await eventually(is_cut_off)
    with pytest.raises(nats.errors.Error, match="Authorization Violation"):
        async with guarded_nats.client(credentials):
            pytest.fail("who was removed was let in")


async def test_a_new_client_publishes_while_services_keep_running(guarded_nats: GuardedNats) -> None:
    async with guarded_nats.client("gateway") as gateway:
        credentials = guarded_nats.issue("ci", publish=publishable_by_externals())
        guarded_nats.reload()
        seed, request = credentials.read_text(), guarded_nats.issued.harmless_request
        assert await asyncio.to_thread(admitted, guarded_nats.server.url, seed, request, guarded_nats.reload)

        async with guarded_nats.client(credentials) as external:
            for client in (external, gateway):
                stored = await client.client.jetstream().publish("klever.serving.requested.default.iris", b"request")
                assert stored.seq
        assert gateway.errors == []


async def test_an_unknown_external_system_is_reported_as_such(guarded_nats: GuardedNats) -> None:
    """The server has not reloaded its configuration."""
    seed = guarded_nats.issue("ci", publish=publishable_by_externals()).read_text()
    request = guarded_nats.issued.harmless_request
    assert not await asyncio.to_thread(admitted, guarded_nats.server.url, seed, request, int, within=1)


@pytest.mark.parametrize(
    ("publish", "subscribe"),
    [
        pytest.param(("klever.model.updated.>",), (), id="an event of the registry"),
        pytest.param(("klever.model.>",), (), id="more than requests"),
        pytest.param(("klever.>",), (), id="everything"),
        pytest.param(("klever.dead.KLEVER_MODELS",), (), id="dead letters"),
        pytest.param(("$KV.klever-models.>",), (), id="documents"),
        pytest.param(("$JS.API.STREAM.DELETE.KLEVER_MODELS",), (), id="the API of JetStream"),
        pytest.param((), (">",), id="to receive everything"),
        pytest.param((), ("$KV.klever-models.>",), id="to receive documents"),
        pytest.param(("klever.model.pushed.a.*", "klever.model.pushed.*.b"), (), id="what overlaps"),
    ],
)
def test_no_credentials_are_issued_for_other_subjects(
    tmp_path: Path, publish: tuple[str, ...], subscribe: tuple[str, ...]
) -> None:
    guarded = GuardedNats(tmp_path)
    before = guarded.files.config.read_text()
    with pytest.raises(PlatformError, match="invalid permissions for ci"):
        guarded.issue("ci", publish=publish, subscribe=subscribe)
    assert guarded.access.externals() == []
    assert guarded.files.config.read_text() == before


@pytest.mark.parametrize(
    "name", ["registry", "operator", "klever", "topology", "jobrunner-extract", "A", "", "a.b", "a>"]
)
def test_no_credentials_are_issued_under_an_invalid_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(PlatformError):
        GuardedNats(tmp_path).access.add(name, publish=(), subscribe=(PUSHED,))


def test_only_their_owner_can_read_credentials(tmp_path: Path) -> None:
    guarded = GuardedNats(tmp_path)
    guarded.issue("ci", subscribe=(PUSHED,))
    open_files = [path for path in guarded.files.directory.rglob("*") if path.stat().st_mode & 0o077]
    assert open_files == []
    assert guarded.files.directory.stat().st_mode & 0o777 == 0o700


def test_the_seed_of_an_external_system_is_not_stored(tmp_path: Path) -> None:
    guarded = GuardedNats(tmp_path)
    seed = guarded.issue("ci", subscribe=(PUSHED,)).read_text()
    assert not any(seed in path.read_text() for path in guarded.files.directory.iterdir())


def test_preparing_again_keeps_keys_and_external_systems(tmp_path: Path) -> None:
    guarded = GuardedNats(tmp_path)
    guarded.issue("ci", subscribe=(PUSHED,))
    before = {path: path.read_bytes() for path in guarded.files.directory.iterdir()}
    guarded.access.prepare()
    assert {path: path.read_bytes() for path in guarded.files.directory.iterdir()} == before


def test_an_unreadable_key_is_replaced(tmp_path: Path) -> None:
    guarded = GuardedNats(tmp_path)
    lost = guarded.files.credentials_of("registry")
    before = lost.read_text()
    lost.write_text("half a ke")
    guarded.access.prepare()
    assert lost.read_text() not in (before, "half a ke")
