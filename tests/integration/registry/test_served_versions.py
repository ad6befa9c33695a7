"""Served versions are not deleted, and requested deletions are carried out, on a real registry and NATS."""

from kleverproto.documents import Tombstone
from kleverproto.envelope import EventSource
from kleverproto.models import ModelDeleted, ModelDeleteRequested
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingStatus, serving_key
from kleverproto.variants import Variant
from support import oci_artifacts as oci
from support.gateway import NOW
from support.oci_artifacts import OciClient
from support.registry_service import Platform
from support.waiting import eventually

MODEL = oci.model()
REF = "library/iris:v1"
PATH = "/v2/library/iris/manifests"
KEY = serving_key("default", "iris")
SERVING = ServingDocument(
    namespace="default",
    name="iris",
    spec=ServingSpec(variants=(Variant(name="v1", model=REF, digest=MODEL.digest),)),
    status=ServingStatus(),
    created_at=NOW,
    updated_at=NOW,
)


async def test_the_oci_api_refuses_to_delete_a_served_version_and_names_the_serving(
    registry: OciClient, world: Platform
) -> None:
    await registry.push("library/iris", "v1", MODEL)
    revision = await world.servings.create(KEY, SERVING)
    for reference in ("v1", MODEL.digest):

        async def is_refused(path: str = f"{PATH}/{reference}") -> bool:
            answer = await registry.request("DELETE", path)
            await registry.push("library/iris", "v1", MODEL)  # if the registry had not heard of the serving yet
            problem = (answer.json or {}).get("errors", [{}])[0]
            return answer.status == 409 and "is served by default/iris" in problem["message"]

        await eventually(is_refused)
    await world.servings.bury(KEY, Tombstone[ServingDocument](document=SERVING, deleted_at=NOW), revision)

    async def is_deleted() -> bool:
        return (await registry.request("DELETE", f"{PATH}/v1")).status == 202

    await eventually(is_deleted)


async def test_a_version_is_deleted_on_request_and_announced(registry: OciClient, world: Platform) -> None:
    await registry.push("library/iris", "v1", MODEL)
    document = await world.settled(REF, MODEL.digest)
    request = ModelDeleteRequested(
        ref=document.spec.ref, digest=MODEL.digest, generation=1, created_at=document.created_at
    )
    await world.publish(EventSource("test").event(request, event_id="delete-1"))
    (deleted,) = await world.wait_for("model.deleted.", 1)
    assert deleted.data == ModelDeleted(ref=document.spec.ref, digest=MODEL.digest)
    assert (await registry.request("GET", f"{PATH}/{MODEL.digest}")).status == 404
