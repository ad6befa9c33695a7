"""Kubernetes objects of a serving, rendered without a cluster."""

from kleverkube.backends import RENDERERS, ClusterBackend
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
    client: KleverClient, serving: ServingDocument, backend: ClusterBackend, options: ClusterOptions
) -> list[Manifest]:
    """Render all variants of a serving.

    Args:
        client: reads the models and the policies of their projects.
        serving: whose digests are resolved.
        backend: kind of objects that run versions on the cluster.
        options: options of the cluster.

    Raises:
        ApiError: a model does not exist.
        InputError: a variant cannot run on a cluster.
    """
    versions = [await _version(client, serving, variant) for variant in serving.spec.variants]
    try:
        return RENDERERS[backend](versions, options)
    except UnsupportedOnClusterError as error:
        raise InputError(str(error)) from error


async def _version(client: KleverClient, serving: ServingDocument, variant: Variant) -> ServedVersion:
    model = await client.model(variant.model)
    policy = await client.policy(ModelRef.parse(variant.model).project)
    try:
        return served_version(serving.namespace, serving.name, variant, model, policy)
    except UnsupportedOnClusterError as error:
        raise InputError(str(error)) from error
