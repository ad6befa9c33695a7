"""A saved model is exported unchanged, in every layout, or refused before anything is sent."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ormb.client import OrmbClient
from ormb.errors import InvalidModelDirectoryError
from ormb.layout import LocalLayout
from ormb.packing import pack
from ormb.reference import Reference
from support.small_models import many_files

REFERENCE = Reference("localhost:5000", "library/tree", "v1")
MIB = 1024 * 1024
names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 200
)
contents = st.one_of(st.just(b""), st.binary(max_size=40).map(lambda data: b"-" + data))
"""Contents that do not start like a pointer of Git LFS."""
trees = st.recursive(
    st.one_of(contents, st.binary(max_size=5).map(lambda data: data.decode("latin-1"))),
    lambda inner: st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
Tree = dict[str, "Tree"] | bytes | str


def plant(tree: "Tree", path: Path, root: Path) -> None:
    """Create a tree: bytes are a file, a dict is a directory, and text is a link to an existing file."""
    if isinstance(tree, dict):
        path.mkdir()
        for name, inner in tree.items():
            plant(inner, path / name, root)
    elif isinstance(tree, bytes):
        path.write_bytes(tree)
        path.chmod(0o755 if len(tree) % 2 else 0o644)
    else:
        targets = sorted(target for target in root.rglob("*") if target.is_file())
        path.symlink_to(targets[len(tree) % len(targets)] if targets else "nowhere")


def picture(root: Path) -> dict[str, tuple[bytes, bool] | None]:
    """Return every path with a file's bytes and whether it is executable."""
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        if path.is_file()
        else None
        for path in root.rglob("*")
    }


def offends(model: Path) -> bool:
    """Return whether the tree contains something that cannot be packed."""
    return any("\\" in path.name or (path.is_symlink() and not path.is_file()) for path in model.rglob("*"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names, trees, max_size=4))
async def test_a_tree_is_exported_unchanged_or_refused_by_the_unsupported_name(tree: "dict[str, Tree]") -> None:
    with tempfile.TemporaryDirectory() as name:
        model = many_files(Path(name) / "m", 1) / "model"
        plant(tree, model / "tree", model)
        client = OrmbClient(Path(name) / "ormb")
        for layout in ("modelpack", "ormb"):
            if offends(model):
                with pytest.raises(InvalidModelDirectoryError, match=r"has a backslash in its name|links to"):
                    await client.save(model.parent, REFERENCE, layout=layout)
            else:
                await client.save(model.parent, REFERENCE, layout=layout)
                await client.export(REFERENCE, Path(name) / layout)
                assert picture(Path(name) / layout / "model") == picture(model)


@pytest.mark.parametrize("layout", ["modelpack", "ormb"])
async def test_names_of_every_kind_survive_byte_for_byte(tmp_path: Path, layout: str) -> None:
    odd = [
        "-dash",
        "a b",
        "colon:x",
        "Gr\u00f6\u00dfe",
        "Gro\u0308\u00dfe",
        "模型",
        "🤖",
        "new\nline",
        "tab\t",
        "a%2Fb",
        "x" * 255,
    ]
    model = many_files(tmp_path / "m", 0) / "model"
    for name in odd:
        (model / name).write_text(name)
    client = OrmbClient(tmp_path / "ormb")
    await client.save(tmp_path / "m", REFERENCE, layout=layout)
    await client.export(REFERENCE, tmp_path / "out")
    assert picture(tmp_path / "out" / "model") == picture(model)


@pytest.mark.parametrize("layout", ["modelpack", "ormb"])
async def test_an_empty_directory_is_kept(tmp_path: Path, layout: str) -> None:
    model = many_files(tmp_path / "m", 1) / "model"
    (model / "pipeline" / "1").mkdir(parents=True)
    client = OrmbClient(tmp_path / "ormb")
    saved = await client.save(tmp_path / "m", REFERENCE, layout=layout)
    await client.export(REFERENCE, tmp_path / "out")
    assert (tmp_path / "out" / "model" / "pipeline" / "1").is_dir()
    again = await client.save(tmp_path / "out", REFERENCE, layout=layout)
    assert again.digest == saved.digest


async def test_all_zero_weights_are_saved_in_an_archive_that_can_be_exported(tmp_path: Path) -> None:
    model = many_files(tmp_path / "m", 0) / "model"
    with (model / "zeros.bin").open("wb") as file:
        file.truncate(96 * MIB)
    client = OrmbClient(tmp_path / "ormb")
    await client.save(tmp_path / "m", REFERENCE, layout="ormb")
    await client.export(REFERENCE, tmp_path / "out")
    assert (tmp_path / "out" / "model" / "zeros.bin").stat().st_size == 96 * MIB


def deep(directory: Path, count: int) -> Path:
    """Write files whose paths have about three thousand bytes."""
    parent = many_files(directory, 0) / "model"
    for _ in range(12):
        parent /= "d" * 250
    parent.mkdir(parents=True)
    for number in range(count):
        (parent / f"{number}.txt").touch()
    return directory


def test_a_manifest_that_no_registry_accepts_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    says = r"has 800 files: .* registries take 4194304\. `--layout ormb` packs all files into one layer"
    with pytest.raises(InvalidModelDirectoryError, match=says):
        pack(deep(tmp_path / "m", 800))
    (tmp_path / "archives").mkdir()
    LocalLayout(tmp_path / "cache").save(pack(tmp_path / "m", tmp_path / "archives"), REFERENCE)


def test_an_archive_with_too_many_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "archives").mkdir()
    with pytest.raises(InvalidModelDirectoryError, match=r"has 1500 files, .*: more than an archive may have"):
        pack(deep(tmp_path / "m", 1500), tmp_path / "archives")
