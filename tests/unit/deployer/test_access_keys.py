"""Keys with which model servers and the waiting room recognise the ingress."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from klever_deployer.adapters.local.access_keys import AccessKeys
from kleverroutes.versions import ServingName

IRIS, OTHER = ServingName("default", "iris"), ServingName("default", "other")


def test_every_serving_has_its_own_key_that_the_next_deployer_derives_again(tmp_path: Path) -> None:
    file = tmp_path / "deployer" / "access.secret"
    keys, again = AccessKeys.from_file(file), AccessKeys.from_file(file)
    assert keys(IRIS) == again(IRIS) != keys(OTHER)
    assert (keys.is_valid(IRIS, again(IRIS)), keys.is_valid(OTHER, keys(IRIS)), keys.is_valid(IRIS, None)) == (
        True,
        False,
        False,
    )


def test_another_machine_has_other_keys(tmp_path: Path) -> None:
    assert AccessKeys.from_file(tmp_path / "a")(IRIS) != AccessKeys.from_file(tmp_path / "b")(IRIS)


def test_only_its_owner_reads_the_secret(tmp_path: Path) -> None:
    AccessKeys.from_file(tmp_path / "access.secret")
    assert (tmp_path / "access.secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("left", [b"", b"short", b"x" * 33])
def test_a_damaged_secret_is_reported_and_never_used(tmp_path: Path, left: bytes) -> None:
    file = tmp_path / "access.secret"
    file.write_bytes(left)
    with pytest.raises(OSError, match="is damaged: delete it"):
        AccessKeys.from_file(file)


def test_deployers_that_start_concurrently_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: AccessKeys.from_file(tmp_path / "access.secret")(IRIS), range(32)))
    assert len(set(keys)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["access.secret"]
