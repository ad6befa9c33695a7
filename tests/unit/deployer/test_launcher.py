"""The start of model servers on this machine."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from klever_deployer.adapters.local.access_keys import AccessKeys
from klever_deployer.adapters.local.launcher import Launch, Ports, ProcessLauncher
from klever_deployer.adapters.local.replica_specs import LocalModel, Prepared, ReplicaSpec
from kleverkit.secret_files import SecretFiles
from kleverproto.variants import CUSTOM, Custom, Network
from kleversandbox.support import Confinement, Support
from kleverserve.access import VARIABLE
from support.deployer import process_key, variant

LIMIT = 12_345
COMPLETE = Confinement(Support(abi=7, has_filter=True))
NO_SECRETS = SecretFiles(Path("none"))
LAUNCHING = ProcessLauncher(
    Path("python"), Path("path"), NO_SECRETS, COMPLETE, inherited={"SECRET": "x"}, max_request_bytes=LIMIT
)
PORTS = Ports("127.0.0.1", 7001, 7002, 7003)
HOME = Path("home")


def replica(runtime: str, trust: tuple[str, ...] = ()) -> ReplicaSpec:
    custom = Custom(command=("serve", "$PORT")) if runtime == CUSTOM else None
    served = variant("v1").model_copy(update={"custom": custom})
    return ReplicaSpec(process_key("v1"), Prepared(LocalModel(Path("model"), "ONNX"), runtime, None, trust), served)


@pytest.mark.parametrize("runtime", ["kleverserve", "triton", "mlserver"])
def test_every_platform_server_is_given_the_limit(runtime: str) -> None:
    command = LAUNCHING(replica(runtime), PORTS, HOME).policy.command
    assert command[command.index("--max-body-bytes") + 1] == str(LIMIT)


def test_a_custom_server_finds_the_limit_in_its_environment() -> None:
    policy = LAUNCHING(replica(CUSTOM), PORTS, HOME).policy
    assert policy.command == ("serve", "7001")
    assert (policy.environment["MAX_REQUEST_BYTES"], policy.environment.get("SECRET")) == (str(LIMIT), None)


def launched(launching: ProcessLauncher = LAUNCHING, **changes: Any) -> Launch:
    """A custom server, with changes to its variant."""
    spec = replica(CUSTOM)
    return launching(replace(spec, variant=spec.variant.model_copy(update=changes)), PORTS, HOME)


def test_a_server_listens_on_its_ports_and_connects_only_to_its_own() -> None:
    policies = [LAUNCHING(replica(name), PORTS, HOME).policy for name in ("kleverserve", "triton")]
    assert [policy.listen for policy in policies] == [(7001, 7002, 7003)] * 2
    assert [(policy.connect, policy.egress) for policy in policies] == [((7003,), False)] * 2
    alone = LAUNCHING(replica("kleverserve"), Ports("127.0.0.1", 7001), HOME).policy
    assert (alone.listen, alone.connect, alone.egress) == ((7001,), (), False)


def test_only_the_document_grants_egress() -> None:
    granted = launched(network=Network.EGRESS)
    assert (granted.policy.egress, granted.sandbox) == (True, "Landlock ABI 7, seccomp; network: egress")
    assert (launched().policy.egress, launched().sandbox) == (False, "Landlock ABI 7, seccomp; network: none")


def test_a_variant_sets_variables_of_its_server_and_not_of_the_launcher() -> None:
    launch = launched(env={"LD_PRELOAD": "evil.so", "LD_LIBRARY_PATH": "/root", "HOME": "/root", "TMPDIR": "/root"})
    environment = launch.policy.environment
    assert (environment["LD_PRELOAD"], environment["HOME"], environment["TMPDIR"]) == ("evil.so", "home", "home")
    assert launch.launcher_env == {}
    assert "/root" not in (*launch.policy.execute, *launch.policy.read, *launch.policy.write)


def test_a_variant_cannot_hide_its_server_from_the_platform() -> None:
    launching = replace(LAUNCHING, inherited={"KLEVER_PLATFORM": "here"})
    launch = launched(launching, env={"KLEVER_PLATFORM": "elsewhere"})
    assert (launch.policy.environment["KLEVER_PLATFORM"], launch.launcher_env["KLEVER_PLATFORM"]) == ("here", "here")


@pytest.mark.parametrize(("runtime", "needed"), [(CUSTOM, True), ("kleverserve", False)])
def test_a_server_that_may_run_code_does_not_start_without_a_sandbox(runtime: str, *, needed: bool) -> None:
    assert LAUNCHING(replica(runtime), PORTS, HOME).policy.complete is needed
    allowed = replace(LAUNCHING, confinement=COMPLETE._replace(allow_unsandboxed=True))
    assert allowed(replica(runtime), PORTS, HOME).policy.complete is False


def test_only_the_home_is_writable_and_only_the_model_readable() -> None:
    for runtime in (CUSTOM, "kleverserve", "mlserver"):
        policy = LAUNCHING(replica(runtime), PORTS, HOME).policy
        assert (policy.write, policy.make_directories) == (("home",), ())
        assert "model" in (*policy.read, *policy.execute)


@pytest.mark.parametrize("runtime", ["kleverserve", "triton", "mlserver"])
def test_every_platform_server_gets_the_trusted_classes_of_the_project(runtime: str) -> None:
    command = LAUNCHING(replica(runtime, ("my.models:Doubling", "my.models:Halving")), PORTS, HOME).policy.command
    places = [index for index, word in enumerate(command) if word == "--trust"]
    assert [command[place + 1] for place in places] == ["my.models:Doubling", "my.models:Halving"]
    assert "--trust" not in LAUNCHING(replica(runtime), PORTS, HOME).policy.command


@pytest.mark.parametrize("runtime", ["kleverserve", "triton", "mlserver", "openscoring"])
def test_a_platform_server_gets_the_key_of_its_serving_secretly(runtime: str) -> None:
    keys = AccessKeys(b"secret")
    spec = replica(runtime)
    overriding = spec.variant.model_copy(update={"env": {VARIABLE: "chosen by the variant"}})
    launch = replace(LAUNCHING, keys=keys)(replace(spec, variant=overriding), PORTS, HOME)
    key = keys(spec.key.serving)
    assert launch.policy.environment[VARIABLE] == key
    assert not any(key in word for word in launch.policy.command)
    assert VARIABLE not in launch.launcher_env
    assert VARIABLE not in LAUNCHING(spec, PORTS, HOME).policy.environment


def test_a_custom_server_gets_no_key() -> None:
    launching = replace(LAUNCHING, keys=AccessKeys(b"secret"))
    assert VARIABLE not in launching(replica(CUSTOM), PORTS, HOME).policy.environment
