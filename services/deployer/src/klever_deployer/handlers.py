"""Handlers of incoming messages: requests to deploy, steer and delete servings, and pushed models."""

from typing import Any

from faststream.nats import NatsRouter
from faststream.nats.annotations import NatsMessage

from kleverkit.broker import subscribe
from kleverkit.outcomes import Delivery
from kleverproto import streams
from kleverproto.documents import Intent
from kleverproto.envelope import Event
from kleverproto.models import ModelUpdated
from kleverproto.servings import ServingDeleteRequested, ServingRequested, ServingRolloutRequested
from kleverroutes.versions import ServingName

from .service.intents import Intents
from .service.reconciler import Reconciler
from .service.restorer import Restorer
from .service.updater import Updater


def build_router(intents: Intents, updater: Updater, reconciler: Reconciler, restorer: Restorer) -> NatsRouter:
    """The handlers of this service: they record the intent and return; the reconciler does the work.

    A request is handled only after lost servings are restored: it may concern one of them.
    """
    router = NatsRouter()

    async def on_serving_requested(event: Event[ServingRequested], message: NatsMessage) -> None:
        await restorer.check()
        await intents.request(event.data, _intent(event, message))
        reconciler.intend(ServingName(event.data.namespace, event.data.name))

    async def on_serving_rollout_requested(event: Event[ServingRolloutRequested], message: NatsMessage) -> None:
        await restorer.check()
        serving = ServingName(event.data.namespace, event.data.name)
        await intents.steer(serving, event.data.generation, event.data.action, _intent(event, message))
        reconciler.intend(serving)

    async def on_serving_delete_requested(event: Event[ServingDeleteRequested], message: NatsMessage) -> None:
        await restorer.check()
        await intents.request_deletion(event.data, _intent(event, message))
        reconciler.intend(ServingName(event.data.namespace, event.data.name))

    async def on_model_updated(event: Event[ModelUpdated]) -> None:
        await restorer.check()
        for serving in await updater.update_followers(event):
            reconciler.intend(serving)

    subscribe(router, streams.DEPLOYER_REQUESTED, on_serving_requested)
    subscribe(router, streams.DEPLOYER_ROLLOUT, on_serving_rollout_requested)
    subscribe(router, streams.DEPLOYER_DELETE, on_serving_delete_requested)
    subscribe(router, streams.DEPLOYER_UPDATED, on_model_updated)
    return router


def _intent(event: Event[Any], message: NatsMessage) -> Intent:
    sequence = Delivery.of(message).sequence
    return Intent(sequence=sequence, event_id=event.id, correlation_id=event.correlation_id or event.id)
