"""Registries that redirect a client: credentials are only for the requested origin."""

from pathlib import Path

import pytest
from aiohttp import web

from ormb.adapters.sessions import UploadSession, UploadSessions
from ormb.client import OrmbClient
from ormb.errors import ForeignHostError, RegistryError
from ormb.mediatypes import OCI_MANIFEST
from ormb.packing import pack
from support.scripted_registry import ANN, BASIC_CHALLENGE, Script, ScriptedRegistry, wants
from support.small_models import adder, big_file


def location(url: str) -> Script:
    """Let uploads continue at this location."""
    return lambda request: (
        web.Response(status=202, headers={"Location": url.format(host=request.host)})
        if request.method == "POST"
        else None
    )


@pytest.mark.parametrize("size", [10, 5000])
async def test_an_upload_does_not_continue_at_another_host(
    scripted: ScriptedRegistry, anns_client: OrmbClient, tmp_path: Path, size: int
) -> None:
    other = ScriptedRegistry()
    async with other.running() as other_host:
        scripted.script = location(f"http://{other_host}/v2/m/blobs/uploads/1")
        model = adder(tmp_path / "adder", 1)
        (model / "model" / "weights.bin").write_bytes(bytes(size))
        with pytest.raises(
            ForeignHostError, match=f"http://{scripted.host} sends .* on to http://{other_host}: refused"
        ):
            await anns_client.push_directory(model, scripted.reference)
    assert other.requests == []


async def test_a_recorded_upload_at_another_host_restarts(
    scripted: ScriptedRegistry, anns_client: OrmbClient, tmp_path: Path
) -> None:
    other = ScriptedRegistry()
    model = big_file(tmp_path / "m")
    weights = pack(model).layers[-1].descriptor.digest
    async with other.running() as other_host:
        session = UploadSession(f"http://{other_host}/v2/m/blobs/uploads/1", 1024)
        UploadSessions(tmp_path / "ormb" / "uploads").remember(scripted.reference, weights, session)
        await anns_client.push_directory(model, scripted.reference)
    assert other.requests == []
    assert weights in scripted.blobs


async def test_a_list_does_not_continue_at_another_host(scripted: ScriptedRegistry, anns_client: OrmbClient) -> None:
    other = ScriptedRegistry()
    async with other.running() as other_host:
        link = f'<http://{other_host}/v2/m/referrers/x?n=2>; rel="next"'
        scripted.manifests["v1"] = b"{}", OCI_MANIFEST
        scripted.script = lambda request: (
            web.json_response({"manifests": []}, headers={"Link": link}) if "/referrers/" in request.path else None
        )
        with pytest.raises(ForeignHostError, match=other_host):
            await anns_client.discover(scripted.reference)
    assert other.requests == []


async def test_a_token_endpoint_at_another_host_gets_no_credentials(
    scripted: ScriptedRegistry, anns_client: OrmbClient
) -> None:
    other = ScriptedRegistry()
    async with other.running() as other_host:
        scripted.script = wants("Bearer t", f'Bearer realm="http://{other_host}/token"')
        with pytest.raises(ForeignHostError, match=f"to be sent to http://{other_host}: refused"):
            await anns_client.inspect(scripted.reference)
    assert other.requests == []


SIGNED = "disposition=attachment%3Bfilename%3D%22ann%27s%20model.bin%22&sig=ab%2Bc%2Fd%3D%3D&note=a%7Eb"


def to_store(store: str) -> Script:
    """Redirect blob requests to a store, with a signature that covers the query."""

    def answer(request: web.Request) -> web.Response | None:
        refusal = wants(ANN.basic, BASIC_CHALLENGE)(request)
        if refusal is None and request.method == "GET" and "/blobs/" in request.path:
            return web.Response(status=307, headers={"Location": f"http://{store}{request.path}?{SIGNED}"})
        return refusal

    return answer


async def test_a_signed_redirect_is_followed_byte_for_byte_without_credentials_and_with_the_range(
    scripted: ScriptedRegistry, anns_client: OrmbClient, tmp_path: Path
) -> None:
    store, model = ScriptedRegistry(), big_file(tmp_path / "m")
    async with store.running() as store_host:
        scripted.script = to_store(store_host)
        await anns_client.push_directory(model, scripted.reference)
        store.blobs = scripted.blobs
        digest = pack(model).layers[-1].descriptor.digest
        rest = b"".join(
            [chunk async for chunk in anns_client._registry.get_blob(scripted.reference, digest, start=100)]
        )
        assert rest == (model / "model" / "weights.bin").read_bytes()[100:]
        await anns_client.pull_and_export(scripted.reference, tmp_path / "out")
    assert {request.target.partition("?")[2] for request in store.requests} == {SIGNED}
    assert {request.authorization for request in store.requests} == {None}
    assert store.requests[0].range == "bytes=100-"


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_by_a_blob_store_names_the_store(
    scripted: ScriptedRegistry, anns_client: OrmbClient, tmp_path: Path, status: int
) -> None:
    store = ScriptedRegistry(lambda _request: web.Response(status=status))
    async with store.running() as store_host:
        scripted.script = to_store(store_host)
        await anns_client.push_directory(adder(tmp_path / "adder", 1), scripted.reference)
        says = f"the store at {store_host}, to which {scripted.host} redirects, answered {status}"
        with pytest.raises(RegistryError, match=says):
            await anns_client.pull_and_export(scripted.reference, tmp_path / "out")
