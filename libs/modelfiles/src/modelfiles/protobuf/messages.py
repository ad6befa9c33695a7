"""Protobuf messages declared as tables: only those fields of a foreign schema that a signature needs.

All other fields remain unknown fields, so that a new version of the writer does not break the reader, and no framework
must be installed for its schema.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Kind = descriptor_pb2.FieldDescriptorProto

SCALARS = {
    "string": Kind.TYPE_STRING,
    "bytes": Kind.TYPE_BYTES,
    "int64": Kind.TYPE_INT64,
    "int32": Kind.TYPE_INT32,
    "uint64": Kind.TYPE_UINT64,
    "uint32": Kind.TYPE_UINT32,
    "bool": Kind.TYPE_BOOL,
    "float": Kind.TYPE_FLOAT,
    "double": Kind.TYPE_DOUBLE,
    "size": Kind.TYPE_UINT64,
    "varints": Kind.TYPE_UINT64,
}
"""Enumerations are int32 on the wire.

For `skimming`, two kinds replace the content of a field: `size` is its number of bytes, and `varints` the number of
varints packed in it.
"""

Messages = Mapping[str, tuple[tuple[str, int, str], ...]]
"""Message to fields: name, number, type. `*` marks a repeated field, and `?` a field with presence, like messages.

A protobuf map is a repeated entry on the wire.
"""


def message_class(package: str, messages: Messages, name: str) -> Any:
    """Return the class of a message of a schema.

    Args:
        package: a unique name of the schema, such as `klever.savedmodel`.
        messages: the schema; it contains all messages that its fields name.
        name: of the message.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for message, fields in messages.items():
        added = file.message_type.add(name=message)
        for field in fields:
            _add(added, package, *field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


def _add(message: Any, package: str, field: str, number: int, kind: str) -> None:
    bare = kind.lstrip("*?")
    label = Kind.LABEL_REPEATED if kind.startswith("*") else Kind.LABEL_OPTIONAL
    added = message.field.add(name=field, number=number, label=label)
    if kind.startswith("?"):  # protoc's representation of an optional field of proto3
        added.proto3_optional, added.oneof_index = True, len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field}")
    if bare in SCALARS:
        added.type = SCALARS[bare]
    else:
        added.type, added.type_name = Kind.TYPE_MESSAGE, f".{package}.{bare}"
