"""How model servers are started on this machine."""

from pathlib import Path

import pytest

from klever_deployer.adapters.local.launching import Launching, Ports
from klever_deployer.domain.replicas import CUSTOM, LocalModel, Prepared, ReplicaSpec
from kleverkit.secret_files import SecretFiles
from kleverproto.variants import Custom
from kleversandbox.support import Confinement, Support
from support.deployer import key, variant

LIMIT = 12_345
COMPLETE = Confinement(Support(abi=7, has_filter=True))
NO_SECRETS = SecretFiles(Path("none"))
LAUNCHING = Launching(
    Path("python"), Path("path"), NO_SECRETS, COMPLETE, inherited={"SECRET": "x"}, max_request_bytes=LIMIT
)
PORTS = Ports("127.0.0.1", 7001, 7002, 7003)
HOME = Path("home")


def replica(runtime: str) -> ReplicaSpec:
    custom = Custom(command=("serve", "$PORT")) if runtime == CUSTOM else None
    served = variant("v1").model_copy(update={"custom": custom})
    return ReplicaSpec(key("v1"), Prepared(LocalModel(Path("model"), "ONNX"), runtime), served)


@pytest.mark.parametrize("runtime", ["kleverserve", "triton", "mlserver"])
def test_every_server_of_ours_is_given_the_limit(runtime: str) -> None:
    command = LAUNCHING(replica(runtime), PORTS, HOME).policy.command
    assert command[command.index("--max-body-bytes") + 1] == str(LIMIT)


def test_a_server_of_the_users_own_finds_the_limit_in_its_environment() -> None:
    policy = LAUNCHING(replica(CUSTOM), PORTS, HOME).policy
    assert policy.command == ("serve", "7001")
    assert (policy.environment["MAX_REQUEST_BYTES"], policy.environment.get("SECRET")) == (str(LIMIT), None)
