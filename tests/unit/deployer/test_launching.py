"""How model servers are started on this machine."""

from pathlib import Path

import pytest

from klever_deployer.adapters.local.launching import Launching, Ports
from klever_deployer.domain.replicas import CUSTOM, LocalModel, Prepared, ReplicaSpec
from kleverkit.secret_files import SecretFiles
from kleverproto.variants import Custom
from support.deployer import key, variant

LIMIT = 12_345
LAUNCHING = Launching(
    Path("python"), Path("path"), SecretFiles(Path("none")), inherited={"SECRET": "x"}, max_request_bytes=LIMIT
)
PORTS = Ports("127.0.0.1", 7001, 7002)


def replica(runtime: str) -> ReplicaSpec:
    custom = Custom(command=("serve", "$PORT")) if runtime == CUSTOM else None
    served = variant("v1").model_copy(update={"custom": custom})
    return ReplicaSpec(key("v1"), Prepared(LocalModel(Path("model"), "ONNX"), runtime), served)


@pytest.mark.parametrize("runtime", ["kleverserve", "triton", "mlserver"])
def test_every_server_of_ours_is_given_the_limit(runtime: str) -> None:
    command = LAUNCHING(replica(runtime), PORTS).command
    assert command[command.index("--max-body-bytes") + 1] == str(LIMIT)


def test_a_server_of_the_users_own_finds_the_limit_in_its_environment() -> None:
    launch = LAUNCHING(replica(CUSTOM), PORTS)
    assert launch.command == ("serve", "7001")
    assert (launch.env["MAX_REQUEST_BYTES"], launch.env.get("SECRET")) == (str(LIMIT), None)
