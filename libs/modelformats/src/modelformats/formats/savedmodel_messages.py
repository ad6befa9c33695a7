"""The few messages of TensorFlow's saved_model.proto that a signature needs, declared here, so that TensorFlow is not.

Field numbers follow tensorflow/core/protobuf/{saved_model,meta_graph}.proto and
tensorflow/core/framework/{graph,node_def,function,tensor_shape}.proto; everything else stays an unknown field.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "klever.savedmodel"
Kind = descriptor_pb2.FieldDescriptorProto

SCALARS = {"string": Kind.TYPE_STRING, "int64": Kind.TYPE_INT64, "int32": Kind.TYPE_INT32, "bool": Kind.TYPE_BOOL}

MESSAGES: dict[str, tuple[tuple[str, int, str], ...]] = {
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
    "TensorInfo": (("name", 1, "string"), ("dtype", 2, "int32"), ("shape", 3, "TensorShape")),
    "TensorShape": (("dims", 2, "*Dim"), ("unknown_rank", 3, "bool")),
    "Dim": (("size", 1, "int64"), ("name", 2, "string")),
}
"""Message to fields: name, number, type; `*` is repeated. A protobuf map is a repeated entry on the wire."""


def parse_saved_model(data: bytes) -> Any:
    """Read saved_model.pb. Raises google.protobuf.message.DecodeError."""
    message = _SAVED_MODEL()
    message.ParseFromString(data)
    return message


def _build() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="klever/savedmodel.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            bare = kind.removeprefix("*")
            label = Kind.LABEL_REPEATED if kind != bare else Kind.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if bare in SCALARS:
                added.type = SCALARS[bare]
            else:
                added.type, added.type_name = Kind.TYPE_MESSAGE, f".{PACKAGE}.{bare}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.SavedModel"))


_SAVED_MODEL = _build()
