"""The images with which servings run on a cluster."""

from collections.abc import Sequence
from functools import partial

from kleverkube.images import INITIALIZER
from kleverkube.job_containers import JOBRUNNER
from modelfiles.runtimes import REPOSITORY
from support.cluster.cluster import Cluster

from .python_images import PythonImage, built
from .requirements import requirements_of_member

MODEL_SERVER_SOURCES = ("libs/kleverserve/src/kleverserve", "libs/modelfiles/src/modelfiles")
IMAGES = (
    PythonImage(
        f"{REPOSITORY}/kleverserve", partial(requirements_of_member, "kleverserve", "onnx"), MODEL_SERVER_SOURCES
    ),
    PythonImage(
        INITIALIZER,
        partial(requirements_of_member, "ormb"),
        tuple(f"libs/{name}/src/{name}" for name in ("kleverproto", "modelfiles", "modelformats", "ormb")),
    ),
)

JOBRUNNER_LIBRARIES = ("kleverkit", "kleverkube", "kleverproto", "kleversandbox", "kleverserve")
MODEL_LIBRARIES = ("modelconversion", "modelfiles", "modelformats", "ormb")
JOBRUNNER_IMAGE = PythonImage(
    JOBRUNNER,
    partial(requirements_of_member, "klever-jobrunner", without=("nkeys",)),  # has no wheel; pods do not use NATS
    (
        "services/jobrunner/src/klever_jobrunner",
        *(f"libs/{name}/src/{name}" for name in (*JOBRUNNER_LIBRARIES, *MODEL_LIBRARIES)),
    ),
    toolchains=("onnx", "sklearn"),
)
"""Runs jobs."""


def load(cluster: Cluster, images: Sequence[PythonImage] = IMAGES) -> dict[str, str]:
    """Loads images into a cluster; returns the setting `cluster_images` of the deployer, repository to image."""
    loaded = {}
    for image in images:
        with built(image) as (name, archive):
            cluster.load_image(archive)
        loaded[image.repository] = name
    return loaded
