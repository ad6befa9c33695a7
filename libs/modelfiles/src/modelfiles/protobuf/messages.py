"""Protobuf messages declared as tables: of a foreign schema only the fields that a signature needs.

Everything else in a file stays an unknown field, so a new version of its writer does not break the reader, and no
framework has to be installed for its schema.
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
"""Enumerations are int32 on the wire. For `skimming`, in place of a field's content: `size`, how many
bytes it has, and `varints`, how many numbers of varying length are packed in it."""

Messages = Mapping[str, tuple[tuple[str, int, str], ...]]
"""Message to fields: name, number, type. `*` is repeated; of `?` the presence is known, as of messages.
A protobuf map is a repeated entry on the wire."""


def message_class(package: str, messages: Messages, name: str) -> Any:
    """The class of one message of a schema.

    Args:
        package: a name of its own for the schema, such as `klever.savedmodel`.
        messages: the schema; every message that a field names is in it.
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
    if kind.startswith("?"):  # as protoc marks an optional field of proto3
        added.proto3_optional, added.oneof_index = True, len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field}")
    if bare in SCALARS:
        added.type = SCALARS[bare]
    else:
        added.type, added.type_name = Kind.TYPE_MESSAGE, f".{package}.{bare}"
