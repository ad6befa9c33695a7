"""The steps of the demo; a reporter shows them."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from klever import tensors
from klever.client import KleverClient
from klever.platform.home import Home
from klever.platform.plan import Urls
from klever.servers import read_token
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef
from kleverproto.serving_changes import DeployVersion
from kleverproto.servings import ServingDocument
from ormb.client import OrmbClient
from ormb.own_registry import OwnRegistry
from ormb.reference import Reference

from . import iris

NAME = "iris"
CANARY_PERCENT = 20
SPLIT_REQUESTS = 500
CONCURRENCY = 16


@dataclass(frozen=True)
class Prediction:
    """One flower, classified through the ingress."""

    input: tuple[float, ...]
    label: int
    species: str
    probabilities: tuple[float, ...]
    model_version: str


class Reporter(Protocol):
    """Shows each step when it is completed."""

    def pushed(self, ref: ModelRef, digest: str, size: int) -> None:
        """A model is in the registry."""
        ...

    def parsed(self, model: ModelDocument, seconds: float) -> None:
        """The signature of the model is available."""
        ...

    def deployed(self, serving: ServingDocument, seconds: float) -> None:
        """The model is served."""
        ...

    def predicted(self, prediction: Prediction) -> None:
        """The serving has answered a request."""
        ...

    def split(self, counts: dict[str, int]) -> None:
        """The number of requests that each version has answered."""
        ...


async def run_demo(urls: Urls, home: Home, reporter: Reporter) -> dict[str, Any]:
    """Push a model, wait for its signature, deploy it, predict, and give a second version a fifth of the traffic.

    Returns:
        The results that `klever demo --json` prints, without those about the platform.
    """
    own = OwnRegistry(urls.registry.removeprefix("http://"), home.registry_password)
    ormb_client = OrmbClient(home.path / "ormb", own=own)
    async with KleverClient(urls.api, read_token(home.token)) as client, ormb_client as ormb:
        demo = _Demo(urls, home.path, reporter, client, ormb)
        return await demo.run()


class _Demo:
    def __init__(self, urls: Urls, work_dir: Path, reporter: Reporter, client: KleverClient, ormb: OrmbClient) -> None:
        self._urls = urls
        self._work_dir = work_dir
        self._reporter = reporter
        self._client = client
        self._ormb = ormb

    async def run(self) -> dict[str, Any]:
        model, push_seconds = await self._push(iris.V1, "v1")
        serving, deploy_seconds = await self._deploy(model.spec.ref, None)
        prediction = await self._predict(serving)
        second, _ = await self._push(iris.V2, "v2")
        serving, _ = await self._deploy(second.spec.ref, CANARY_PERCENT)
        counts = await self._measure_split(serving)
        signature = model.status.signature
        return {
            "model": str(model.spec.ref),
            "digest": model.spec.digest,
            "signature": signature.model_dump(mode="json") if signature else None,
            "prediction": prediction,
            "split": {"requests": SPLIT_REQUESTS, "counts": counts},
            "timingsSeconds": {"pushToSignature": push_seconds, "deployToReady": deploy_seconds},
        }

    async def _push(self, classifier: iris.Classifier, version: str) -> tuple[ModelDocument, float]:
        ref = ModelRef(project="library", model=NAME, version=version)
        directory = iris.write_model(classifier, self._work_dir / f"{NAME}-{version}")
        host = self._urls.registry.removeprefix("http://")
        started = time.monotonic()
        info = await self._ormb.push_directory(directory, Reference(host, ref.repository, version))
        self._reporter.pushed(ref, info.digest, info.size)
        model = await self._client.wait_for_signature(ref)
        seconds = round(time.monotonic() - started, 3)
        self._reporter.parsed(model, seconds)
        return model, seconds

    async def _deploy(self, ref: ModelRef, traffic: int | None) -> tuple[ServingDocument, float]:
        started = time.monotonic()
        change = DeployVersion(model=str(ref), traffic=traffic)
        requested = await self._client.deploy_version(NAME, change)
        serving = await self._client.wait_for_ready(NAME, requested.generation)
        seconds = round(time.monotonic() - started, 3)
        self._reporter.deployed(serving, seconds)
        return serving, seconds

    async def _predict(self, serving: ServingDocument) -> Prediction:
        answer = await self._client.predict_at(serving.status.url or "", {"x": [list(iris.SAMPLE)]})
        outputs = {output["name"]: tensors.rows(output)[0] for output in answer["outputs"]}
        prediction = Prediction(
            input=iris.SAMPLE,
            label=outputs["label"],
            species=iris.CLASSES[outputs["label"]],
            probabilities=tuple(round(value, 4) for value in outputs["probabilities"]),
            model_version=answer["model_version"],
        )
        self._reporter.predicted(prediction)
        return prediction

    async def _measure_split(self, serving: ServingDocument) -> dict[str, int]:
        slots = asyncio.Semaphore(CONCURRENCY)

        async def ask() -> str:
            async with slots:
                answer = await self._client.predict_at(serving.status.url or "", {"x": [list(iris.SAMPLE)]})
            return str(answer["model_version"])

        counts = Counter(await asyncio.gather(*(ask() for _ in range(SPLIT_REQUESTS))))
        self._reporter.split(dict(sorted(counts.items())))
        return dict(sorted(counts.items()))
