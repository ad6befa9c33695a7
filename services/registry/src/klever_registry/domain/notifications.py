"""Parsing of notifications of pushes and deletions from other registries. Pure functions.

Supports Harbor's webhooks in both payload formats, and the notifications of CNCF distribution 2.x and 3.x, which
differ only in the media type of the envelope.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from klever_registry.errors import NotificationInvalidError
from kleverproto.references import is_digest

from .names import names_referrers

PUSHED, DELETED = "push", "delete"
HARBOR_KINDS = {
    "PUSH_ARTIFACT": PUSHED,
    "DELETE_ARTIFACT": DELETED,
    "harbor.artifact.pushed": PUSHED,
    "harbor.artifact.deleted": DELETED,
}
PayloadT = TypeVar("PayloadT", bound=BaseModel)


@dataclass(frozen=True)
class Pushed:
    """A tag was pushed to a registry."""

    host: str
    repository: str
    tag: str
    digest: str


@dataclass(frozen=True)
class Deleted:
    """A tag, or a manifest with all its tags, was deleted from a registry."""

    host: str
    repository: str
    tag: str | None
    digest: str | None


Notice = Pushed | Deleted


class _Target(BaseModel):
    repository: str
    url: str = ""
    tag: str = ""
    digest: str = ""


class _Request(BaseModel):
    host: str = ""


class _DistributionEvent(BaseModel):
    action: str
    target: _Target
    request: _Request = _Request()


class _Distribution(BaseModel):
    events: list[_DistributionEvent]


class _Resource(BaseModel):
    resource_url: str = ""
    tag: str = ""
    digest: str = ""


class _Repository(BaseModel):
    repo_full_name: str


class _HarborData(BaseModel):
    resources: list[_Resource] = []
    repository: _Repository | None = None


class _HarborDefault(BaseModel):
    type: str
    event_data: _HarborData


class _HarborCloudEvent(BaseModel):
    specversion: str
    type: str
    data: _HarborData


def parse_distribution(payload: bytes) -> tuple[Notice, ...]:
    """Parse an envelope of CNCF distribution. Pulls, mounts, blobs and untagged manifests are ignored.

    Raises:
        NotificationInvalidError: the payload is not such an envelope.
    """
    envelope = _validated(_Distribution, payload)
    if envelope is None:
        raise NotificationInvalidError(
            "the payload is not a notification of CNCF distribution, which is a JSON object with the list `events`"
        )
    return _distinct(
        notice
        for event in envelope.events
        for notice in _notices(
            event.action, _distribution_host(event), event.target.repository, event.target.tag, event.target.digest
        )
    )


def parse_harbor(payload: bytes) -> tuple[Notice, ...]:
    """Parse a webhook of Harbor, in the default format or as a CloudEvent. Pulls, scans and quotas are ignored.

    Raises:
        NotificationInvalidError: the payload is not such a webhook.
    """
    hook = _validated(_HarborCloudEvent, payload) or _validated(_HarborDefault, payload)
    if hook is None:
        raise NotificationInvalidError(
            "the payload is not a webhook of Harbor: select the format Default or CloudEvents in its webhook policy"
        )
    data = hook.data if isinstance(hook, _HarborCloudEvent) else hook.event_data
    if data.repository is None:
        return ()
    name, action = data.repository.repo_full_name, HARBOR_KINDS.get(hook.type, "")
    return _distinct(
        notice
        for resource in data.resources
        for notice in _notices(action, resource.resource_url.partition("/")[0], name, resource.tag, resource.digest)
    )


def _notices(action: str, host: str, repository: str, tag: str, digest: str) -> Iterator[Notice]:
    """Yield the notice of one resource, if it is relevant. Harbor sends the digest as tag if there is no tag."""
    name = None if not tag or is_digest(tag) else tag
    if not host or (name and names_referrers(name)):
        return
    if action == PUSHED and name and is_digest(digest):
        yield Pushed(host, repository, name, digest)
    elif action == DELETED and (name or is_digest(digest)):
        yield Deleted(host, repository, name, digest or None)


def _distribution_host(event: _DistributionEvent) -> str:
    """Return the host of the registry: that of the URL if it is configured. Deletions have no URL."""
    return urlsplit(event.target.url).netloc or event.request.host


def _distinct(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    return tuple(dict.fromkeys(notices))


def _validated(kind: type[PayloadT], payload: bytes) -> PayloadT | None:
    try:
        return kind.model_validate_json(payload)
    except ValidationError:
        return None
