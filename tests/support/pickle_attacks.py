"""Files that run a command when they are loaded, each made so that a scanner with another parser misses it."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np

LONG = 2 * 1024 * 1024


class Touching:
    """Pickles as a command that creates a file."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._canary}",)


def command(canary: Path, protocol: int = 4) -> bytes:
    """A plain pickle that creates a file."""
    return pickle.dumps(Touching(canary), protocol)


def called(module: str, name: str, *arguments: str) -> bytes:
    """A pickle of protocol 4 that calls a global by its text."""
    texts = b"".join(_text(each) for each in (module, name))
    return b"\x80\x04" + texts + b"\x93(" + b"".join(_text(each) for each in arguments) + b"tR."


def _text(text: str) -> bytes:
    return b"\x8c" + bytes([len(text.encode())]) + text.encode()


def joblib_file(content: Any, *, compress: Any = 0) -> bytes:
    """A file as joblib writes it."""
    file = io.BytesIO()
    joblib.dump(content, file, compress=compress)
    return file.getvalue()


def misread_array(canary: Path) -> bytes:
    """A joblib array whose dtype is named S900 and set to 4: a parser that trusts the name skips the next opcodes."""
    shell = b"cos\nsystem\n(S'touch %s'\ntR0" % str(canary).encode()
    state = pickle.dumps((3, "|", None, None, None, 4, 1, 0), protocol=2)[2:-1]
    dtype = _text("numpy") + _text("dtype") + b"\x93" + _text("S900") + b"\x89\x88\x87R" + state + b"b"
    described = b"}(" + _text("subclass") + _text("numpy") + _text("ndarray") + b"\x93" + _text("dtype") + dtype
    described += _text("shape") + b"K\x01\x85" + _text("order") + _text("C") + _text("allow_mmap") + b"\x89u"
    wrapper = _text("joblib.numpy_pickle") + _text("NumpyArrayWrapper") + b"\x93)\x81"
    padding = b"N0" * ((896 - len(shell)) // 2) + b"0" * (len(shell) % 2)
    return b"\x80\x04" + wrapper + described + b"b" + bytes(4) + b"N" + shell + padding + b"."


FILES: dict[str, Callable[[Path], bytes]] = {
    "command": command,
    "command-of-protocol-0": lambda canary: command(canary, 0),
    "after-a-long-line": lambda canary: b"V" + b"a" * LONG + b"\n0" + command(canary, 0),
    "with-an-error-behind": lambda canary: command(canary)[:-1] + b"0cno_module_of_ours\nName\n.",
    "dotted-name": lambda canary: called("sklearn._config", "os.system", f"touch {canary}"),
    "dotted-name-of-the-model-server": lambda canary: called("joblib.numpy_pickle", "os.system", f"touch {canary}"),
    "object-array": lambda canary: joblib_file(np.array([Touching(canary)], dtype=object)),
    "behind-arrays": lambda canary: joblib_file([np.zeros(9), Touching(canary)]),
    "misread-array": misread_array,
    "compressed": lambda canary: joblib_file([Touching(canary)], compress=("xz", 3)),
    "import-by-name": lambda canary: called("builtins", "exec", f"open({str(canary)!r}, 'w')"),
    "method-of-an-object": lambda canary: pickle.dumps(Chained(canary)),
}
"""Pickle or joblib files that create the canary when `joblib.load` loads them."""


class Chained:
    """Pickles as a call of the result of another call."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        import functools  # noqa: PLC0415 - its name goes into the pickle

        return functools.reduce, (_apply, [f"touch {self._canary}"], os.system)


def _apply(function: Callable[[str], Any], text: str) -> Any:
    return function(text)


def in_zip(content: bytes, name: str = "weights") -> bytes:
    """An archive of one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def in_tar(content: bytes, name: str = "weights") -> bytes:
    """A tar archive of one file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def also_a_tar(content: bytes) -> bytes:
    """A pickle whose first bytes are also the name of a file in an archive."""
    archive = bytearray(in_tar(b"x"))
    archive[: len(content)] = content
    archive[148:156] = b" " * 8
    archive[148:156] = b"%06o\0 " % sum(archive[:512])
    return bytes(archive)


HIDDEN: dict[str, Callable[[bytes], tuple[str, bytes]]] = {
    "sav": lambda content: ("model.sav", content),
    "model": lambda content: ("model.model", content),
    "without-ending": lambda content: ("weights", content),
    "text": lambda content: ("notes.txt", content),
    "gz": lambda content: ("model.gz", gzip.compress(content)),
    "bz2": lambda content: ("model.bz2", bz2.compress(content)),
    "xz": lambda content: ("model.xz", lzma.compress(content)),
    "lzma": lambda content: ("model.lzma", lzma.compress(content, format=lzma.FORMAT_ALONE)),
    "zlib": lambda content: ("model.z", zlib.compress(content)),
    "zip": lambda content: ("model.zip", in_zip(content)),
    "tar": lambda content: ("model.tar", in_tar(content)),
    "tar-gz": lambda content: ("model.tgz", gzip.compress(in_tar(content))),
    "zip-gz": lambda content: ("model.dat", gzip.compress(in_zip(content))),
    "zip-in-tar": lambda content: ("model", in_tar(in_zip(content))),
    "gz-in-zip": lambda content: ("model", in_zip(gzip.compress(content))),
    "before-a-zip": lambda content: ("model.bin", content + in_zip(b"x")),
    "behind-plain-pickles": lambda content: ("model.bin", pickle.dumps(1) * 3 + content),
}
"""Names and containers that do not hide a pickle."""
