"""Custom resources that tests install in a real API server."""

from functools import partial
from pathlib import Path
from typing import Any

import yaml
from kubernetes_asyncio.client import ApiClient, ApiException, ApiextensionsV1Api, CustomObjectsApi

from support.waiting import eventually

DIRECTORY = Path(__file__).parents[1] / "data" / "crds"
NOT_FOUND = 404


def stored_definition(name: str) -> dict[str, Any]:
    """A definition of tests/data/crds."""
    definition: dict[str, Any] = yaml.load((DIRECTORY / f"{name}.yaml").read_text(), yaml.CSafeLoader)
    return definition


async def install(client: ApiClient, definition: Any) -> None:
    """Create a CustomResourceDefinition unless it exists, and wait until its objects are served."""
    extensions = ApiextensionsV1Api(client)
    present = {each.metadata.name for each in (await extensions.list_custom_resource_definition()).items}
    if definition["metadata"]["name"] not in present:
        await extensions.create_custom_resource_definition(definition)
    await eventually(partial(_is_served, client, definition["spec"]), within=30)


async def uninstall(client: ApiClient, definition: Any) -> None:
    """Delete a CustomResourceDefinition, and with it all its objects."""
    await ApiextensionsV1Api(client).delete_custom_resource_definition(definition["metadata"]["name"])


async def _is_served(client: ApiClient, spec: dict[str, Any]) -> bool:
    plural, [version] = spec["names"]["plural"], [each["name"] for each in spec["versions"]]
    try:
        await CustomObjectsApi(client).list_cluster_custom_object(spec["group"], version, plural)
    except ApiException as error:
        if error.status != NOT_FOUND:
            raise
        return False
    return True
