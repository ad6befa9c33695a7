"""Custom resources and Events as objects of the Kubernetes API; pure."""

from klever_gateway.domain.resources.resource import Notice, Resource, ResourceKind, ResourceName
from kleverkube.manifest import Manifest
from kleverproto.envelope import utc_now

COMPONENT = "klever-gateway"
LONGEST_NAME = 200
"""Characters of a resource's name in the name of its Event."""
LONGEST_NOTE = 1000
"""Characters of an Event's message, which the API server limits to 1024."""


def resource_of(kind: ResourceKind, manifest: Manifest) -> Resource:
    """Return the resource that an object of the API represents."""
    metadata = manifest["metadata"]
    return Resource(
        name=ResourceName(kind, metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        generation=metadata.get("generation", 1),
        is_deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers", ())),
        labels=metadata.get("labels", {}),
        spec=manifest.get("spec", {}),
        status=manifest.get("status", {}),
    )


def event_manifest(resource: Resource, notice: Notice, digest: str) -> Manifest:
    """Return the Event for a notice.

    Args:
        resource: its subject.
        notice: the notice.
        digest: distinguishes the Event from others about the resource.
    """
    name, at = resource.name, utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
    subject = {
        "kind": name.kind.value,
        "apiVersion": API_VERSIONS[name.kind],
        "namespace": name.namespace,
        "name": name.name,
        "uid": resource.uid,
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name.name[:LONGEST_NAME].rstrip('.-')}.{digest}", "namespace": name.namespace},
        "involvedObject": subject,
        "type": "Warning" if notice.is_warning else "Normal",
        "reason": notice.reason[:128],
        "message": notice.message[:LONGEST_NOTE],
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


API_VERSIONS = {ResourceKind.MODEL_JOB: "kleveross.io/v1alpha1", ResourceKind.SERVING: "klever.dev/v1alpha1"}
