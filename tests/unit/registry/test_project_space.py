"""The disk usage of a project."""

from collections.abc import AsyncIterator
from pathlib import Path

from klever_registry.adapters.local import Layout, LocalBlobs, LocalInventory, LocalUploads
from support.oci_artifacts import sha256

CONTENT = b"0123456789"


async def test_blobs_count_once_in_a_project_and_uploads_count_too(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    inventory, blobs, uploads = LocalInventory(layout), LocalBlobs(layout), LocalUploads(layout)
    assert (await inventory.used("library"), await inventory.open_uploads("library")) == (0, 0)

    async def chunks() -> AsyncIterator[bytes]:
        yield CONTENT

    digest = sha256(CONTENT)
    await blobs.put("library/iris", digest, CONTENT)
    await blobs.mount("library/deep/er", digest, source="library/iris")
    await blobs.mount("other/iris", digest, source="library/iris")
    await uploads.append("library/iris", await uploads.begin("library/iris"), chunks())
    await uploads.begin("library/deep/er")
    await uploads.begin("library-2/iris")
    assert (await inventory.used("library"), await inventory.open_uploads("library")) == (20, 2)
    assert (await inventory.used("other"), await inventory.open_uploads("other")) == (10, 0)
