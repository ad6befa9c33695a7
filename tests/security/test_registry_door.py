"""The registry of `klever up`: a process of another user can neither use it nor receive its password."""

import asyncio
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from aiohttp.test_utils import TestServer

from klever.platform.ports import is_free
from ormb.adapters.announcements import announced
from ormb.adapters.own_registries import OwnRegistries, OwnResolver
from ormb.client import OrmbClient
from ormb.errors import AuthenticationError, OrmbError, RegistryUnavailableError
from ormb.own_registry import OwnRegistry
from ormb.reference import Reference
from support.processes import free_port
from support.registry_service import RegistryProcess, oci_client
from support.small_models import adder
from support.waiting import eventually
from support.whole_platform import Platform, processes_of, running_platform

PASSWORD = "p" * 43
CHALLENGE = {"WWW-Authenticate": 'Basic realm="registry"'}
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
STRANGER = """
import os, socket, sys
os.setuid(65534)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    connection, _ = server.accept()
    print(connection.recv(65536).decode(), flush=True)
    connection.sendall(b"HTTP/1.1 401 x\\r\\nWWW-Authenticate: Basic realm=x\\r\\nContent-Length: 0\\r\\n\\r\\n")
"""


async def ormb_push(home: Path, directory: Path, reference: str, **environment: str) -> tuple[int, str]:
    """Run `ormb push` as a user with this home directory and no logins. Return exit code and output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KLEVER_", "ORMB_", "DOCKER_"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ormb.cli", "push", str(directory), reference),
        env=clean | {"HOME": str(home)} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def statuses(platform: Platform, headers: dict[str, str]) -> dict[str, int]:
    """The statuses of requests to list, pull, push, delete and rebuild."""
    requests = {
        "list": ("GET", "/v2/_catalog"),
        "pull": ("GET", "/v2/library/adder/manifests/v1"),
        "push": ("POST", "/v2/library/adder/blobs/uploads/"),
        "delete": ("DELETE", "/v2/library/adder/manifests/v2"),
        "rebuild": ("POST", "/catalogue/rebuild"),
        "ping": ("GET", "/v2/"),
    }
    async with aiohttp.ClientSession(headers=headers) as session:
        collected = {}
        for name, (method, path) in requests.items():
            async with session.request(method, f"{platform.urls['registry']}{path}") as response:
                collected[name] = response.status
        return collected


@pytest.mark.timeout(300)
async def test_only_the_owner_uses_the_registry_of_a_platform_and_without_login(tmp_path: Path) -> None:
    home, user, model = tmp_path / "home", tmp_path / "user", adder(tmp_path / "adder", 1)
    home.mkdir()
    async with running_platform(home, HOME=str(user), ORMB_ROOTPATH="") as platform:
        port = platform.registry_host.rpartition(":")[2]
        for host, version in (("localhost", "v1"), ("127.0.0.1", "v2")):
            code, output = await ormb_push(user, model, f"{host}:{port}/library/adder:{version}")
            assert code == 0, output
        await platform.parsed("library/adder:v1")

        code, output = await ormb_push(tmp_path / "another", model, f"localhost:{port}/library/adder:v3")
        assert (code, "wants credentials" in output or "log in" in output) == (1, True), output
        nobody = await statuses(platform, {})
        guess = await statuses(platform, {"Authorization": aiohttp.encode_basic_auth("klever", "guess")})
        assert set(nobody.values()) == {401}
        assert set(guess.values()) <= {401, 429}
        password, login = platform.registry_password, platform.registry_login
        assert await statuses(platform, login) == {
            "list": 200,
            "pull": 200,
            "push": 202,
            "delete": 202,
            "rebuild": 202,
            "ping": 200,
        }
        _is_kept_secret(platform, user, password)

    async with running_platform(home, HOME=str(user), ORMB_ROOTPATH="") as platform:
        assert platform.registry_password == password
        assert (await statuses(platform, login))["ping"] == 200


async def test_a_replaced_password_is_refused(tmp_path: Path) -> None:
    file = own(tmp_path, 1).password_file
    service = RegistryProcess(tmp_path, f"nats://127.0.0.1:{free_port()}", platform_password_file=str(file))
    violations = []
    for password in (PASSWORD, "q" * 43):
        file.write_text(password)
        service.start()
        try:
            async with oci_client(service.address) as client:
                stolen = {"Authorization": aiohttp.encode_basic_auth("klever", PASSWORD)}
                violations.append((await client.request("GET", "/v2/_catalog", headers=stolen)).status)
        finally:
            service.stop()
    assert violations == [200, 401]


def _is_kept_secret(platform: Platform, user: Path, password: str) -> None:
    """Return whether only its own private file contains the password, and no process shows it to other users."""
    file = platform.home / "credentials" / "registry-password"
    about = file.stat()
    assert (stat.S_IMODE(about.st_mode), about.st_uid) == (0o600, os.geteuid())
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    holding = [
        path
        for root in (platform.home, user)
        for path in root.rglob("*")
        if path.is_file() and password.encode() in path.read_bytes()
    ]
    assert holding == [file]
    for process in processes_of(platform.home):
        assert password not in " ".join([*process.cmdline(), *process.environ().values()])


@pytest.mark.timeout(300)
async def test_a_program_on_the_port_of_a_killed_platform_receives_no_password(tmp_path: Path) -> None:
    """This holds even for a process of the same user, because the record of a killed platform is ignored."""
    home, user, model = tmp_path / "home", tmp_path / "user", adder(tmp_path / "adder", 1)
    home.mkdir()
    async with running_platform(home, HOME=str(user), ORMB_ROOTPATH="") as platform:
        host = platform.registry_host
        port = int(host.rpartition(":")[2])
        platform.process.kill()
        await platform.process.wait()
        await eventually(lambda: nothing_left(home, port), within=60)
        assert list((user / ".ormb" / "local").iterdir()) != []
        async with listening("127.0.0.1", port) as received:
            code, _ = await ormb_push(user, model, f"{host}/library/adder:v1")
    assert code == 1
    assert received != []
    assert not any("Authorization" in each for each in received)


async def nothing_left(home: Path, port: int) -> bool:
    """Return whether a killed platform has exited and released a port; its remains are killed, too."""
    left = processes_of(home)
    for process in left:
        process.kill()
    return not left and is_free(port)


@asynccontextmanager
async def listening(host: str, port: int, status: int = 401, **headers: str) -> AsyncIterator[list[dict[str, str]]]:
    """A server that asks for a login or redirects. Yields the headers that it receives."""
    received: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        received.append(dict(request.headers))
        return web.Response(status=status, headers=headers or CHALLENGE)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(application, host=host, port=port)
    await server.start_server()
    try:
        yield received
    finally:
        await server.close()


def own(tmp_path: Path, port: int) -> OwnRegistry:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    return OwnRegistry(f"127.0.0.1:{port}", file)


async def test_a_redirect_of_the_registry_does_not_forward_the_password(tmp_path: Path) -> None:
    root, port, elsewhere = tmp_path / "ormb", free_port(), free_port()

    async def answer(request: web.Request) -> web.Response:
        if "Authorization" not in request.headers:
            return web.Response(status=401, headers=CHALLENGE)
        heard_here.append(request.headers["Authorization"])
        return web.Response(status=307, headers={"Location": f"http://127.0.0.1:{elsewhere}{request.path}"})

    heard_here: list[str] = []
    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with TestServer(application, host="127.0.0.1", port=port), listening("127.0.0.1", elsewhere) as received:
        with announced(root, own(tmp_path, port)):
            async with OrmbClient(root) as client:
                with pytest.raises(OrmbError):
                    await client.pull(Reference(f"localhost:{port}", "library/adder", "v1"))
    assert heard_here != []
    assert received != []
    assert not any("Authorization" in each for each in received)


async def test_another_port_of_this_machine_does_not_get_the_password(tmp_path: Path) -> None:
    root, port = tmp_path / "ormb", free_port()
    async with listening("127.0.0.1", port) as received, OrmbClient(root) as client:
        with announced(root, own(tmp_path, free_port())), pytest.raises(AuthenticationError):
            await client.pull(Reference(f"localhost:{port}", "library/adder", "v1"))
    assert received != []
    assert not any("Authorization" in each for each in received)


def has_ipv6() -> bool:
    """Return whether `::1` is available."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class Ipv6First(ThreadedResolver):
    """A resolver for which `localhost` is `::1`, as on many machines; any user may listen there, too."""

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[ResolveResult]:
        """See `AbstractResolver`."""
        return await super().resolve("::1" if host == "localhost" else host, port, family)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@pytest.mark.parametrize(("is_announced", "expected"), [(True, ["127.0.0.1"]), (False, ["::1"])])
