"""The access that `klever up` gives to its owner, and that a process of another user or program has."""

import asyncio
import os
import re
import stat
import sys
from pathlib import Path

import aiohttp
import pytest

from klever.client import KleverClient
from klever.errors import ApiError
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingPhase
from support.waiting import eventually
from support.whole_platform import Platform, running_platform

SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): ...
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


async def klever(home: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run a command as a user with this home. Return exit code and output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KLEVER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "klever.cli", *arguments),
        env=clean | {"KLEVER_HOME": str(home)} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def status(url: str) -> int:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session, session.get(url) as response:
        return response.status


@pytest.mark.timeout(180)
async def test_only_the_owner_of_the_home_has_access(platform: Platform, tmp_path: Path) -> None:
    server = platform.urls["api"]
    assert stat.S_IMODE(platform.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((platform.home / "token").stat().st_mode) == 0o600
    assert await klever(platform.home, "models", "list", "--json") == (0, "[]\n")
    assert await klever(platform.home, "models", "list", "--json", "--server", server) == (0, "[]\n")

    code, output = await klever(tmp_path, "models", "list", "--server", server)
    assert code == 1
    assert "the request has no token" in output
    assert "--token-file" in output
    named = ("--token-file", str(platform.home / "token"))
    assert await klever(tmp_path, "models", "list", "--json", "--server", server, *named) == (0, "[]\n")

    for name, url in platform.urls.items():
        if name in {"api", "registry"}:
            assert await status(f"{url}/metrics") == 401, name
            assert await status(f"{url}/readyz") == 200, name


@pytest.mark.timeout(180)
async def test_the_printed_link_signs_a_browser_in_only_once(platform: Platform) -> None:
    printed = await eventually(lambda: _link((platform.home / "up.log").read_text()))
    assert await status(printed) == 200
    assert await status(printed) == 403
    code, again = await klever(platform.home, "login-link")
    assert code == 0
    assert await status(again.strip()) == 200
    logs = "".join(path.read_text() for path in (platform.home / "logs").iterdir())
    for link in (printed, again.strip()):
        assert link.partition("code=")[2] not in logs


async def _link(text: str) -> str:
    match = re.search(r"http://\S+/login\?code=[\w-]+", text)
    return match[0] if match else ""


@pytest.mark.timeout(180)
async def test_the_token_of_a_home_is_sent_only_to_its_platform(platform: Platform) -> None:
    received: list[str] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as stranger:
        port = stranger.sockets[0].getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            code, _ = await klever(platform.home, "models", "list", "--server", f"http://{host}:{port}")
            assert code == 1
    assert len(received) == 2
    for request in received:
        assert "authorization" not in request.lower()
        assert platform.token not in request


def own() -> ServingSpec:
    variant = {
        "name": "own",
        "model": "library/own:v1",
        "custom": {"command": [sys.executable, "$MODEL_DIR/server.py"]},
    }
    return ServingSpec.model_validate({"variants": [variant], "traffic": {"weights": {"own": 100}}})


@pytest.mark.timeout(300)
async def test_a_custom_command_runs_only_while_the_operator_allows_it(tmp_path: Path) -> None:
    home, model = tmp_path / "home", tmp_path / "own"
    home.mkdir()
    (model / "model").mkdir(parents=True)
    (model / "model" / "server.py").write_text(SERVER)
    (model / "ormbfile.yaml").write_text("format: Others\n")
    async with running_platform(home) as platform, platform.client() as client:
        await platform.push(model, "library/own:v1")
        await eventually(lambda: _is_known(client))
        with pytest.raises(ApiError, match="`klever up --allow-commands`") as refused:
            await client.apply("own", own())
        assert refused.value.code == "commands_not_allowed"
        assert "klever up --allow-commands`): refused" in (await klever(home, "status"))[1]
        assert platform.children("server.py") == []
    async with running_platform(home, KLEVER_ALLOW_COMMANDS="1") as platform, platform.client() as client:
        wanted = await client.apply("own", own())
        await client.wait_for_ready("own", wanted.generation)
        assert platform.children("server.py") != []
        assert "klever up --allow-commands`): allowed" in (await klever(home, "status"))[1]
    async with running_platform(home) as platform, platform.client() as client:

        async def is_stopped() -> bool:
            serving = await client.serving("own")
            return serving is not None and serving.status.phase is ServingPhase.FAILED

        await eventually(is_stopped, within=60)
        serving = await client.serving("own")
        assert serving is not None
        assert serving.status.problem is not None
        assert serving.status.problem.code == "commands_not_allowed"
        assert serving.spec.variants[0].custom is not None
        assert platform.children("server.py") == []


async def _is_known(client: KleverClient) -> bool:
    return bool(await client.models(q="own"))
