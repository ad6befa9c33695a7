"""Permissions, decided from the accounts and an Authorization header."""

import asyncio
import base64
from contextlib import suppress

import pytest
from pydantic import ValidationError

from klever_registry.adapters.local import verify_bcrypt
from klever_registry.domain.access import Requester, may, parse_basic, required_right
from klever_registry.domain.logins import FREE_OF_ACCOUNT, FREE_OF_SOURCE, LONGEST_PAUSE_SECONDS, LoginLimits, source_of
from klever_registry.errors import DeniedError, TooManyRequestsError, UnauthorizedError
from klever_registry.service.authorization import UNMATCHABLE_HASH, Authorization
from kleverproto.accounts import Account, Accounts, Right

HASH = "$2b$04$" + "a" * 53
SOURCE, ELSEWHERE = "192.0.2.1", "192.0.2.2"
OTHER_HASH = "$2b$04$" + "b" * 53
CI = Account(name="ci", password_hash=HASH, projects={"library": Right.PUSH, "*": Right.PULL})


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def asking(text: str, source: str = SOURCE) -> Requester:
    return Requester(basic(text), source)


class Clock:
    """A clock that moves only on request."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Hashes:
    """Knows the hash of each password, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def verify(self, password: str, hashed: str) -> bool:
        self.calls += 1
        return (password, hashed) in {("right", HASH), ("newer", OTHER_HASH)}


