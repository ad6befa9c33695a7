"""`ormb-storage-initializer`, as an init container calls it."""

import asyncio
import os
import ssl
import sys
from pathlib import Path

import pytest
import trustme

from ormb.client import OrmbClient
from ormb.reference import Reference
from support.forward_proxy import ForwardProxy
from support.registry_service import running_registry
from support.scripted_registry import ScriptedRegistry
from support.small_models import adder, broken


async def initialize(*arguments: str, **environment: str) -> tuple[int, str]:
    """Return exit code and output of `pull-and-export`."""
    return await run_initializer("pull-and-export", *arguments, **environment)


async def run_initializer(*arguments: str, **environment: str) -> tuple[int, str]:
    """Return exit code and output."""
    command = (sys.executable, "-m", "ormb.cli.initializer", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ, **environment}
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


def files(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


async def test_a_volume_is_filled_once_and_updated_in_place_beside_other_files(nats_url: str, tmp_path: Path) -> None:
    volume = tmp_path / "adder"
    (volume / "lost+found").mkdir(parents=True)
    (volume / "lost+found" / "mine").write_text("mine")
    async with running_registry(tmp_path, nats_url) as registry, OrmbClient(tmp_path / "ormb") as client:
        reference = Reference(registry.address, "library/adder", "v1")
        await client.push_directory(adder(tmp_path / "1", 1), reference)
        uri = f"oci://{reference}"
        code, output = await initialize(uri, str(volume))
        assert code == 0, output
        assert files(volume) == {
            "1/model.onnx",
            "config.pbtxt",
            "ormbfile.yaml",
            "lost+found/mine",
            ".ormb-initialized.json",
        }
        assert 'name: "adder"' in (volume / "config.pbtxt").read_text()

        assert "already" in (await initialize(uri, str(volume)))[1]
        await client.push_directory(adder(tmp_path / "2", 2), reference)
        code, output = await initialize(uri, str(volume))
        assert code == 0, output
        assert "already" not in output
        second = (tmp_path / "2" / "model" / "model.onnx").read_bytes()
        assert (volume / "1" / "model.onnx").read_bytes() == second

        code, _ = await initialize(uri, str(volume), "--no-relayout")
        assert code == 0
        assert files(volume) == {"model/model.onnx", "ormbfile.yaml", "lost+found/mine", ".ormb-initialized.json"}


async def test_kserve_passes_a_uri_and_a_directory(nats_url: str, tmp_path: Path) -> None:
    async with running_registry(tmp_path, nats_url) as registry, OrmbClient(tmp_path / "ormb") as client:
        reference = Reference(registry.address, "library/adder", "v1")
        await client.push_directory(adder(tmp_path / "1", 1), reference)
        code, output = await run_initializer(f"ormb://{reference}", str(tmp_path / "models"))
        assert code == 0, output
        assert "1/model.onnx" in files(tmp_path / "models")


@pytest.mark.parametrize("uri", ["library/adder:v1", "127.0.0.1:1/library/adder:v1"])
async def test_a_failed_fetch_is_a_sentence_and_an_exit_code(tmp_path: Path, uri: str) -> None:
    code, output = await initialize(uri, str(tmp_path / "volume"))
    assert code != 0
    assert "Traceback" not in output
    assert "library/adder" in output or "127.0.0.1:1" in output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(("127.0.0.1:1/library/adder:v1", "volume"), "127.0.0.1:1"), (("library/adder:v1", "volume"), "library/adder:v1")],
    ids=["no registry", "wrong reference"],
)
async def test_the_reason_of_a_failure_is_the_termination_message(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    message = tmp_path / "termination-log"
    message.touch()
    code, output = await initialize(*arguments, ORMB_TERMINATION_LOG=str(message))
    assert code != 0
    assert reason in message.read_text()
    assert message.read_text() in output


async def test_no_termination_message_is_written_outside_of_kubernetes(tmp_path: Path) -> None:
    absent = tmp_path / "termination-log"
    code, _ = await initialize("127.0.0.1:1/library/adder:v1", "volume", ORMB_TERMINATION_LOG=str(absent))
    assert code != 0
    assert not absent.exists()


async def test_a_registry_of_a_private_authority_is_trusted_by_option_or_environment(tmp_path: Path) -> None:
    name = "registry.corp.example"
    reference = Reference(name, "team/adder", "v1")
    authority, own = trustme.CA(), str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(own)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(tls)
    async with ScriptedRegistry().running(tls) as registry, ForwardProxy({f"{name}:443": registry}).running() as proxy:
        through = {"https_proxy": f"http://{proxy}", "no_proxy": "", "ORMB_CA_FILE": ""}
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("https_proxy", through["https_proxy"])
            async with OrmbClient(tmp_path / "ormb", ca_file=Path(own)) as client:
                await client.push_directory(adder(tmp_path / "1", 1), reference)
        code, output = await initialize(str(reference), str(tmp_path / "a"), **through)
        assert code == os.EX_TEMPFAIL
        assert "certificate" in output
        code, output = await initialize(str(reference), str(tmp_path / "a"), "--ca-file", own, **through)
        assert code == 0, output
        code, output = await initialize(str(reference), str(tmp_path / "b"), **{**through, "ORMB_CA_FILE": own})
        assert code == 0, output
    assert files(tmp_path / "a") == files(tmp_path / "b")


async def test_a_missing_certificate_file_is_an_error_if_it_was_requested(tmp_path: Path) -> None:
    missing = str(tmp_path / "gone.pem")
    code, output = await initialize("localhost:5000/library/adder:v1", str(tmp_path / "a"), "--ca-file", missing)
    assert code == 2
    assert f"cannot use {missing}: No such file or directory" in output


async def test_exit_code_says_whether_a_retry_may_help(nats_url: str, tmp_path: Path) -> None:
    code, output = await initialize("127.0.0.1:1/library/adder:v1", str(tmp_path / "a"))
    assert code == os.EX_TEMPFAIL, output
    async with running_registry(tmp_path, nats_url) as registry:
        code, output = await initialize(f"{registry.address}/library/adder:v1", str(tmp_path / "b"))
    assert code == os.EX_NOINPUT, output


async def test_plain_layout_keeps_files_that_no_parser_reads(nats_url: str, tmp_path: Path) -> None:
    async with running_registry(tmp_path, nats_url) as registry, OrmbClient(tmp_path / "ormb") as client:
        reference = Reference(registry.address, "library/adder", "v1")
        await client.push_directory(broken(tmp_path / "1"), reference)
        code, output = await initialize(str(reference), str(tmp_path / "volume"), "--target", "plain")
    assert code == 0, output
    assert files(tmp_path / "volume") == {"model/model.onnx", "ormbfile.yaml", ".ormb-initialized.json"}


async def test_attached_file_is_pulled_if_it_has_the_type(nats_url: str, tmp_path: Path) -> None:
    (tmp_path / "samples.npz").write_bytes(b"samples")
    async with running_registry(tmp_path, nats_url) as registry, OrmbClient(tmp_path / "ormb") as client:
        reference = Reference(registry.address, "library/adder", "v1")
        await client.push_directory(adder(tmp_path / "1", 1), reference)
        attached = await client.attach(reference, [tmp_path / "samples.npz"], "application/x-samples", {})
        uri, target = str(reference.at(attached)), str(tmp_path / "pulled.npz")
        code, output = await run_initializer("pull-attached", uri, "application/x-samples", target)
        assert code == 0, output
        other, output = await run_initializer("pull-attached", uri, "application/json", target)
    assert (tmp_path / "pulled.npz").read_bytes() == b"samples"
    assert (other, "not application/json" in output) == (1, True)
