"""Gives istiod the routes of an API server: with files as its source, istiod reads no other one."""

import asyncio

from kleverkube.labels import owned_by
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import DESTINATION_RULES, VIRTUAL_SERVICES
from kleverkubeclient.watched import Watched
from support.istio_gateway import IstioGateway

OWNED = owned_by(ClusterOptions())


async def follow_routes(api: KubernetesApi, gateway: IstioGateway) -> None:
    """Follow the routes until cancelled."""
    changed = asyncio.Event()
    kinds = (DESTINATION_RULES, VIRTUAL_SERVICES)
    watched = [Watched(api, kind, OWNED, lambda _object: changed.set()) for kind in kinds]
    for each in watched:
        await each.load()
    written = None
    async with asyncio.TaskGroup() as group:
        for each in watched:
            group.create_task(each.run())
        while True:
            routes = [_specified(route) for each in watched for route in each.objects.values()]
            if routes != written:
                gateway.write("routes", routes)
                written = routes
            await changed.wait()
            changed.clear()


def _specified(route: Manifest) -> Manifest:
    """The route without what the API server adds."""
    return {**route, "metadata": {name: route["metadata"][name] for name in ("name", "namespace")}}
