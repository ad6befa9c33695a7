"""Attacks in which the server acts for a client: the server checks only the messages that it receives.

Replies go to any subject that a request names, consumers deliver to any subject in their configuration,
and the server checks neither against the permissions of the client (nats-server 2.15, issue 8274).
"""

import json
from typing import Any

import pytest
from nats.aio.client import Client

from kleverproto.streams import SERVINGS, SERVINGS_BUCKET
from support.guarded_nats import Connected, GuardedNats
from support.waiting import eventually

KEY = f"$KV.{SERVINGS_BUCKET.name}.default.iris"
DOCUMENT = b"what the deployer has written"
REQUEST = "klever.serving.requested.default.iris"
FORGED = b"a forged document"


async def written(deployer: Connected) -> None:
    """Store a document that the attacker wants to change."""
    await deployer.client.jetstream().publish(KEY, DOCUMENT)


async def document(operator: Client) -> bytes | None:
    return (await operator.jetstream().get_msg(SERVINGS_BUCKET.stream, subject=KEY)).data


async def jetstream_answer(client: Client, call: str, **body: Any) -> dict[str, Any]:
    """Return the answer of the JetStream API."""
    answer = await client.request(f"$JS.API.{call}", json.dumps(body).encode(), timeout=10)
    return dict(json.loads(answer.data))


async def test_replies_to_a_request_reach_no_document_and_no_stream(guarded_nats: GuardedNats) -> None:
    """PubAcks of an event, and a stored event that is read: both would be stored under the reply subject."""
    async with (
        guarded_nats.client("deployer") as deployer,
        guarded_nats.client("gateway") as gateway,
        guarded_nats.client() as operator,
    ):
        await written(deployer)
        stored = await gateway.client.jetstream().publish(REQUEST, FORGED)
        before = await operator.client.jetstream().stream_info(SERVINGS.name)
        for reply in (KEY, "klever.serving.ready.default.iris"):
            await gateway.client.publish(REQUEST, FORGED, reply=reply)
            await gateway.client.publish(REQUEST, FORGED, headers={"Nats-Trace-Dest": reply})  # refused completely
            get = json.dumps({"seq": stored.seq}).encode()
            await gateway.client.publish(f"$JS.API.STREAM.MSG.GET.{SERVINGS.name}", get, reply=reply)
            take = f"$JS.API.CONSUMER.CREATE.{SERVINGS.name}.follower"
            await gateway.client.publish(take, b"{}", reply=reply)
        await gateway.client.jetstream().publish(REQUEST, b"the last one")

        after = await operator.client.jetstream().stream_info(SERVINGS.name)
        assert after.state.messages == before.state.messages + 3
        assert await document(operator.client) == DOCUMENT


async def test_a_shared_account_would_let_a_publisher_replace_documents(guarded_nats: GuardedNats) -> None:
    """The reason for separate accounts: in a shared one, a client can destroy documents that it may not write."""
    async with guarded_nats.client("deployer") as deployer, guarded_nats.client() as operator:
        await written(deployer)
        await operator.client.publish(REQUEST, FORGED, reply=KEY)

        async def replaced() -> bool:
            return await document(operator.client) != DOCUMENT

        await eventually(replaced)


async def test_a_consumer_cannot_deliver_into_a_document(guarded_nats: GuardedNats) -> None:
    """The server delivers to a subject once somebody subscribes to it literally; streams subscribe to wildcards."""
    async with (
        guarded_nats.client("deployer") as deployer,
        guarded_nats.client("gateway") as gateway,
        guarded_nats.client() as operator,
    ):
        await written(deployer)
        await gateway.client.jetstream().publish(REQUEST, FORGED)
        config = {"name": "evil", "deliver_subject": KEY, "ack_policy": "none", "idle_heartbeat": 100_000_000}
        created = await jetstream_answer(
            gateway.client, f"CONSUMER.CREATE.{SERVINGS.name}.evil", stream_name=SERVINGS.name, config=config
        )
        assert "error" not in created
        await gateway.client.jetstream().publish(REQUEST, FORGED)

        info = await operator.client.jetstream().consumer_info(SERVINGS.name, "evil")
        assert info.delivered is not None
        assert (info.delivered.consumer_seq, info.num_pending) == (0, 2)
        assert await document(operator.client) == DOCUMENT


@pytest.mark.parametrize("named", ["deployer-requested", "ci"])
async def test_a_consumer_cannot_be_changed_under_another_name(guarded_nats: GuardedNats, named: str) -> None:
    """The name in the subject is checked by permissions, that in the body by the server against the subject."""
    guarded_nats.issue("ci", subscribe=("klever.serving.>",))
    guarded_nats.restart()
    async with guarded_nats.client() as operator, guarded_nats.client("gateway") as gateway:
        js = operator.client.jetstream()
        if named == "ci":
            await js.add_consumer(SERVINGS.name, name="ci", durable_name="ci", filter_subject="klever.serving.>")
        before = await js.consumer_info(SERVINGS.name, named)
        config = {"name": named, "durable_name": named, "filter_subject": "klever.serving.ready.>"}
        answer = await jetstream_answer(
            gateway.client, f"CONSUMER.CREATE.{SERVINGS.name}.other", stream_name=SERVINGS.name, config=config
        )
        assert "error" in answer
        refused = f"$JS.API.CONSUMER.CREATE.{SERVINGS.name}.{named}"
        assert await gateway.refused(refused) == {refused}
        assert (await js.consumer_info(SERVINGS.name, named)).config == before.config


async def test_a_client_sees_no_messages_or_replies_of_another(guarded_nats: GuardedNats) -> None:
    async with guarded_nats.client("jobrunner") as spy, guarded_nats.client("gateway") as gateway:
        everything = await spy.client.subscribe("_INBOX.>")
        await spy.client.flush()
        await gateway.client.jetstream().publish(REQUEST, FORGED)
        await gateway.client.publish("_INBOX.of.the.spy", b"from another account")
        await gateway.client.flush()
        await spy.client.publish("_INBOX.of.the.spy", b"not permitted")
        assert (await spy.client.jetstream().stream_info("KLEVER_JOBS")).config.name == "KLEVER_JOBS"

        seen = [await everything.next_msg(timeout=10)]
        assert [json.loads(message.data)["type"] for message in seen] == [
            "io.nats.jetstream.api.v1.stream_info_response"
        ]
        assert everything.pending_msgs == 0


@pytest.mark.parametrize("subject", [">", "klever.>", "$KV.>", "$JS.EVENT.>", "$SYS.>"])
async def test_a_service_subscribes_only_to_its_inbox(guarded_nats: GuardedNats, subject: str) -> None:
    async with guarded_nats.client("registry") as registry:
        await registry.client.subscribe(subject)
        await registry.client.flush()
        await registry.client.flush()
        assert len(registry.errors) == 1
        assert f'subscription to "{subject.lower()}"' in registry.errors[0]
