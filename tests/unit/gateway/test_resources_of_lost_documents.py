"""Resources whose documents are not known here, such as after the loss of a bucket."""

from typing import Any

import pytest

from klever_gateway.domain.resources.resource import ResourceName
from klever_gateway.domain.rows import Collection
from klever_gateway.service.arrivals import Arrival
from kleverkit.documents import Incarnation
from support.gateway import NOW
from support.resource_bench import EXTRACTION, JOB, SERVING, SPEC, Bench
from support.waiting import others


@pytest.mark.parametrize(
    ("name", "spec", "collection"),
    [(SERVING, SPEC, Collection.SERVINGS), (JOB, EXTRACTION, Collection.JOBS)],
    ids=["Serving", "ModelJob"],
)
async def test_resource_whose_document_is_missing_keeps_its_state(
    name: ResourceName, spec: dict[str, Any], collection: Collection
) -> None:
    bench = Bench()
    async with bench.projecting():
        async with bench.controller():
            status = await bench.request(name, spec)
            await bench.projection.replace(collection, [], Incarnation(NOW, 0))
            bench.arrivals.announce(Arrival(collection))
            await others(100)
            assert bench.resource(name).status == status
        async with bench.controller():
            await others(100)
    assert bench.resource(name).status == status
    assert bench.resource(name).is_held