async def test_localhost_is_the_platform_and_not_a_listener_on_ipv6(
    tmp_path: Path, *, is_announced: bool, expected: list[str]
) -> None:
    port, root = free_port(), tmp_path / "ormb"
    with announced(root, own(tmp_path, port)) if is_announced else nullcontext():
        registries = OwnRegistries(root)
        connector = aiohttp.TCPConnector(
            resolver=OwnResolver(registries, Ipv6First()), socket_factory=registries.socket_for
        )
        async with (
            listening("127.0.0.1", port) as ours,
            listening("::1", port) as theirs,
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://localhost:{port}/v2/") as response,
        ):
            assert response.status == 401
    assert ["127.0.0.1"] * len(ours) + ["::1"] * len(theirs) == expected


@AS_ROOT
async def test_another_user_on_the_port_of_the_registry_gets_no_connection(tmp_path: Path) -> None:
    """This can happen while a registry that died is restarted."""
    port = free_port()
    stranger = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STRANGER, str(port)), stdout=asyncio.subprocess.PIPE
    )
    assert stranger.stdout is not None
    assert await stranger.stdout.readline() == b"listening\n"
    try:
        with announced(tmp_path / "ormb", own(tmp_path, port)):
            async with OrmbClient(tmp_path / "ormb") as client:
                for host in ("localhost", "127.0.0.1"):
                    with pytest.raises(RegistryUnavailableError, match="the registry of your platform"):
                        await client.pull(Reference(f"{host}:{port}", "library/adder", "v1"))
    finally:
        stranger.kill()
        await stranger.wait()
    assert await stranger.stdout.read() == b""
