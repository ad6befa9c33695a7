"""The permissions in the sandbox that all model servers have in common."""

from collections.abc import Mapping

from kleverproto.variants import CUSTOM, Network
from kleversandbox.policy import Policy
from kleversandbox.support import Confinement
from kleversandbox.system_paths import NAME_SERVICE, READABLE, SYSTEM, paths_in
from modelformats.foreign_code import may_run_code

from .replica_specs import ReplicaSpec


def confined(
    policy: Policy,
    spec: ReplicaSpec,
    ports: tuple[int, int, int],
    operators: Mapping[str, str],
    confinement: Confinement,
) -> Policy:
    """Add the common permissions to the policy of one server.

    Args:
        policy: the server's own permissions.
        spec: the replica.
        ports: the ports for HTTP, for gRPC, and of an inner server; 0 if there is none.
        operators: variables of the deployer's environment, whose paths become accessible; those of a variant do not.
        confinement: the sandbox.
    """
    has_egress, inner = spec.variant.network is Network.EGRESS, ports[-1]
    runs_code = spec.prepared.runtime == CUSTOM or may_run_code(spec.prepared.model.format)
    return policy._replace(
        execute=(*SYSTEM, *paths_in(operators), *policy.execute),
        read=(*READABLE, *(NAME_SERVICE if has_egress else ()), *policy.read),
        listen=tuple(port for port in ports if port),
        connect=(inner,) if inner else (),
        egress=has_egress,
        complete=runs_code and not confinement.allow_unsandboxed,
    )
