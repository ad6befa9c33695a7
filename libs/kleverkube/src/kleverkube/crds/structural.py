"""Converts JSON Schemas of pydantic to structural schemas of Kubernetes.

A structural schema has no references, no unions and no types inside of conditions. A union of models becomes one object
with the fields of all of them, and any other union accepts any value; the controller validates both.
"""

from collections.abc import Mapping, Sequence

from kleverkube.manifest import Manifest

KEPT = (
    *("description", "enum", "format", "items", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum"),
    *("multipleOf", "pattern", "type", "maxProperties", "minProperties"),
)
"""Keywords that both kinds of schema have. Others, such as `title`, `default` and `propertyNames`, are left out."""
ANY: Manifest = {"x-kubernetes-preserve-unknown-fields": True}
LONGEST_DESCRIPTION = 500


def structural(schema: Manifest) -> Manifest:
    """Return the structural schema of a JSON Schema with `$defs`."""
    return _Converter(schema.get("$defs", {})).convert(schema)


class _Converter:
    def __init__(self, definitions: Mapping[str, Manifest]) -> None:
        self._definitions = definitions

    def convert(self, schema: Manifest) -> Manifest:
        """Return the structural schema of a part."""
        schema = self._resolved(schema)
        described = {"description": _summary(schema["description"])} if "description" in schema else {}
        if (union := schema.get("anyOf") or schema.get("oneOf")) is not None:
            tag = schema.get("discriminator", {}).get("propertyName")
            return self._union([self._resolved(each) for each in union], tag) | described
        kept = {name: value for name, value in schema.items() if name in KEPT} | described
        if "const" in schema:
            kept["enum"] = [schema["const"]]
        if "items" in kept:
            kept["items"] = self.convert(kept["items"])
        if "enum" in kept and "type" not in kept:
            kept["type"] = "string"
        return (kept | self._bounds(schema) | self._fields(schema)) if "type" in kept else ANY | described

    def _resolved(self, schema: Manifest) -> Manifest:
        """Return the schema with its reference replaced by the definition; other keywords take precedence."""
        if "$ref" not in schema:
            return schema
        definition = self._definitions[schema["$ref"].rpartition("/")[2]]
        return self._resolved(definition) | {name: value for name, value in schema.items() if name != "$ref"}

    def _fields(self, schema: Manifest) -> Manifest:
        """Return the fields of an object. Kubernetes prunes unknown ones, or refuses them if validation is strict."""
        if "properties" in schema:
            fields = {name: self.convert(value) for name, value in schema["properties"].items()}
            return {"properties": fields} | ({"required": schema["required"]} if schema.get("required") else {})
        values = schema.get("additionalProperties")
        if "patternProperties" in schema:  # pydantic's form of a dictionary whose keys have a pattern
            (values,) = schema["patternProperties"].values()
        if isinstance(values, dict):
            return {"additionalProperties": self.convert(values)}
        return ANY if values is True else {}

    def _union(self, members: Sequence[Manifest], tag: str | None) -> Manifest:
        present = [each for each in members if each.get("type") != "null"]
        nullable = {"nullable": True} if len(present) < len(members) else {}
        if len(present) == 1:
            return self.convert(present[0]) | nullable
        if all("properties" in each for each in present):
            return self._merged([self.convert(each) for each in present], tag) | nullable
        return ANY | nullable

    @staticmethod
    def _merged(members: Sequence[Manifest], tag: str | None) -> Manifest:
        """Return one object for a union: the fields of all members. Its discriminator is required."""
        fields: Manifest = {}
        for member in members:
            for name, field in member["properties"].items():
                known = fields.setdefault(name, field)
                if "enum" in field and known is not field:
                    fields[name] = known | {"enum": [*known["enum"], *field["enum"]]}
        return {"type": "object", "properties": fields} | ({"required": [tag]} if tag else {})

    @staticmethod
    def _bounds(schema: Manifest) -> Manifest:
        """Return the exclusive bounds in the form of OpenAPI 3.0."""
        bounds: Manifest = {}
        for keyword, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if keyword in schema:
                bounds |= {limit: schema[keyword], keyword: True}
        return bounds


def _summary(text: str) -> str:
    return " ".join(text.split())[:LONGEST_DESCRIPTION]
