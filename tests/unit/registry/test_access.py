"""Who may do what, decided from the accounts and an Authorization header."""

import base64

import pytest
from pydantic import ValidationError

from klever_registry.domain.access import may, parse_basic, wanted_right
from klever_registry.errors import DeniedError, UnauthorizedError
from klever_registry.service.authorization import Authorization
from kleverproto.accounts import Account, Accounts, Right

HASH = "$2b$04$" + "a" * 53
OTHER_HASH = "$2b$04$" + "b" * 53
CI = Account(name="ci", password_hash=HASH, projects={"library": Right.PUSH, "*": Right.PULL})


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


class Hashes:
    """Knows which password belongs to which hash, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def verify(self, password: str, hashed: str) -> bool:
        self.asked += 1
        return (password, hashed) in {("right", HASH), ("newer", OTHER_HASH)}


class Known:
    """Accounts that a test changes."""

    def __init__(self, accounts: Accounts | None) -> None:
        self.accounts = accounts

    async def read(self) -> Accounts | None:
        return self.accounts


@pytest.mark.parametrize(
    ("project", "right", "allowed"),
    [
        ("library", Right.PUSH, True),
        ("library", Right.PULL, True),
        ("other", Right.PULL, True),
        ("other", Right.PUSH, False),
        ("*", Right.PUSH, False),
    ],
)
def test_a_right_holds_in_its_project_and_push_includes_pull(project: str, right: Right, *, allowed: bool) -> None:
    assert may(Accounts(accounts=(CI,)), CI, project, right) is allowed


@pytest.mark.parametrize(("anonymous", "allowed"), [((), False), (("library",), True), (("*",), True), (("x",), False)])
def test_anybody_may_pull_where_the_operator_says_so(anonymous: tuple[str, ...], *, allowed: bool) -> None:
    accounts = Accounts(anonymous_pull=anonymous)
    assert may(accounts, None, "library", Right.PULL) is allowed
    assert not may(accounts, None, "library", Right.PUSH)


def test_reading_needs_pull_and_everything_else_push() -> None:
    rights = {method: wanted_right(method) for method in ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")}
    assert [method for method, right in rights.items() if right is Right.PULL] == ["GET", "HEAD"]


def test_name_and_password_are_read_as_rfc_7617_writes_them() -> None:
    assert parse_basic(basic("ci:a:b")) == ("ci", "a:b")
    assert parse_basic("") is None
    assert parse_basic(basic(":")) is None


@pytest.mark.parametrize("header", ["Bearer abc", "Basic ???", "Basic", basic("no colon"), "Basic /w=="])
def test_any_other_header_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="Authorization"):
        parse_basic(header)


@pytest.mark.parametrize("header", [basic("ci:wrong"), basic("nobody:right"), "Bearer x", "", basic(":")])
async def test_without_the_right_password_nobody_gets_in(header: str) -> None:
    door = Authorization(Known(Accounts(accounts=(CI,))), Hashes().verify)
    with pytest.raises(UnauthorizedError) as refused:
        await door.check(header, "library", Right.PULL)
    assert refused.value.headers["WWW-Authenticate"].startswith("Basic ")


async def test_an_account_without_the_right_is_told_so() -> None:
    door = Authorization(Known(Accounts(accounts=(CI,))), Hashes().verify)
    with pytest.raises(DeniedError) as denied:
        await door.check(basic("ci:right"), "other", Right.PUSH)
    command = "klever registry account add ci --push library --pull '*' --push other"
    assert str(denied.value) == f"ci may not push to other. Ask the operator: `{command}`"


async def test_a_right_password_is_hashed_once_and_a_wrong_one_each_time() -> None:
    hashes = Hashes()
    door = Authorization(Known(Accounts(accounts=(CI,))), hashes.verify)
    for _ in range(3):
        await door.check(basic("ci:right"), "library", Right.PUSH)
    assert hashes.asked == 1
    assert [await door.allows(basic("ci:wrong"), "library", Right.PULL) for _ in range(2)] == [False, False]
    assert hashes.asked == 3


async def test_a_changed_password_or_a_removed_account_counts_at_once() -> None:
    known = Known(Accounts(accounts=(CI,)))
    door = Authorization(known, Hashes().verify)
    await door.check(basic("ci:right"), "library", Right.PUSH)
    known.accounts = Accounts(accounts=(CI.model_copy(update={"password_hash": OTHER_HASH}),))
    assert not await door.allows(basic("ci:right"), "library", Right.PUSH)
    assert await door.allows(basic("ci:newer"), "library", Right.PUSH)
    known.accounts = Accounts()
    assert not await door.allows(basic("ci:newer"), "library", Right.PUSH)


async def test_everybody_may_do_everything_until_there_are_accounts() -> None:
    known = Known(None)
    door = Authorization(known, Hashes().verify)
    await door.check(basic("ci:wrong"), "*", Right.PUSH)
    await door.identify("")
    known.accounts = Accounts(accounts=(CI,))
    assert not await door.allows(basic("ci:wrong"), "library", Right.PULL)
    with pytest.raises(UnauthorizedError):
        await door.identify("")


def test_two_accounts_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two accounts of the name 'ci'"):
        Accounts(accounts=(CI, CI))


async def test_who_lists_repositories_sees_all_while_there_are_no_accounts_and_then_what_they_may() -> None:
    known = Known(None)
    door = Authorization(known, Hashes().verify)
    assert (await door.reader(basic("ci:right"))).may_pull("secret")
    known.accounts = Accounts(accounts=(CI.model_copy(update={"projects": {"library": Right.PULL}}),))
    reader = await door.reader(basic("ci:right"))
    assert (reader.may_pull("library"), reader.may_pull("secret")) == (True, False)
    assert not (await door.reader(basic(":"))).may_pull("library")
