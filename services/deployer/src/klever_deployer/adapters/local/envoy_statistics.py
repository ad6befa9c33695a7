"""Reads request counters from `/stats?format=json` of Envoy's admin interface; pure."""

import re
from collections.abc import Iterable
from typing import Any

from klever_deployer.domain.analysis import Bucket, Counts

COUNTERS = {"upstream_rq_completed": "requests", "upstream_rq_5xx": "errors", "upstream_rq_active": "active"}
LATENCIES = "upstream_rq_time"


def stats_filter(clusters: Iterable[str]) -> str:
    """The regular expression of the statistics that `counts_of` reads."""
    names = "|".join(re.escape(name) for name in sorted(clusters))
    return rf"^cluster\.({names})\.({'|'.join((*COUNTERS, LATENCIES))})$"


def counts_of(stats: Any) -> dict[str, Counts]:
    """The counters by cluster.

    Args:
        stats: the response to `/stats?format=json&histogram_buckets=cumulative`.
    """
    numbers: dict[str, dict[str, int]] = {}
    for stat in stats["stats"]:
        if "name" in stat:
            cluster, _, counter = _split(stat["name"])
            numbers.setdefault(cluster, {})[COUNTERS[counter]] = int(stat["value"])
    latencies = {
        _split(histogram["name"])[0]: _buckets(histogram["buckets"])
        for stat in stats["stats"]
        for histogram in _histograms(stat)
    }
    return {name: Counts(**values, latencies=latencies.get(name, ())) for name, values in numbers.items()}


def _histograms(stat: Any) -> list[Any]:
    histograms = stat.get("histograms", [])
    return histograms if isinstance(histograms, list) else list(histograms.get("details", []))


def _split(name: str) -> tuple[str, str, str]:
    return name.removeprefix("cluster.").rpartition(".")


def _buckets(buckets: list[Any]) -> tuple[Bucket, ...]:
    return tuple(Bucket(float(bucket["upper_bound"]), int(bucket["cumulative"])) for bucket in buckets)
