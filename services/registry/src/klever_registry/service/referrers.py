"""Manifests that refer to another one, page by page. OCI distribution-spec 1.1, listing referrers."""

from dataclasses import dataclass

from klever_registry.domain.manifests import Descriptor
from klever_registry.errors import PageInvalidError
from klever_registry.ports import ManifestStore

LONGEST_PAGE = 1000
"""Referrers in one answer: each is read from the disk."""


@dataclass(frozen=True)
class ReferrersPage:
    """A part of the list, oldest first."""

    descriptors: list[Descriptor]
    last: str | None
    """Digest after which the next page begins; None on the last page."""


class Referrers:
    """Lists what refers to a manifest.

    Args:
        manifests: what is stored.
    """

    def __init__(self, manifests: ManifestStore) -> None:
        self._manifests = manifests

    async def page(
        self, repository: str, subject: str, artifact_type: str | None, *, limit: int | None, last: str | None
    ) -> ReferrersPage:
        """The referrers after `last`, perhaps of one type only, at most `limit` of them; empty where there are none.

        Raises:
            PageInvalidError: `last` is no referrer of the manifest, or was deleted meanwhile.
        """
        size = LONGEST_PAGE if limit is None else min(limit, LONGEST_PAGE)
        if size == 0:
            return ReferrersPage([], None)
        digests = await self._after(repository, subject, last)
        descriptors: list[Descriptor] = []
        for count, digest in enumerate(digests, start=1):
            manifest = await self._manifests.get(repository, digest)
            if manifest is not None and artifact_type in {None, manifest.descriptor.artifact_type}:
                descriptors.append(manifest.descriptor)
            if len(descriptors) == size and count < len(digests):
                return ReferrersPage(descriptors, digest)
        return ReferrersPage(descriptors, None)

    async def _after(self, repository: str, subject: str, last: str | None) -> list[str]:
        index = await self._manifests.index(repository)
        digests = index.referrers(subject) if index else []
        if last is None:
            return digests
        if last not in digests:
            raise PageInvalidError(
                f"{last} does not refer to {subject} any more: list from the start again", detail={"last": last}
            )
        return digests[digests.index(last) + 1 :]
