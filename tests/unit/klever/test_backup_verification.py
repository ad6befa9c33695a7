"""A backup is verified as a whole before anything of it is used."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from klever.backup.contract import contract
from klever.backup.errors import BackupError
from klever.backup.members import CONSUMERS, HEADER, SAVED_STREAMS, chunk_name, state_name
from klever.backup.verification import verified
from support.backup_files import (
    BLOBS_NAME,
    CONFIG,
    INDEX,
    INDEX_NAME,
    MANIFEST,
    WEIGHTS,
    BackupFile,
    blob_name,
    digests,
    header,
    whole,
)

STREAM = SAVED_STREAMS[0]
Members = dict[str, bytes]


def refusal(path: Path) -> str:
    with pytest.raises(BackupError) as raised, verified(path):
        pytest.fail("it was verified")
    return str(raised.value)


def test_a_whole_backup_is_read(tmp_path: Path) -> None:
    with verified(BackupFile.of(whole()).write(tmp_path / "backup")) as backup:
        assert backup.header.release == "0.1.0"
        assert {path: backup.home_file(path) for path in backup.home_files()} == {"token": b"secret\n"}
        assert b"".join(backup.blob(WEIGHTS[0])) == b"weights"
        assert [(each.name, each.index) for each in backup.repositories()] == [("library/iris", INDEX)]
        assert list(backup.chunks(STREAM)) == [b"snapshot"]
        assert set(backup.blobs()) == {CONFIG[0], WEIGHTS[0], MANIFEST[0]}


def without(name: str) -> Callable[[], Members]:
    return lambda: {key: value for key, value in whole().items() if key != name}


def with_member(name: str, content: bytes) -> Callable[[], Members]:
    return lambda: whole() | {name: content}


OTHER_DIGEST = f"sha256:{'0' * 64}"
INVALID: dict[str, tuple[Callable[[], Members], str]] = {
    "a path out of the home": (with_member("home/../../etc/cron.d/x", b""), "not a part of a backup"),
    "an absolute path": (with_member("/etc/passwd", b""), "not a part of a backup"),
    "a path with dots": (with_member("home/secrets/../x", b""), "not a part of a backup"),
    "a file that no home has": (with_member("home/deployer/envoy/envoy.json", b""), "not a part of a backup"),
    "a repository out of the registry": (with_member("registry/repositories/../x/index.json", INDEX), "not a part"),
    "another stream": (with_member("nats/EVIL/state.json", b"{}"), "belongs to no stream"),
    "a chunk of another stream": (with_member("nats/EVIL/00000001", b""), "belongs to no stream"),
    "a missing chunk": (with_member(chunk_name(STREAM, 3), b"x"), "out of order"),
    "a large header": (with_member(HEADER, header(release="x" * 2**20)), "the maximum is"),
    "a large chunk": (with_member(chunk_name(STREAM, 1), bytes(2**20 + 1)), "the maximum is"),
    "no stream": (without(state_name(STREAM)), f"incomplete: {state_name(STREAM)} is missing"),
    "no positions": (without(CONSUMERS), "incomplete: nats/consumers.json is missing"),
    "positions of another stream": (
        with_member(
            CONSUMERS,
            json.dumps(
                [
                    {
                        "stream": "EVIL",
                        "name": "x",
                        "filters": [],
                        "ackWait": 1,
                        "maxDeliver": 1,
                        "maxAckPending": 1,
                        "floor": 0,
                    }
                ]
            ).encode(),
        ),
        "consumers of other streams: EVIL",
    ),
    "unreadable positions": (with_member(CONSUMERS, b"[{}]"), "nats/consumers.json cannot be read"),
    "a missing blob": (without(blob_name(WEIGHTS[0])), "library/iris refers to sha256:"),
    "an unlisted blob": (
        with_member(BLOBS_NAME, json.dumps([CONFIG[0], MANIFEST[0]]).encode()),
        f"refers to {WEIGHTS[0]}, which is missing",
    ),
    "an unlisted manifest": (with_member(BLOBS_NAME, b"[]"), f"the manifest {MANIFEST[0]}"),
    "another blob": (with_member(blob_name(WEIGHTS[0]), b"other weights"), "has another digest"),
    "an unreadable index": (with_member(INDEX_NAME, b"[]"), "an index.json cannot be read"),
    "a digest that is a path": (with_member(BLOBS_NAME, b'["sha256:../../x"]'), "blobs.json cannot be read"),
    "no header": (without(HEADER), "not a backup of Klever"),
    "a newer format": (with_member(HEADER, header(format=2, release="9.0")), "with Klever 9.0 or a later release"),
    "an unknown format": (with_member(HEADER, header(format=0)), "format 0"),
    "an unreadable header": (with_member(HEADER, b"{}"), "its header cannot be read"),
    "a newer contract": (
        with_member(HEADER, header(release="9.0", contract=[*contract(), "dev.klever.model.pushed.v2"])),
        "would lose, such as dev.klever.model.pushed.v2: restore it with that release",
    ),
}


@pytest.mark.parametrize("fault", INVALID)
def test_an_invalid_backup_is_refused(fault: str, tmp_path: Path) -> None:
    members, reason = INVALID[fault]
    message = refusal(BackupFile.of(members()).write(tmp_path / "backup"))
    assert reason in message
    assert message.endswith("Nothing was changed")


def test_a_backup_of_an_older_contract_is_read(tmp_path: Path) -> None:
    older = with_member(HEADER, header(contract=contract()[:10]))
    with verified(BackupFile.of(older()).write(tmp_path / "backup")) as backup:
        assert len(backup.header.contract) == 10


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_member_that_is_no_regular_file_is_refused(kind: bytes, tmp_path: Path) -> None:
    file = BackupFile.of(whole())
    member, _ = file.members[1]
    member.type, member.linkname, member.size = kind, "/etc/passwd", 0
    assert "not a regular file" in refusal(file.write(tmp_path / "backup"))


@pytest.mark.parametrize("name", sorted(whole()))
def test_a_changed_member_is_refused(name: str, tmp_path: Path) -> None:
    members = whole()
    original = digests(members)
    members[name] = members[name][:-1] + bytes([members[name][-1] ^ 1])
    refusal(BackupFile.of(members, last=original).write(tmp_path / "backup"))


def test_an_additional_member_is_refused(tmp_path: Path) -> None:
    more = whole() | {"home/secrets/default/x": b"y"}
    message = refusal(BackupFile.of(more, last=digests(whole())).write(tmp_path / "backup"))
    assert "home/secrets/default/x is damaged" in message


@pytest.mark.parametrize("name", [HEADER, "home/token"])
def test_a_repeated_member_is_refused(name: str, tmp_path: Path) -> None:
    file = BackupFile.of(whole())
    file.members.insert(3, next(member for member in file.members if member[0].name == name))
    assert "twice" in refusal(file.write(tmp_path / "backup"))


def test_a_member_after_the_end_is_refused(tmp_path: Path) -> None:
    file = BackupFile.of(whole())
    file.add("home/secrets/default/x", b"y")
    assert "follows the end" in refusal(file.write(tmp_path / "backup"))


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = BackupFile.of(whole()).write(tmp_path / "backup")
    content = path.read_bytes()
    end = content.rindex(b"}}") + 2
    for size in range(0, end, 509):
        path.write_bytes(content[:size])
        refusal(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive" * 1000, bytes(10240), b"\x1f\x8b" * 512])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "backup"
    path.write_bytes(content)
    assert "it is not a backup of Klever" in refusal(path)
