"""Media types and annotations. ModelPack is CNCF model-spec v0.0.7."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY = "application/vnd.oci.empty.v1+json"

MODELPACK_ARTIFACT = "application/vnd.cncf.model.manifest.v1+json"
MODELPACK_CONFIG = "application/vnd.cncf.model.config.v1+json"
MODELPACK_LAYER_PREFIX = "application/vnd.cncf.model."
WEIGHT = f"{MODELPACK_LAYER_PREFIX}weight.v1.raw"
WEIGHT_CONFIG = f"{MODELPACK_LAYER_PREFIX}weight.config.v1.raw"
DOC = f"{MODELPACK_LAYER_PREFIX}doc.v1.raw"
CODE = f"{MODELPACK_LAYER_PREFIX}code.v1.raw"

FILE_PATH = "org.cncf.model.filepath"
FILE_METADATA = "org.cncf.model.file.metadata+json"
TITLE = "org.opencontainers.image.title"
"""Annotation from which oras takes the names of files."""
PATHS = (FILE_PATH, "org.cnai.model.filepath", TITLE)
"""Annotations with the path of a layer, in order of preference. The second is the older spelling, written by modctl."""
REF_NAME = "org.opencontainers.image.ref.name"

MODELFILE_ANNOTATION = "dev.klever.ormb.modelfile"
"""The ormbfile as JSON, so that a registry can read it without a further request."""
EMPTY_DIRECTORIES = "dev.klever.ormb.empty-directories"
"""A JSON list of paths: ModelPack has layers only for files, but some model servers require empty directories."""
