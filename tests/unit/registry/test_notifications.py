"""The events in notifications of other registries. The lines in tests/data were sent by real ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from klever_registry.domain.notifications import Deleted, Notice, Pushed, parse_distribution, parse_harbor
from klever_registry.errors import NotificationInvalidError

CAPTURES = Path(__file__).parents[2] / "data" / "notifications"
MODEL = "sha256:7fad219230ff17b1c4557d96682d9ca836c80e5573461560abb54dff10132a8c"
DIGEST = f"sha256:{'a' * 64}"


def harbor(kind: str, *resources: dict[str, Any], cloud_event: bool = False) -> bytes:
    data = {"resources": resources, "repository": {"name": "iris", "repo_full_name": "team/iris"}}
    if cloud_event:
        return json.dumps(
            {"specversion": "1.0", "id": "1", "source": "/projects/1", "type": kind, "data": data}
        ).encode()
    return json.dumps({"type": kind, "occur_at": 1, "operator": "admin", "event_data": data}).encode()


def resource(tag: str, digest: str = DIGEST) -> dict[str, Any]:
    return {"digest": digest, "tag": tag, "resource_url": f"harbor.example/team/iris:{tag}"}


def distribution(**target: Any) -> bytes:
    event = {"action": "push", "target": {"repository": "team/m", **target}, "request": {"host": "registry:5000"}}
    return json.dumps({"events": [event]}).encode()


@pytest.mark.parametrize("capture", ["distribution-v1.jsonl", "distribution-v2.jsonl"])
def test_only_tag_and_manifest_of_a_real_push_and_deletion_count(capture: str) -> None:
    lines = (CAPTURES / capture).read_bytes().splitlines()
    notices: list[Notice] = [notice for line in lines for notice in parse_distribution(line)]
    assert notices == [
        Pushed("registry.example:5000", "team/m", "v1", MODEL),
        Deleted("registry.example:5000", "team/m", None, MODEL),
        Deleted("registry.example:5000", "team/m", "v1", None),
    ]


@pytest.mark.parametrize(
    "target",
    [
        {"digest": DIGEST, "mediaType": "application/vnd.oci.image.manifest.v1+json"},
        {"digest": DIGEST, "tag": f"sha256-{'b' * 64}"},
        {"digest": DIGEST, "tag": f"sha256-{'b' * 64}.sig"},
        {"digest": "md5:1", "tag": "v1"},
    ],
)
def test_child_manifests_and_referrers_do_not_count(target: dict[str, Any]) -> None:
    assert parse_distribution(distribution(**target)) == ()


def test_a_push_that_is_twice_in_an_envelope_counts_once() -> None:
    (event,) = json.loads(distribution(digest=DIGEST, tag="v1"))["events"]
    assert parse_distribution(json.dumps({"events": [event, event]}).encode()) == (
        Pushed("registry:5000", "team/m", "v1", DIGEST),
    )


@pytest.mark.parametrize(("kind", "cloud_event"), [("PUSH_ARTIFACT", False), ("harbor.artifact.pushed", True)])
def test_both_payloads_of_harbor_report_a_push(kind: str, cloud_event: bool) -> None:  # noqa: FBT001 - a parameter
    children = resource(DIGEST), resource("v1"), resource("v1")
    assert parse_harbor(harbor(kind, *children, cloud_event=cloud_event)) == (
        Pushed("harbor.example", "team/iris", "v1", DIGEST),
    )


@pytest.mark.parametrize(("kind", "cloud_event"), [("DELETE_ARTIFACT", False), ("harbor.artifact.deleted", True)])
def test_both_payloads_of_harbor_report_a_deletion(kind: str, cloud_event: bool) -> None:  # noqa: FBT001 - as above
    payload = harbor(kind, resource("v1"), resource(DIGEST), cloud_event=cloud_event)
    assert parse_harbor(payload) == (
        Deleted("harbor.example", "team/iris", "v1", DIGEST),
        Deleted("harbor.example", "team/iris", None, DIGEST),
    )


@pytest.mark.parametrize("kind", ["PULL_ARTIFACT", "SCANNING_COMPLETED", "QUOTA_EXCEED"])
def test_other_notifications_of_harbor_do_not_count(kind: str) -> None:
    assert parse_harbor(harbor(kind, resource("v1"))) == ()
    assert parse_harbor(b'{"type": "QUOTA_EXCEED", "event_data": {}}') == ()


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"events": 1}', b"\xff", b'{"type": "PUSH_ARTIFACT"}'])
def test_an_unknown_notification_is_refused_with_a_sentence(payload: bytes) -> None:
    with pytest.raises(NotificationInvalidError, match="not a notification of CNCF distribution"):
        parse_distribution(payload)
    with pytest.raises(NotificationInvalidError, match="not a webhook of Harbor"):
        parse_harbor(payload)
