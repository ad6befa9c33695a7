"""Storage limits of blobs, uploads and projects, which apply while bytes arrive."""

from collections.abc import AsyncIterator

import pytest

from klever_registry.errors import DistributionError, QuotaExceededError, TooLargeError, TooManyRequestsError
from klever_registry.service.admission import LEAST_SECONDS, Admission, Limits
from kleverproto.accounts import Accounts

REPOSITORY = "library/iris"


class Disk:
    """The usage of a project, and the number of measurements."""

    def __init__(self, used: int = 0, uploads: int = 0) -> None:
        self.bytes, self.uploads, self.measured = used, uploads, 0

    async def used(self, _project: str) -> int:
        self.measured += 1
        return self.bytes

    async def open_uploads(self, _project: str) -> int:
        return self.uploads


class Quotas:
    """Accounts that define only quotas."""

    def __init__(self, **quotas: int) -> None:
        self.accounts = Accounts(quotas={name.replace("every", "*"): size for name, size in quotas.items()})

    async def read(self) -> Accounts:
        return self.accounts


class Clock:
    """A clock that moves on request."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


async def taken(admission: Admission, *sizes: int, offset: int = 0, announced: int | None = None) -> int | str:
    """Return the number of admitted bytes, or the refusal."""
    came = 0
    try:
        async for chunk in admission.bounded(REPOSITORY, chunks(*sizes), offset=offset, announced=announced):
            came += len(chunk)
    except DistributionError as error:
        return f"{error.status} {error.oci_code} after {came}"
    return came


def admission(
    disk: Disk, *, quotas: Quotas | None = None, clock: Clock | None = None, project_bytes: int | None = None
) -> Admission:
    return Admission(Limits(100, 2, project_bytes), disk, quotas, clock or Clock())


async def test_a_blob_over_the_limit_is_refused_by_its_declared_or_actual_size() -> None:
    assert await taken(admission(Disk()), 50, 50) == 100
    assert await taken(admission(Disk()), 50, 51) == "413 SIZE_INVALID after 50"
    assert await taken(admission(Disk()), 50, offset=51) == "413 SIZE_INVALID after 0"
    assert await taken(admission(Disk()), 50, announced=101) == "413 SIZE_INVALID after 0"


@pytest.mark.parametrize(
    ("quotas", "of_each", "quota"),
    [
        (None, None, None),
        (None, 60, 60),
        (Quotas(library=60), 10, 60),
        (Quotas(every=60), None, 60),
        (Quotas(every=10, library=60), None, 60),
        (Quotas(other=10), None, None),
    ],
)
async def test_a_project_has_its_own_quota_or_the_default(
    quotas: Quotas | None, of_each: int | None, quota: int | None
) -> None:
    outcome = await taken(admission(Disk(used=20), quotas=quotas, project_bytes=of_each), 20, 20, 20)
    assert outcome == (60 if quota is None else "403 DENIED after 40")


async def test_concurrent_uploads_share_the_quota() -> None:
    disk, clock = Disk(), Clock()
    shared = admission(disk, quotas=Quotas(library=60), clock=clock)
    assert [await taken(shared, 30), await taken(shared, 30)] == [30, 30]
    assert await taken(shared, 1) == "403 DENIED after 0"
    assert disk.measured == 1


async def test_deleted_blobs_are_no_longer_counted() -> None:
    disk, clock = Disk(used=60), Clock()
    shared = admission(disk, quotas=Quotas(library=60), clock=clock)
    with pytest.raises(QuotaExceededError, match="may have 60 bytes and has 60"):
        await shared.reserve(REPOSITORY, 1)
    disk.bytes, clock.now = 0, LEAST_SECONDS * 2
    await shared.reserve(REPOSITORY, 60)


async def test_open_uploads_of_a_project_are_limited() -> None:
    await admission(Disk(uploads=1)).begin(REPOSITORY)
    with pytest.raises(TooManyRequestsError, match="has 2 uploads open") as refused:
        await admission(Disk(uploads=2)).begin(REPOSITORY)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "30")


async def test_the_error_for_a_large_blob_gives_advice() -> None:
    with pytest.raises(TooLargeError, match="KLEVER_REGISTRY_MAX_BLOB_BYTES"):
        [chunk async for chunk in admission(Disk()).bounded(REPOSITORY, chunks(101))]
