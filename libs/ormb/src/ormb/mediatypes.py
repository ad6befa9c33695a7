"""Media types and annotations, spelt once. ModelPack is CNCF model-spec v0.0.7."""

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
"""oras names the files it pulls by this."""
PATHS = (FILE_PATH, "org.cnai.model.filepath", TITLE)
"""What names the file of a layer, best first; the second is the older spelling, which modctl writes."""
REF_NAME = "org.opencontainers.image.ref.name"

MODELFILE_ANNOTATION = "dev.klever.ormb.modelfile"
"""The ormbfile as JSON, so that a registry can read it without fetching a blob."""
EMPTY_DIRECTORIES = "dev.klever.ormb.empty-directories"
"""A JSON list of paths: ModelPack has layers for files only, and some model servers look for directories."""
