"""The client of the library: save, push, pull and export models."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

from modelformats.threads import in_thread

from . import known_digests, mediatypes
from .adapters.connecting import Connecting, connected
from .adapters.uploads import CHUNK_BYTES
from .copying import Copier
from .digest import digest_bytes, hexadecimal
from .errors import RegistryError
from .exporting import Unpacker, exported_format, is_exported, staged
from .fetching import fetch_manifest, parse_fetched
from .info import ModelInfo
from .known_digests import KnownDigests
from .layout import STORE, LocalLayout, default_root
from .layouts.modelpack import MODELPACK
from .manifest import Descriptor, ModelManifest
from .own_registry import OwnRegistry
from .packed import Content, PackedModel
from .packing import pack, with_advice
from .packing_archive import archives_directory
from .ports import Progress, Registry, Silent
from .reference import Reference
from .referrers import Referrer, Referrers, attachment
from .stored import StoredModel
from .transfer import Transfer


class OrmbClient:
    """Moves models between directories, the local store and registries.

    Args:
        root: directory of the local store and the credentials; default `$ORMB_ROOTPATH`, else `~/.ormb`.
        concurrency: number of blobs to transfer at the same time.
        plain_http: use HTTP for all registries; registries on this machine always use HTTP.
        insecure: do not verify TLS certificates.
        ca_file: additional CA certificates to trust.
        chunk_bytes: larger blobs are sent in chunks of this size, so that an interrupted upload resumes.
        own: a registry whose password is in a file; stored credentials are used for other registries.
    """

    def __init__(  # noqa: PLR0913 - its settings
        self,
        root: Path | None = None,
        *,
        concurrency: int = 4,
        plain_http: bool = False,
        insecure: bool = False,
        ca_file: Path | None = None,
        chunk_bytes: int = CHUNK_BYTES,
        own: OwnRegistry | None = None,
    ) -> None:
        self.root = root or default_root()
        self.layout = LocalLayout(self.root / STORE)
        self._concurrency = concurrency
        self._how = Connecting(
            plain_http=plain_http,
            insecure=insecure,
            ca_file=ca_file,
            connections=concurrency * 2,
            chunk_bytes=chunk_bytes,
            own=own,
        )

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self._registry: Registry = await self._stack.enter_async_context(connected(self.root, self._how))
        self._transfer = Transfer(self._registry, concurrency=self._concurrency)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    async def save(self, directory: Path, reference: Reference, *, layout: str = MODELPACK.name) -> ModelInfo:
        """Pack a model directory into the local store.

        Args:
            directory: the model directory.
            reference: the name of the model in the store.
            layout: `modelpack`, or `ormb` for the Go `ormb`.

        Raises:
            InvalidModelDirectoryError: the directory does not have the structure of a model.
            InvalidModelFileError: ormbfile.yaml cannot be read.
        """
        with archives_directory(self.root, layout) as archives:
            packed = await in_thread(self._pack, directory, archives)
            await in_thread(self.layout.save, packed, reference)
        return _packed_info(reference, packed)

    async def push(self, reference: Reference, progress: Progress | None = None) -> ModelInfo:
        """Push a model from the local store. Raises NotFoundError, AuthenticationError, RegistryError."""
        async with self._using_store():
            manifest = await in_thread(self.layout.manifest_bytes, reference)
            info = self.stored(reference)
            contents = [Content(part, self.layout.blob_path(part.digest)) for part in _parts(info.manifest)]
            mounts = await in_thread(self._mounts, reference)
            await self._send(reference, contents, manifest, progress or Silent(), mounts)
        return info

    async def push_directory(
        self,
        directory: Path,
        reference: Reference,
        progress: Progress | None = None,
        *,
        layout: str = MODELPACK.name,
    ) -> ModelInfo:
        """Push a model directory without a copy in the local store. Raises the errors of `save` and `push`."""
        with archives_directory(self.root, layout) as archives:
            packed = await in_thread(self._pack, directory, archives)
            await self._send(reference, [*packed.layers, packed.config], packed.manifest, progress or Silent())
        return _packed_info(reference, packed)

    async def pull(self, reference: Reference, progress: Progress | None = None) -> ModelInfo:
        """Pull a model into the local store. Blobs that are already in the store are not pulled again."""
        watcher = progress or Silent()
        info, manifest = await self._fetch_manifest(reference)
        parts = {part.digest: part for part in _parts(info.manifest)}
        async with self._using_store():
            missing = [part for part in parts.values() if not self.layout.has_blob(part.digest)]
            watcher.started(sum(part.size for part in missing))
            with self.layout.incoming() as directory:
                downloads = [(part, directory / f"{hexadecimal(part.digest)}.part") for part in missing]
                await self._transfer.download(reference, downloads, watcher)
                for part, path in downloads:
                    await in_thread(_place, path, self.layout.blob_path(part.digest))
            await in_thread(self.layout.add_manifest, reference, manifest)
        return info

    async def export(self, reference: Reference, destination: Path) -> ModelInfo:
        """Write a model from the local store to a directory, all or nothing.

        Raises:
            NotFoundError: the model is not in the local store.
            DestinationError: the destination contains something else.
            UnsafePathError: the artifact names a file outside the destination.
        """
        async with self._using_store():
            info = self.stored(reference)
            await in_thread(self._export, info, destination)
        return info.with_format(await in_thread(exported_format, destination))

    async def pull_and_export(
        self, reference: Reference, destination: Path, progress: Progress | None = None
    ) -> ModelInfo:
        """Pull a model directly into a directory: `ormbfile.yaml` and `model/…`. Does nothing if it is already there.

        Raises the errors of `pull` and `export`.
        """
        watcher = progress or Silent()
        info, _ = await self._fetch_manifest(reference)
        named = (
            reference.digest or info.digest
        )  # the digest of an index identifies the manifest that is selected from it
        if await in_thread(is_exported, destination, named):
            return info.with_format(await in_thread(exported_format, destination))
        watcher.started(info.size)
        with staged(destination, named) as stage:
            unpacker = Unpacker(info.manifest, stage)
            await self._transfer.download(reference, unpacker.wanted(), watcher)
            await in_thread(unpacker.finish)
        return info.with_format(await in_thread(exported_format, destination))

    async def copy(
        self, source: Reference, target: Reference, progress: Progress | None = None, *, with_referrers: bool = True
    ) -> ModelInfo:
        """Copy a model to another registry or repository, together with its referrers.

        Raises the errors of `push` and `pull`, and RegistryError if signatures at the target would be overwritten.
        """
        await self._fetch_manifest(source)  # artifacts that are not models are rejected before any transfer
        scratch = await in_thread(self.layout.staging)
        copier = Copier(
            self._registry,
            self._transfer,
            scratch,
            progress or Silent(),
            concurrency=self._concurrency,
            with_referrers=with_referrers,
        )
        async with self._using_store():
            await copier.copy(source, target)
        return await self.inspect(target)

    @property
    def referrers(self) -> Referrers:
        """The client for artifacts that refer to models."""
        return Referrers(self._registry, self._transfer)

    async def attach(
        self, reference: Reference, files: Sequence[Path], artifact_type: str, annotations: Mapping[str, str]
    ) -> str:
        """Push files as an artifact that refers to a model; return its digest.

        Raises NotFoundError, AuthenticationError.
        """
        manifest, media_type = await self._registry.get_manifest(reference)
        subject = Descriptor(media_type=media_type, digest=digest_bytes(manifest), size=len(manifest))
        contents = await in_thread(lambda: [attachment(path) for path in files])
        return await self.referrers.attach(reference, subject, contents, artifact_type, annotations)

    async def discover(self, reference: Reference, artifact_type: str | None = None) -> list[Referrer]:
        """List the artifacts that refer to a model. Raises NotFoundError, AuthenticationError."""
        manifest, _ = await self._registry.get_manifest(reference)
        return await self.referrers.discover(reference, digest_bytes(manifest), artifact_type)

    async def inspect(self, reference: Reference) -> ModelInfo:
        """Return the metadata of a model in a registry. Only the manifest is pulled."""
        info, _ = await self._fetch_manifest(reference)
        return info

    def stored(self, reference: Reference) -> ModelInfo:
        """Return the metadata of a model in the local store. Raises NotFoundError."""
        return _info(reference, self.layout.manifest(reference))

    def models(self) -> list[StoredModel]:
        """List the models in the local store."""
        return self.layout.models()

    @asynccontextmanager
    async def _using_store(self) -> AsyncIterator[None]:
        """See `LocalLayout.in_use`; waits in a thread while another process removes blobs."""
        with ExitStack() as stack:
            await in_thread(stack.enter_context, self.layout.in_use())
            yield

    def _pack(self, directory: Path, archives: Path | None) -> PackedModel:
        digests = KnownDigests(self.root / known_digests.DIRECTORY, directory)
        packed = pack(directory, archives, digest=digests.digest)
        digests.keep()
        return packed

    def _mounts(self, reference: Reference) -> dict[str, str]:
        """Return blobs that another repository of the registry may contain, because a stored model came from there."""
        others = [
            model
            for model in self.layout.models()
            if model.reference.host == reference.host and model.reference.repository != reference.repository
        ]
        return {part.digest: model.reference.repository for model in others for part in _parts(model.manifest)}

    async def _send(
        self,
        reference: Reference,
        contents: list[Content],
        manifest: bytes,
        progress: Progress,
        mounts: Mapping[str, str] | None = None,
    ) -> None:
        progress.started(sum({part.descriptor.digest: part.descriptor.size for part in contents}.values()))
        await self._transfer.upload(reference, contents, progress, mounts)
        try:
            await self._registry.put_manifest(reference, manifest, mediatypes.OCI_MANIFEST)
        except RegistryError as error:
            raise with_advice(error, len(contents) - 1) from error

    async def _fetch_manifest(self, reference: Reference) -> tuple[ModelInfo, bytes]:
        parsed, manifest = await fetch_manifest(self._registry, reference)
        return _info(reference, parsed), manifest

    def _export(self, info: ModelInfo, destination: Path) -> None:
        if is_exported(destination, info.digest):
            return
        with staged(destination, info.digest) as stage:
            unpacker = Unpacker(info.manifest, stage)
            for layer, path in unpacker.wanted():
                self.layout.copy_blob_to(layer.digest, path)
            unpacker.finish()


def _packed_info(reference: Reference, packed: PackedModel) -> ModelInfo:
    config = packed.config.source
    return _info(reference, parse_fetched(reference, packed.manifest, config if isinstance(config, bytes) else None))


def _info(reference: Reference, manifest: ModelManifest) -> ModelInfo:
    return ModelInfo(reference, manifest.digest, manifest.size, manifest)


def _parts(manifest: ModelManifest) -> tuple[Descriptor, ...]:
    return (*manifest.layers, manifest.config)


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
