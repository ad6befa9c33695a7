"""The Kubernetes objects that a serving would have on a cluster."""

from kleverkube.catalogued import served_version
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.rendering import render
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument
from kleverproto.variants import Variant

from .client import KleverClient
from .errors import InputError


async def preview(client: KleverClient, serving: ServingDocument, options: ClusterOptions) -> list[Manifest]:
    """Render all variants of a serving.

    Args:
        client: reads the models and the policies of their projects.
        serving: whose digests are resolved.
        options: of the cluster.

    Raises:
        ApiError: a model does not exist.
        InputError: a variant cannot run on a cluster.
    """
    return [each for variant in serving.spec.variants for each in await _objects(client, serving, variant, options)]


async def _objects(
    client: KleverClient, serving: ServingDocument, variant: Variant, options: ClusterOptions
) -> list[Manifest]:
    model = await client.model(variant.model)
    policy = await client.policy(ModelRef.parse(variant.model).project)
    try:
        return render(served_version(serving.namespace, serving.name, variant, model, policy), options)
    except UnsupportedOnClusterError as error:
        raise InputError(str(error)) from error
