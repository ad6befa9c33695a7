"""The catalogue: projects, models, versions."""

from aiohttp import web

from klever_gateway.domain.queries import ModelSummary, ProjectSummary
from klever_gateway.domain.rows import Collection
from klever_gateway.routes.common.keys import DELETIONS, READER
from klever_gateway.routes.common.operation import BASE, Failure, Operation, Success
from klever_gateway.routes.common.requests import read_query
from klever_gateway.routes.common.responses import CORRELATION_ID, accepted, document, items, page
from klever_gateway.routes.openapi import examples
from klever_gateway.routes.schemas.answers import ModelList, ProjectList, VersionList
from klever_gateway.routes.schemas.queries import ModelQuery, PageQuery, VersionQuery
from kleverproto.models import ModelDocument

MODELS = f"{BASE}/projects/{{project}}/models"
VERSIONS = f"{MODELS}/{{model}}/versions"
SLASHES = "Slashes in a model's name are written as `%2F`."


async def list_projects(request: web.Request) -> web.Response:
    """List projects, sorted by name."""
    part = read_query(request, PageQuery)
    total, summaries = await request.app[READER].projects(start=part.start, limit=part.limit)
    return items(total, summaries)


async def list_project_models(request: web.Request) -> web.Response:
    """List the models of a project, sorted by name."""
    part = read_query(request, PageQuery)
    project = request.match_info["project"]
    total, summaries = await request.app[READER].models(project, start=part.start, limit=part.limit)
    return items(total, summaries)


async def list_versions(request: web.Request) -> web.Response:
    """List the versions of a model."""
    project, model = request.match_info["project"], request.match_info["model"]
    query = read_query(request, VersionQuery).as_query(project=project, model=model)
    return page(await request.app[READER].versions(project, model, query))


async def get_version(request: web.Request) -> web.Response:
    """Return one version of a model."""
    names = request.match_info
    row = await request.app[READER].version(names["project"], names["model"], names["version"])
    return document(row)


async def delete_version(request: web.Request) -> web.Response:
    """Request the deletion of a version."""
    names = request.match_info
    return accepted(await request.app[DELETIONS].delete(names["project"], names["model"], names["version"]))


async def delete_model(request: web.Request) -> web.Response:
    """Request the deletion of all versions of a model."""
    documents = await request.app[DELETIONS].delete_all(request.match_info["project"], request.match_info["model"])
    return items(len(documents), documents, status=202)


async def list_models(request: web.Request) -> web.Response:
    """List the versions of all models."""
    query = read_query(request, ModelQuery).as_query()
    return page(await request.app[READER].find(Collection.MODELS, query))


_PROJECT = ProjectSummary(name="library", models=1, versions=1, updated_at=examples.NOW)
_MODEL = ModelSummary(project="library", name="iris", versions=1, latest="v1", updated_at=examples.NOW)
_VERSIONS = Success(description="Model versions.", model=VersionList, example=examples.listed(examples.MODEL))

OPERATIONS = (
    Operation(
        id="listProjects",
        method="GET",
        path=f"{BASE}/projects",
        handler=list_projects,
        tag="models",
        summary="List the projects that have models",
        query=PageQuery,
        success=Success(description="Projects.", model=ProjectList, example=examples.listed(_PROJECT)),
        failures=(Failure.INVALID, Failure.UNAVAILABLE),
    ),
    Operation(
        id="listProjectModels",
        method="GET",
        path=MODELS,
        handler=list_project_models,
        tag="models",
        summary="List the models of a project",
        query=PageQuery,
        success=Success(description="Models.", model=ModelList, example=examples.listed(_MODEL)),
        failures=(Failure.NOT_FOUND, Failure.INVALID, Failure.UNAVAILABLE),
    ),
    Operation(
        id="listVersions",
        method="GET",
        path=VERSIONS,
        handler=list_versions,
        tag="models",
        summary="List the versions of a model",
        description=SLASHES,
        query=VersionQuery,
        success=_VERSIONS,
        failures=(Failure.NOT_FOUND, Failure.INVALID, Failure.UNAVAILABLE),
    ),
    Operation(
        id="getVersion",
        method="GET",
        path=f"{VERSIONS}/{{version}}",
        handler=get_version,
        tag="models",
        summary="Get a version of a model, with its signature",
        description=SLASHES,
        success=Success(
            description="The version.",
            model=ModelDocument,
            example=examples.MODEL.model_dump(mode="json"),
            headers=("ETag",),
        ),
        failures=(Failure.NOT_FOUND, Failure.UNAVAILABLE),
    ),
    Operation(
        id="deleteVersion",
        method="DELETE",
        path=f"{VERSIONS}/{{version}}",
        handler=delete_version,
        tag="models",
        summary="Delete a version of a model",
        description=f"A served version is not deleted. Other tags of the same bytes stay. {SLASHES}",
        success=Success(
            status=202,
            description="The version, which exists until the registry has deleted it.",
            model=ModelDocument,
            example=examples.MODEL.model_dump(mode="json"),
            headers=(CORRELATION_ID, "ETag"),
        ),
        failures=(Failure.NOT_FOUND, Failure.CONFLICT, Failure.UNAVAILABLE),
    ),
    Operation(
        id="deleteModel",
        method="DELETE",
        path=f"{MODELS}/{{model}}",
        handler=delete_model,
        tag="models",
        summary="Delete every version of a model",
        description=f"Nothing is deleted if one of them is served. {SLASHES}",
        success=Success(
            status=202,
            description="The versions, which exist until the registry has deleted them.",
            model=VersionList,
            example=examples.listed(examples.MODEL),
        ),
        failures=(Failure.NOT_FOUND, Failure.CONFLICT, Failure.UNAVAILABLE),
    ),
    Operation(
        id="listModels",
        method="GET",
        path=f"{BASE}/models",
        handler=list_models,
        tag="models",
        summary="Find versions among all models",
        query=ModelQuery,
        success=_VERSIONS,
        failures=(Failure.INVALID, Failure.UNAVAILABLE),
    ),
)
