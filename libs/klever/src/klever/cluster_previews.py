"""The Kubernetes objects that a serving would have on a cluster."""

from kleverkube.backends import RENDERERS
from kleverkube.catalogued import served_version
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.version import ServedVersion
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument
from kleverproto.variants import Variant

from .client import KleverClient
from .errors import InputError


async def preview(
    client: KleverClient, serving: ServingDocument, options: ClusterOptions, backend: str
) -> list[Manifest]:
    """Render all variants of a serving.

    Args:
        client: reads the models and the policies of their projects.
        serving: whose digests are resolved.
        options: of the cluster.
        backend: a name in `kleverkube.backends`.

    Raises:
        ApiError: a model does not exist.
        InputError: a variant cannot run on a cluster.
    """
    try:
        versions = [await _served(client, serving, variant) for variant in serving.spec.variants]
        return RENDERERS[backend](versions, options)
    except UnsupportedOnClusterError as error:
        raise InputError(str(error)) from error


async def _served(client: KleverClient, serving: ServingDocument, variant: Variant) -> ServedVersion:
    model = await client.model(variant.model)
    policy = await client.policy(ModelRef.parse(variant.model).project)
    return served_version(serving.namespace, serving.name, variant, model, policy)