class Known:
    """Accounts that a test changes."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts

    async def read(self) -> Accounts:
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
def test_a_permission_applies_to_its_project_and_push_includes_pull(
    project: str, right: Right, *, allowed: bool
) -> None:
    assert may(Accounts(accounts=(CI,)), CI, project, right) is allowed


@pytest.mark.parametrize(("anonymous", "allowed"), [((), False), (("library",), True), (("*",), True), (("x",), False)])
def test_anonymous_pulls_can_be_allowed(anonymous: tuple[str, ...], *, allowed: bool) -> None:
    accounts = Accounts(anonymous_pull=anonymous)
    assert may(accounts, None, "library", Right.PULL) is allowed
    assert not may(accounts, None, "library", Right.PUSH)


def test_reading_requires_pull_and_everything_else_push() -> None:
    rights = {method: required_right(method) for method in ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")}
    assert [method for method, right in rights.items() if right is Right.PULL] == ["GET", "HEAD"]


def test_name_and_password_are_parsed_as_in_rfc_7617() -> None:
    assert parse_basic(basic("ci:a:b")) == ("ci", "a:b")
    assert parse_basic("") is None
    assert parse_basic(basic(":")) is None


@pytest.mark.parametrize("header", ["Bearer abc", "Basic ???", "Basic", basic("no colon"), "Basic /w=="])
def test_any_other_header_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="Authorization"):
        parse_basic(header)


@pytest.mark.parametrize("header", [basic("ci:wrong"), basic("nobody:right"), "Bearer x", "", basic(":")])
async def test_a_wrong_password_is_refused(header: str) -> None:
    door = Authorization(Known(Accounts(accounts=(CI,))), Hashes().verify, LoginLimits(Clock()))
    with pytest.raises(UnauthorizedError) as refused:
        await door.check(Requester(header, SOURCE), "library", Right.PULL)
    assert refused.value.headers["WWW-Authenticate"].startswith("Basic ")


async def test_an_account_without_permission_gets_the_reason() -> None:
    door = Authorization(Known(Accounts(accounts=(CI,))), Hashes().verify, LoginLimits(Clock()))
    with pytest.raises(DeniedError) as denied:
        await door.check(asking("ci:right"), "other", Right.PUSH)
    command = "klever registry account add ci --push library --pull '*' --push other"
    assert str(denied.value) == f"ci may not push to other. Ask the operator: `{command}`"


async def test_a_right_password_is_hashed_once_and_a_wrong_one_each_time() -> None:
    hashes = Hashes()
    door = Authorization(Known(Accounts(accounts=(CI,))), hashes.verify, LoginLimits(Clock()))
    for _ in range(3):
        await door.check(asking("ci:right"), "library", Right.PUSH)
    assert hashes.calls == 1
    assert [await door.allows(asking("ci:wrong"), "library", Right.PULL) for _ in range(2)] == [False, False]
    assert hashes.calls == 3


async def test_a_changed_password_or_a_removed_account_takes_effect_at_once() -> None:
    known = Known(Accounts(accounts=(CI,)))
    door = Authorization(known, Hashes().verify, LoginLimits(Clock()))
    await door.check(asking("ci:right"), "library", Right.PUSH)
    known.accounts = Accounts(accounts=(CI.model_copy(update={"password_hash": OTHER_HASH}),))
    assert not await door.allows(asking("ci:right"), "library", Right.PUSH)
    assert await door.allows(asking("ci:newer"), "library", Right.PUSH)
    known.accounts = Accounts()
    assert not await door.allows(asking("ci:newer"), "library", Right.PUSH)


def door_of_the_platform(hashes: Hashes, known: Accounts | None = None) -> Authorization:
    limits = LoginLimits(Clock())
    return Authorization(Known(known or Accounts()), hashes.verify, limits, lambda password: password == "platform's")


async def test_only_the_platform_has_access_until_there_are_accounts() -> None:
    door = door_of_the_platform(Hashes())
    await door.check(asking("klever:platform's"), "*", Right.PUSH)
    assert not await door.allows(asking("ci:platform's"), "library", Right.PULL)
    assert not await door.allows(asking("klever:wrong"), "library", Right.PULL)
    with pytest.raises(UnauthorizedError):
        await door.identify(Requester("", SOURCE))


async def test_the_platforms_password_is_never_delayed_by_guesses_and_never_hashed() -> None:
    hashes = Hashes()
    door = door_of_the_platform(hashes)
    for guess in range(FREE_OF_SOURCE * 2):
        with suppress(TooManyRequestsError):
            await door.allows(asking(f"klever:{guess}"), "library", Right.PULL)
    guesses = hashes.calls
    with pytest.raises(TooManyRequestsError):
        await door.allows(asking("klever:guess"), "library", Right.PULL)
    await door.check(asking("klever:platform's"), "library", Right.PUSH)
    assert hashes.calls == guesses


async def test_an_account_with_the_platforms_name_has_its_own_password_and_permissions() -> None:
    theirs = Account(name="klever", password_hash=HASH, projects={"library": Right.PULL})
    door = door_of_the_platform(Hashes(), Accounts(accounts=(theirs,)))
    assert await door.allows(asking("klever:right"), "library", Right.PULL)
    assert not await door.allows(asking("klever:right"), "library", Right.PUSH)
    assert await door.allows(asking("klever:platform's"), "other", Right.PUSH)


async def test_the_platform_has_no_account_without_a_password() -> None:
    door = Authorization(Known(Accounts()), Hashes().verify, LoginLimits(Clock()))
    assert not await door.allows(asking("klever:"), "library", Right.PULL)


def test_two_accounts_with_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two accounts of the name 'ci'"):
        Accounts(accounts=(CI, CI))


async def test_only_repositories_with_pull_permission_are_listed() -> None:
    known = Accounts(accounts=(CI.model_copy(update={"projects": {"library": Right.PULL}}),))
    door = door_of_the_platform(Hashes(), known)
    assert (await door.reader(asking("klever:platform's"))).may_pull("secret")
    reader = await door.reader(asking("ci:right"))
    assert (reader.may_pull("library"), reader.may_pull("secret")) == (True, False)
    assert not (await door.reader(asking(":"))).may_pull("library")


class Guesser:
    """Tries passwords at times that it chooses."""

    def __init__(self) -> None:
        self.clock, self.hashes = Clock(), Hashes()
        other = Account(name="other", password_hash=OTHER_HASH, projects={"library": Right.PULL})
        self.door = Authorization(Known(Accounts(accounts=(CI, other))), self.hashes.verify, LoginLimits(self.clock))

    async def gets(self, text: str, source: str = SOURCE) -> str:
        try:
            await self.door.check(asking(text, source), "library", Right.PULL)
        except TooManyRequestsError as error:
            return f"wait {error.headers['Retry-After']}"
        except UnauthorizedError:
            return "refused"
        return "in"


@pytest.mark.parametrize("text", ["ci:wrong", "nobody:wrong", "nobody:right", "another:newer"])
async def test_refusing_an_unknown_account_takes_as_long_as_refusing_a_known_one(text: str) -> None:
    guesser = Guesser()
    assert await guesser.gets(text) == "refused"
    assert guesser.hashes.calls == 1


async def test_repeated_failures_delay_an_account_increasingly_and_only_from_their_source() -> None:
    guesser = Guesser()
    assert [await guesser.gets("ci:wrong") for _ in range(FREE_OF_ACCOUNT)] == ["refused"] * FREE_OF_ACCOUNT
    calls = guesser.hashes.calls
    waits = []
    for _ in range(9):
        waits.append(await guesser.gets("ci:right"))
        guesser.clock.now += float(waits[-1].removeprefix("wait "))
        assert await guesser.gets("ci:wrong") == "refused"
    assert waits == [f"wait {seconds}" for seconds in (1, 2, 4, 8, 16, 32, 60, 60, 60)]
    assert guesser.hashes.calls == calls + 9
    assert await guesser.gets("ci:right", ELSEWHERE) == "in"
    guesser.clock.now += LONGEST_PAUSE_SECONDS
    assert await guesser.gets("ci:right") == "in"
    assert await guesser.gets("ci:wrong") == "refused"


async def test_a_source_that_tries_many_accounts_is_delayed_and_others_are_not() -> None:
    guesser = Guesser()
    assert await guesser.gets("other:newer") == "in"
    for number in range(FREE_OF_SOURCE):
        assert await guesser.gets(f"nobody{number}:wrong") == "refused"
    assert await guesser.gets("ci:right") == "wait 1"
    assert await guesser.gets("other:newer") == "in"
    assert await guesser.gets("ci:right", ELSEWHERE) == "in"


async def test_a_remembered_password_cannot_be_guessed_while_a_source_is_delayed() -> None:
    guesser = Guesser()
    assert await guesser.gets("other:newer") == "in"
    for number in range(FREE_OF_SOURCE):
        await guesser.gets(f"nobody{number}:wrong")
    for number in range(FREE_OF_ACCOUNT):
        assert await guesser.gets(f"other:{number}") == "wait 1"
    assert await guesser.gets("other:newer") == "wait 1"


async def test_a_remembered_login_does_not_give_others_new_guesses() -> None:
    guesser = Guesser()
    assert await guesser.gets("ci:right") == "in"
    for _ in range(FREE_OF_ACCOUNT - 1):
        await guesser.gets("ci:wrong")
    assert await guesser.gets("ci:right") == "in"
    await guesser.gets("ci:wrong")
    assert await guesser.gets("ci:wrong") == "wait 1"


async def test_concurrent_requests_are_not_additional_guesses() -> None:
    guesser = Guesser()
    outcomes = await asyncio.gather(*(guesser.gets("ci:wrong") for _ in range(50)))
    assert outcomes.count("refused") == FREE_OF_ACCOUNT


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1:2", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
    ],
)
def test_addresses_of_one_customer_are_one_source(address: str | None, source: str) -> None:
    assert source_of(address) == source


async def test_the_hash_for_unknown_accounts_is_a_real_hash() -> None:
    assert not await verify_bcrypt("password", UNMATCHABLE_HASH)
