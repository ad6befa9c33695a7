"""Custom resources as users apply them, and the owners of documents who handle their requests."""

from typing import Any

from kleverproto.documents import Tombstone
from kleverproto.jobs import JobDocument, JobRequested, JobStatus
from kleverproto.servings import ServingDocument, ServingRequested, ServingStatus
from kleverproto.streams import JOBS_BUCKET
from support.gateway import NOW, Owner
from support.kubectl import Kubectl
from support.waiting import eventually

SPEC: dict[str, Any] = {"variants": [{"name": "v1", "model": "library/iris:v1"}]}
SECONDS = 30.0


def serving(name: str = "iris", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "klever.dev/v1alpha1", "kind": "Serving", "metadata": metadata, "spec": SPEC | spec}


def model_job(name: str = "job", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    fields = {"model": "library/iris:v1"} | (spec or {"extraction": {}})
    return {"apiVersion": "kleveross.io/v1alpha1", "kind": "ModelJob", "metadata": metadata, "spec": fields}


async def until(kubectl: Kubectl, kind: str, name: str, condition: str, value: str) -> dict[str, Any]:
    """Wait until a condition has a status or a reason, and return the object."""

    async def find() -> Any:
        present = await kubectl.get(kind, name)
        conditions = {each["type"]: each for each in (present or {}).get("status", {}).get("conditions", ())}
        shown = conditions.get(condition, {})
        return present if value in {shown.get("status"), shown.get("reason")} else None

    manifest: dict[str, Any] = await eventually(find, within=SECONDS, every=0.2)
    return manifest


async def requested(owner: Owner, stream: str = "KLEVER_SERVINGS") -> Any:
    """Return the event of the last request of a stream."""
    return await owner.last_event(stream)


async def apply_serving(owner: Owner, **status: Any) -> ServingDocument:
    """Handle the last request as the deployer does."""
    event = await requested(owner)
    assert isinstance(event.data, ServingRequested)
    intent = await owner.intent("KLEVER_SERVINGS", event.id)
    document = ServingDocument(
        namespace=event.data.namespace,
        name=event.data.name,
        spec=event.data.spec,
        status=ServingStatus(intent=intent, **status),
        generation=event.data.generation,
        created_at=NOW,
        updated_at=NOW,
    )
    await owner.serving(document)
    return document


async def run_job(owner: Owner, **status: Any) -> JobDocument:
    """Handle the last request as the jobrunner does."""
    event = await requested(owner, "KLEVER_JOBS")
    assert isinstance(event.data, JobRequested)
    intent = await owner.intent("KLEVER_JOBS", event.id)
    document = JobDocument(
        id=event.data.id,
        spec=event.data.spec,
        status=JobStatus(intent=intent, **status),
        created_at=NOW,
        updated_at=NOW,
    )
    await owner.job(document.id, document)
    return document


async def delete_job(owner: Owner, document: JobDocument) -> None:
    documents = owner.documents(JOBS_BUCKET, JobDocument)
    stored = await documents.get(document.id)
    assert stored is not None
    intent = await owner.intent("KLEVER_JOBS")
    await documents.bury(stored.key, Tombstone(document=document, intent=intent, deleted_at=NOW), stored.revision)
