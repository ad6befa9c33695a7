"""Reads documents, events and logs."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from klever_gateway.domain.positions import job_interest, serving_interest
from klever_gateway.domain.queries import ModelSummary, Page, ProjectSummary, Query
from klever_gateway.domain.rows import Collection, Row
from klever_gateway.ports import Entry, EventLog, Logged, Projection
from kleverkit.errors import NotFoundError, TransientError
from kleverproto import subjects
from kleverproto.jobs import JobPhase
from kleverproto.servings import ServingLogged, serving_key


class Reader:
    """Reads documents, events and logs.

    Every method raises TransientError until the bucket has been read once: an empty answer would be wrong.
    """

    def __init__(self, projection: Projection, event_log: EventLog) -> None:
        self._projection = projection
        self._event_log = event_log

    async def find(self, collection: Collection, query: Query) -> Page:
        """Return one page of a collection."""
        await self._check_loaded(collection)
        return await self._projection.find(collection, query)

    async def projects(self, *, start: int, limit: int) -> tuple[int, list[ProjectSummary]]:
        """Return the number of projects that have models, and one page of them."""
        await self._check_loaded(Collection.MODELS)
        return await self._projection.projects(start=start, limit=limit)

    async def models(self, project: str, *, start: int, limit: int) -> tuple[int, list[ModelSummary]]:
        """Return the number of models of a project, and one page of them. Raises NotFoundError if it has none."""
        await self._check_loaded(Collection.MODELS)
        total, models = await self._projection.models(project, start=start, limit=limit)
        if not total:
            raise NotFoundError(f"there is no project {project}: a project begins with its first pushed model")
        return total, models

    async def versions(self, project: str, model: str, query: Query) -> Page:
        """Return one page of the versions of a model. Raises NotFoundError if it has none."""
        page = await self.find(Collection.MODELS, query)
        if not page.total:
            raise NotFoundError(f"there is no model {project}/{model}: push a version of it first")
        return page

    async def version(self, project: str, model: str, version: str) -> Row:
        """Return one version of a model. Raises NotFoundError."""
        name = f"model version {project}/{model}:{version}"
        return await self._get(Collection.MODELS, subjects.join(project, model, version), name)

    async def job(self, namespace: str, job_id: str) -> Row:
        """Return one job. Raises NotFoundError."""
        row = await self._get(Collection.JOBS, subjects.escape(job_id), f"job {job_id} in {namespace}")
        if row.columns["namespace"] != namespace:
            raise NotFoundError(f"there is no job {job_id} in {namespace}")
        return row

    async def job_events(self, namespace: str, job_id: str, limit: int) -> list[Entry]:
        """Return the newest events of a job, oldest first; also of a deleted job. Raises NotFoundError."""
        events = await self._event_log.recent(job_interest(job_id), limit)
        if not events:
            await self.job(namespace, job_id)
        return events

    async def job_log(self, namespace: str, job_id: str, *, follow: bool) -> AsyncGenerator[str, None]:
        """Yield the output of a job's tools, line by line. Raises NotFoundError.

        With `follow`, also yields new lines until the job finishes.
        """
        await self.job(namespace, job_id)

        async def is_over() -> bool:
            row = await self._projection.get(Collection.JOBS, subjects.escape(job_id))
            return not follow or row is None or JobPhase(str(row.columns["phase"])).is_final

        return _lines(self._event_log.read_log(subjects.subject("log", "written", job_id), is_over))

    async def serving(self, namespace: str, name: str) -> Row:
        """Return one serving. Raises NotFoundError."""
        return await self._get(Collection.SERVINGS, serving_key(namespace, name), f"serving {name} in {namespace}")

    async def serving_events(self, namespace: str, name: str, limit: int) -> list[Entry]:
        """Return the newest events of a serving, oldest first; also of a deleted serving. Raises NotFoundError."""
        events = await self._event_log.recent(serving_interest(namespace, name), limit)
        if not events:
            await self.serving(namespace, name)
        return events

    async def serving_log(
        self, namespace: str, name: str, variant: str | None, *, follow: bool
    ) -> AsyncGenerator[str, None]:
        """Yield the output of a serving's model servers, each line with its variant and replica. Raises NotFoundError.

        With `follow`, also yields new lines until the serving is deleted.
        """
        await self.serving(namespace, name)

        async def is_over() -> bool:
            row = await self._projection.get(Collection.SERVINGS, serving_key(namespace, name))
            return not follow or row is None

        return _lines(self._event_log.read_log(subjects.subject("log", "served", namespace, name), is_over), variant)

    async def _get(self, collection: Collection, key: str, name: str) -> Row:
        row = await self._projection.get(collection, key)
        if row is None:
            await self._check_loaded(collection)
            raise NotFoundError(f"there is no {name}")
        return row

    async def _check_loaded(self, collection: Collection) -> None:
        if not await self._projection.is_loaded(collection):
            raise TransientError(f"the gateway has not read the {collection} yet: try again in a moment")


async def _lines(written: AsyncGenerator[Logged, None], variant: str | None = None) -> AsyncGenerator[str, None]:
    """Yield the lines; those of a serving are prefixed with the replica, and filtered by `variant` if it is given."""
    async with aclosing(written):
        async for data in written:
            if isinstance(data, ServingLogged) and variant not in {None, data.variant}:
                continue
            prefix = f"{data.variant}/{data.replica} | " if isinstance(data, ServingLogged) else ""
            for line in data.lines:
                yield f"{prefix}{line}"
