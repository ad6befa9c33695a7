"""Frozen TensorFlow graphs, run by OpenVINO without TensorFlow.

Inputs and outputs are called as their nodes: the placeholders, and the nodes that no other node takes.
"""

from pathlib import Path

from modelfiles.recognition import GRAPHDEF

from .openvino_model import OpenVinoModel, compiled


def load(directory: Path, *, threads: int) -> OpenVinoModel:
    """Load the graph in `directory`; one run may use `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, or OpenVINO cannot run it.
    """
    file = GRAPHDEF.file(directory)
    return OpenVinoModel(*compiled(file, directory, threads=threads, name=_node), platform="openvino_graphdef")


def _node(tensor: str) -> str:
    return tensor.removesuffix(":0")
