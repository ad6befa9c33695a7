"""Small models of each supported format, written as their frameworks write them."""

import pickle
from functools import cache
from pathlib import Path
from typing import Any

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelformats.formats.savedmodel_messages import SCHEMA
from support import caffe_models, onnx_models

DATA = Path(__file__).parent.parent / "data" / "models"
"""Files of the real frameworks; its README describes how they were made."""
CORE_ML_SPECIFICATION = "Data/com.apple.CoreML/model.mlmodel"
FLOAT, INT64, STRING = 1, 9, 7
"""Numbers from tensorflow/core/framework/types.proto."""

PMML = """<?xml version="1.0"?>
<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4">
  <Header><Application name="JPMML-SkLearn" version="1.6"/></Header>
  <DataDictionary>
    <DataField name="species" optype="categorical" dataType="string">
      <Value value="setosa"/><Value value="virginica"/><Value value="?" property="missing"/>
    </DataField>
    <DataField name="length" optype="continuous" dataType="double"/>
    <DataField name="count" optype="ordinal" dataType="integer"/>
  </DataDictionary>
  <RegressionModel functionName="classification">
    <MiningSchema>
      <MiningField name="species" usageType="target"/>
      <MiningField name="length"/>
      <MiningField name="count" usageType="active"/>
      <MiningField name="note" usageType="supplementary"/>
    </MiningSchema>
    <Output><OutputField name="probability(setosa)" feature="probability" value="setosa" optype="continuous"/></Output>
  </RegressionModel>
</PMML>
"""


SPARK = """{"class":"org.apache.spark.ml.classification.LogisticRegressionModel","timestamp":1603085000000,
"sparkVersion":"3.5.1","uid":"LogisticRegression_4f3e","paramMap":{"featuresCol":"measures"},
"defaultParamMap":{"featuresCol":"features","probabilityCol":"probability","predictionCol":"prediction"}}
"""


def saved_model(*, signed: bool = True) -> Any:
    """A message as in saved_model.pb: MatMul in the graph, Softmax in a function."""
    message = SCHEMA.message()
    message.schema_version = 1
    graph = message.meta_graphs.add()
    graph.meta_info.tags.append("serve")
    graph.meta_info.tensorflow_version = "2.16.1"
    for name, op in (("x", "Placeholder"), ("call", "StatefulPartitionedCall"), ("product", "MatMul")):
        graph.graph.nodes.add(name=name, op=op)
    graph.graph.library.functions.add().nodes.add(name="softmax", op="Softmax")
    if signed:
        signature = graph.signatures.add(key="serving_default").value
        signature.method = "tensorflow/serving/predict"
        _entry(signature.inputs, "x", FLOAT, (-1, 4))
        _entry(signature.outputs, "scores", FLOAT, (-1, 3))
        _entry(signature.outputs, "label", STRING, None)
    return message


def _entry(entries: Any, key: str, dtype: int, shape: tuple[int, ...] | None) -> None:
    value = entries.add(key=key).value
    value.name, value.dtype = f"{key}:0", dtype
    if shape is None:
        value.shape.unknown_rank = True
    for size in shape or ():
        value.shape.dims.add(size=size)


def write(directory: Path, name: str, content: bytes | str) -> Path:
    """Write a file of a model's directory. Return the directory."""
    (directory / name).parent.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return directory


def classifier() -> Any:
    """A fitted pipeline: four features, three classes."""
    features, species = load_iris(return_X_y=True)
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(features, species)


def sklearn_joblib(directory: Path, *, compress: Any = 0) -> Path:
    """The pipeline as joblib writes it."""
    directory.mkdir(parents=True, exist_ok=True)
    joblib.dump(classifier(), directory / "model.joblib", compress=compress)
    return directory


@cache
def of_each_format() -> dict[str, tuple[str, bytes]]:
    """The name and bytes of a small model's file for each format."""
    return {
        "ONNX": ("model.onnx", onnx_models.iris_classifier().SerializeToString()),
        "SavedModel": ("saved_model.pb", saved_model().SerializeToString()),
        "PMML": ("model.pmml", PMML.encode()),
        "SKLearn": ("model.pkl", pickle.dumps(classifier())),
        "GraphDef": ("model.graphdef", (DATA / "graphdef" / "classifier.graphdef").read_bytes()),
        "Keras": ("model.keras", (DATA / "keras" / "functional.keras").read_bytes()),
        "TFLite": ("model.tflite", (DATA / "tflite" / "functional.tflite").read_bytes()),
        "SafeTensors": ("model.safetensors", (DATA / "safetensors" / "model.safetensors").read_bytes()),
        "XGBoost": ("model.ubj", (DATA / "xgboost" / "iris.ubj").read_bytes()),
        "TorchScript": ("model.pt", (DATA / "torchscript" / "scripted.pt").read_bytes()),
        "ExportedProgram": ("model.pt2", (DATA / "exportedprogram" / "net.pt2").read_bytes()),
        "Pickle": ("model.pickle", (DATA / "pickle" / "state.pt").read_bytes()),
        "Skops": ("model.skops", (DATA / "skops" / "pipeline.skops").read_bytes()),
        "CatBoost": ("model.cbm", (DATA / "catboost" / "iris.cbm").read_bytes()),
        "MLflow": ("MLmodel", (DATA / "mlflow" / "MLmodel").read_bytes()),
        "MLlib": ("metadata/part-00000", SPARK.encode()),
        "LightGBM": ("model.lgb", (DATA / "lightgbm" / "iris.lgb").read_bytes()),
        "GGUF": ("model.gguf", (DATA / "gguf" / "tiny.gguf").read_bytes()),
        "OpenVINO": ("tiny.xml", (DATA / "openvino" / "tiny.xml").read_bytes()),
        "CaffeModel": ("model.prototxt", caffe_models.NETWORK.encode()),
        "NetDef": ("predict_net.pb", caffe_models.predict_net()),
        "MXNetParams": ("model-symbol.json", (DATA / "mxnet" / "module-symbol.json").read_bytes()),
        "CoreML": ("model.mlmodel", (DATA / "coreml" / "iris.mlpackage" / CORE_ML_SPECIFICATION).read_bytes()),
        "PaddlePaddle": ("iris.pdmodel", (DATA / "paddlepaddle" / "iris.pdmodel").read_bytes()),
        "H5": ("model.h5", (DATA / "h5" / "keras2.h5").read_bytes()),
    }


def companions(name: str) -> dict[str, bytes]:
    """Additional files of a small model of a format."""
    return {
        "OpenVINO": {"tiny.bin": (DATA / "openvino" / "tiny.bin").read_bytes()},
        "MXNetParams": {"model-0001.params": (DATA / "mxnet" / "module-0001.params").read_bytes()},
        "PaddlePaddle": {"iris.pdiparams": (DATA / "paddlepaddle" / "iris.pdiparams").read_bytes()},
        "CaffeModel": {"model.caffemodel": caffe_models.weights()},
        "NetDef": {"init_net.pb": caffe_models.init_net()},
    }.get(name, {})


def write_model(directory: Path, name: str, content: bytes | None = None) -> Path:
    """Write a small model of a format, whose own file may have other content. Return the directory."""
    file, own = of_each_format()[name]
    for other, beside in companions(name).items():
        write(directory, other, beside)
    return write(directory, file, own if content is None else content)
