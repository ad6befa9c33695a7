"""The messages of TensorFlow's saved_model.proto for signatures, declared here to avoid a dependency on TensorFlow.

Field numbers follow tensorflow/core/protobuf/{saved_model,meta_graph}.proto and
tensorflow/core/framework/{graph,node_def,function,tensor_shape}.proto, and struct.proto for TypeSpec.
"""

from typing import TYPE_CHECKING

from modelfiles.protobuf.skimming import Schema

if TYPE_CHECKING:
    from modelfiles.protobuf.messages import Messages

MESSAGES: "Messages" = {
    "SavedModel": (("schema_version", 1, "int64"), ("meta_graphs", 2, "*MetaGraphDef")),
    "MetaGraphDef": (
        ("meta_info", 1, "MetaInfoDef"),
        ("graph", 2, "GraphDef"),
        ("signatures", 5, "*SignatureEntry"),
    ),
    "MetaInfoDef": (("tags", 4, "*string"), ("tensorflow_version", 5, "string")),
    "GraphDef": (("nodes", 1, "*NodeDef"), ("library", 2, "FunctionLibrary")),
    "FunctionLibrary": (("functions", 1, "*FunctionDef"),),
    "FunctionDef": (("nodes", 3, "*NodeDef"),),
    "NodeDef": (("name", 1, "string"), ("op", 2, "string")),
    "SignatureEntry": (("key", 1, "string"), ("value", 2, "SignatureDef")),
    "SignatureDef": (
        ("inputs", 1, "*TensorEntry"),
        ("outputs", 2, "*TensorEntry"),
        ("method", 3, "string"),
    ),
    "TensorEntry": (("key", 1, "string"), ("value", 2, "TensorInfo")),
    "TensorInfo": (
        ("name", 1, "string"),
        ("dtype", 2, "int32"),
        ("shape", 3, "TensorShape"),
        ("coo_sparse", 4, "CooSparse"),
        ("composite_tensor", 5, "CompositeTensor"),
    ),
    "CooSparse": (("values", 1, "string"),),
    "CompositeTensor": (("type_spec", 1, "TypeSpec"),),
    "TypeSpec": (("kind", 1, "int32"),),
    "TensorShape": (("dims", 2, "*Dim"), ("unknown_rank", 3, "bool")),
    "Dim": (("size", 1, "int64"), ("name", 2, "string")),
}

SCHEMA = Schema("klever.savedmodel", MESSAGES, "SavedModel")
