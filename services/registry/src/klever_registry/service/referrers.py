"""Lists of referrers, by page. OCI distribution-spec 1.1, listing referrers."""

from dataclasses import dataclass

from klever_registry.domain.manifests import Descriptor
from klever_registry.errors import PageInvalidError
from klever_registry.ports import ManifestStore

LONGEST_PAGE = 1000
"""Maximum number of referrers on a page. Each one is read from the disk."""


@dataclass(frozen=True)
class ReferrersPage:
    """A page of the list, oldest first."""

    descriptors: list[Descriptor]
    last: str | None
    """Digest after which the next page starts; None on the last page."""


class Referrers:
    """Lists the referrers of manifests.

    Args:
        manifests: the stored manifests.
    """

    def __init__(self, manifests: ManifestStore) -> None:
        self._manifests = manifests

    async def page(
        self, repository: str, subject: str, artifact_type: str | None, *, limit: int | None, last: str | None
    ) -> ReferrersPage:
        """Return at most `limit` of the referrers after `last`, optionally of one type only.

        Raises:
            PageInvalidError: `last` is not a referrer of the manifest, or not any more.
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
                f"{last} does not refer to {subject} any more: restart the list", detail={"last": last}
            )
        return digests[digests.index(last) + 1 :]
