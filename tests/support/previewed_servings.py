"""Servings whose objects `klever deploy --dry-run` prints, behind a stub of the gateway."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from klever.cli.__main__ import cli
from kleverproto.models import ModelDocument, ModelMetadata, ModelSpec
from kleverproto.projects import ProjectPolicy
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingStatus
from support.served_versions import DIGEST, REGISTRY

Json = dict[str, Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVING = "/namespaces/default/servings/iris"
GOLDEN = Path(__file__).parents[1] / "data" / "previews"
ROUTES = ("DestinationRule", "VirtualService", "HTTPRoute")
EXTENSIONS = (
    *("--sticky-extension", "gateway.example.com/Session/sessions"),
    *("--retries-extension", "gateway.example.com/Retry/retries"),
)
"""Options that let the Gateway API express everything of `RICH`."""
RICH: Json = {
    "traffic": {
        "weights": {"v1": 80, "v2": 20, "v3": 0},
        "rules": [
            {"variant": "v2", "headers": {"x-user": {"exact": "ann"}, "x-region": {"prefix": "eu-"}}},
            {"variant": "v1", "headers": {"x-user": {"regex": "a.*"}}},
        ],
        "mirror": {"variant": "v3", "percent": 12.5},
        "sticky": {"cookie": {"name": "klever", "ttlSeconds": 60}},
    },
    "timeouts": {"requestSeconds": 90.25},
    "retries": {"attempts": 2, "onServerError": True, "perTrySeconds": 1.5},
}
"""Settings of a spec that use every part of a route."""


def variant(name: str, **changes: Any) -> Json:
    """A variant of library/iris."""
    return {"name": name, "model": "library/iris:v1", "digest": DIGEST, **changes}


def rich_spec() -> ServingSpec:
    """Three variants, one of them with gRPC."""
    variants = [variant("v1", runtime="triton"), variant("v2"), variant("v3")]
    return ServingSpec.model_validate({"variants": variants, **RICH})


def document(spec: ServingSpec, applied: ServingSpec | None = None) -> ServingDocument:
    """The serving default/iris; `applied` is the spec that is served at present."""
    return ServingDocument(
        namespace="default",
        name="iris",
        spec=spec,
        status=ServingStatus(applied=applied),
        generation=1,
        created_at=NOW,
        updated_at=NOW,
    )


def answers(
    wanted: ServingDocument | None,
    present: ServingDocument | None = None,
    *,
    model_format: str = "ONNX",
    registry: str = REGISTRY,
    trust: tuple[str, ...] = (),
) -> Json:
    """The responses of a gateway that has a serving and a model, to a dry run that leads to another serving."""
    spec = ModelSpec(
        ref=ModelRef.parse("library/iris:v1"),
        digest=DIGEST,
        registry=registry,
        artifact_type="model",
        size=1,
        metadata=ModelMetadata(format=model_format),
    )
    model = ModelDocument(spec=spec, status={}, generation=1, created_at=NOW, updated_at=NOW)
    servings = {SERVING: present, f"{SERVING}/deploy": wanted}
    return {
        **{path: serving.model_dump(mode="json") for path, serving in servings.items() if serving is not None},
        "/projects/library/models/iris/versions/v1": model.model_dump(mode="json"),
        "/projects/library/policy": ProjectPolicy(trust=trust).model_dump(mode="json"),
    }


def run_command(url: str, home: Path, command: str, *arguments: str) -> Result:
    """Run `klever deploy` or `diff` of library/iris:v1 against a gateway."""
    return run_klever(url, home, command, "library/iris:v1", "--name", "iris", *arguments)


def run_klever(url: str, home: Path, *arguments: str) -> Result:
    """Run `klever` against a gateway."""
    environment = {"KLEVER_HOME": str(home), "KLEVER_SERVER": url, "KLEVER_TOKEN": "t"}
    return CliRunner().invoke(cli, arguments, env=environment)


def printed_objects(result: Result) -> list[Json]:
    """The objects that a command has printed as YAML."""
    assert result.exit_code == 0, result.output
    return list(yaml.safe_load_all(result.stdout))
