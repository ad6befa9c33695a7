"""Keys by which model servers and the waiting room recognise the ingress."""

from pathlib import Path

import pytest

from klever_deployer.adapters.local.access_keys import AccessKeys
from klever_deployer.domain.versions import ServingName

IRIS, OTHER = ServingName("default", "iris"), ServingName("default", "other")


def test_every_serving_has_a_key_of_its_own_that_the_next_deployer_derives_again(tmp_path: Path) -> None:
    file = tmp_path / "deployer" / "access.secret"
    keys, again = AccessKeys.kept_in(file), AccessKeys.kept_in(file)
    assert keys(IRIS) == again(IRIS) != keys(OTHER)
    assert (keys.is_right(IRIS, again(IRIS)), keys.is_right(OTHER, keys(IRIS)), keys.is_right(IRIS, None)) == (
        True,
        False,
        False,
    )


def test_another_machine_has_other_keys(tmp_path: Path) -> None:
    assert AccessKeys.kept_in(tmp_path / "a")(IRIS) != AccessKeys.kept_in(tmp_path / "b")(IRIS)


def test_only_its_owner_reads_the_secret(tmp_path: Path) -> None:
    AccessKeys.kept_in(tmp_path / "access.secret")
    assert (tmp_path / "access.secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("left", [b"", b"short"])
def test_a_secret_that_was_cut_short_is_replaced(tmp_path: Path, left: bytes) -> None:
    file = tmp_path / "access.secret"
    file.write_bytes(left)
    assert AccessKeys.kept_in(file)(IRIS) == AccessKeys.kept_in(file)(IRIS)
    assert len(file.read_bytes()) == 32
