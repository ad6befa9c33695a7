"""Archives whose headers extend others: read within a limit, and checked before they are parsed."""

import io
import tarfile
from typing import Any, cast

import pytest

from ormb.bounded_tar import HEADER_BYTES, MOST_NESTED, entries
from ormb.errors import UnsupportedArtifactError
from support import foreign_artifacts as foreign
from support import hostile_artifacts as hostile
from support.foreign_artifacts import Entry

FILE = foreign.tar(Entry("a/file", b"content"))
NESTED = hostile.extended(tarfile.GNUTYPE_LONGNAME, b"n")
SPARSE_1_0 = hostile.pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_name="x")
SPARSE_0_1 = hostile.pax(GNU_sparse_map="0,1," * 1000)
LARGE_XATTR = hostile.pax(SCHILY_xattr="x" * 60_000)


def read(archive: bytes) -> dict[str, bytes]:
    collected = {}
    for tar, member in entries(io.BytesIO(archive)):
        file = tar.extractfile(member)
        assert file is not None
        collected[member.name] = file.read()
    return collected


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(hostile.header(tarfile.XHDTYPE, HEADER_BYTES + 1), id="large pax header"),
        pytest.param(hostile.header(tarfile.GNUTYPE_LONGNAME, HEADER_BYTES + 1), id="large long name"),
        pytest.param(hostile.header(tarfile.GNUTYPE_LONGLINK, 2**40), id="enormous long link"),
        pytest.param(NESTED * 5000 + FILE, id="nested"),
        pytest.param((LARGE_XATTR + hostile.header(tarfile.REGTYPE, 0)) * 600, id="many"),
        pytest.param(SPARSE_1_0 + hostile.header(tarfile.REGTYPE, 512) + b"3\n1\n", id="sparse without end"),
        pytest.param(SPARSE_0_1 + FILE, id="sparse by pax"),
        pytest.param(hostile.header(tarfile.GNUTYPE_SPARSE, 0), id="sparse by GNU"),
        pytest.param(hostile.pax(x="1" * 10_000) + FILE, id="digits"),
        pytest.param(hostile.extended(tarfile.XHDTYPE, b"2 " * 30_000 + b"=") + FILE, id="records of no length"),
        pytest.param(hostile.extended(tarfile.XHDTYPE, b"99 a=b\n") + FILE, id="record beyond its end"),
        pytest.param(hostile.extended(tarfile.XHDTYPE, b"no record") + FILE, id="no record"),
    ],
)
def test_headers_over_a_limit_are_refused(archive: bytes) -> None:
    with pytest.raises(UnsupportedArtifactError, match="which is not allowed"):
        read(archive)


@pytest.mark.parametrize("cut", [513, 600, 1023])
def test_an_archive_that_ends_within_a_header_is_damaged(cut: int) -> None:
    with pytest.raises(tarfile.TarError):
        read((LARGE_XATTR + FILE)[:cut])


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_archives_of_every_form_are_read(form: int) -> None:
    names = ["short", "n" * 90, "größe"] + (["d/" * 1000 + "long"] if form != tarfile.USTAR_FORMAT else [])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 1000, 1700000000.123456789 if form == tarfile.PAX_FORMAT else 1
            archive.addfile(info, io.BytesIO(name[:9].encode().ljust(1000)))
    assert read(out.getvalue()) == {name: name[:9].encode().ljust(1000) for name in names}


def test_headers_that_tools_write_before_one_entry_are_within_the_limits() -> None:
    extended = hostile.pax(mtime="1.5") + hostile.extended(tarfile.GNUTYPE_LONGLINK, b"l" * 4096) + NESTED
    assert read(LARGE_XATTR + extended + FILE) == {"n": b"content"}
    assert read(NESTED * MOST_NESTED + FILE) == {"n": b"content"}


def test_entries_are_not_kept() -> None:
    for tar, _ in entries(io.BytesIO(hostile.header(tarfile.REGTYPE, 0) * 100)):
        assert cast("Any", tar).members == []
