"""Facts about models from the manifests in their registries."""

from collections.abc import Callable

from klever_deployer.domain.versions import ModelFacts
from klever_deployer.errors import MODEL_NOT_FOUND, PULL_FAILED, ServingError
from kleverkit.errors import TransientError
from kleverproto.conversions import UNVERIFIED
from kleverproto.references import ModelRef
from ormb.client import OrmbClient
from ormb.errors import NotFoundError, OrmbError
from ormb.reference import Reference


class OciRegistries:
    """See `ports.ModelRegistries`.

    Args:
        make_client: creates a client for each call, since calls are rare.
    """

    def __init__(self, make_client: Callable[[], OrmbClient]) -> None:
        self._make_client = make_client

    async def describe(self, ref: ModelRef, digest: str, registry: str) -> ModelFacts:
        """See `ModelRegistries`."""
        try:
            async with self._make_client() as client:
                model = await client.inspect(Reference(registry, ref.repository, digest=digest))
        except NotFoundError as error:
            raise ServingError(f"{ref}@{digest} is no longer in {registry}", code=MODEL_NOT_FOUND) from error
        except OrmbError as error:
            if error.transient:
                raise TransientError(str(error)) from error
            raise ServingError(f"{ref} cannot be read: {error}", code=PULL_FAILED) from error
        modelfile = model.manifest.modelfile
        return ModelFacts(model.format or "", modelfile.labels.get(UNVERIFIED, "") if modelfile else "")
