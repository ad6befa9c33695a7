"""States of versions that are predictors; pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from klever_deployer.adapters.kubernetes.states import version_state
from klever_deployer.domain.versions import VersionState
from kleverkube.labels import VERSION
from kleverkube.manifest import Manifest
from kleverkube.seldon.seldon_deployments import Predictor
from kleverroutes.versions import VersionKey

PATIENCE = timedelta(seconds=30)
"""The operator creates a Deployment within seconds. Its status may be that of an earlier predictor as long."""
FAILED = "Failed"


def predictor_state(
    key: VersionKey, predictor: Predictor, deployment: Manifest | None, pods: Iterable[Manifest], now: datetime
) -> VersionState:
    """The state of a version, by its Deployment and pods.

    Seldon Core's own status is not used: it does not say to which generation it belongs, and `Available` may be that of
    the previous one.

    Args:
        key: key of the version.
        predictor: its predictor.
        deployment: which the operator has made of it; None while there is none.
        pods: its pods.
        now: the present time.
    """
    present = deployment or {"metadata": {}, "spec": {"replicas": _least_replicas(predictor.manifest)}}
    number = predictor.manifest.get("replicas", present["spec"].get("replicas", 1))
    described = {
        **present,
        "metadata": {**present["metadata"], "annotations": {VERSION: predictor.version}},
        "spec": {**present["spec"], "replicas": number},
    }
    return version_state(key, described, pods, now)


def without_deployment(state: VersionState, stored: Manifest, missing: timedelta) -> VersionState:
    """Return the state of a version, with a problem if the operator creates no Deployment for its predictor.

    Args:
        state: by its predictor.
        stored: the SeldonDeployment.
        missing: time since it was first observed without a Deployment.
    """
    if missing < PATIENCE or not state.desired:
        return state
    status = stored.get("status", {})
    description = status.get("description") if status.get("state") == FAILED else None
    reason = description or "check that its operator runs and watches the namespace"
    return replace(state, problem=f"Seldon Core has not created its Deployment: {reason}")


def _least_replicas(predictor: Manifest) -> int:
    """Return the minimum number of replicas of a version whose Deployment exists."""
    scaling = predictor["componentSpecs"][0].get("hpaSpec", {})
    number: int = predictor.get("replicas", scaling.get("minReplicas", 1))
    return number
