"""Counters from the responses of a Prometheus: restarts, replicas, lags, and queries."""

import re

import pytest

from klever_deployer.adapters.kubernetes.metrics.names import ENVOY, ISTIO, MetricNames
from klever_deployer.adapters.kubernetes.metrics.prometheus import Series
from klever_deployer.adapters.kubernetes.metrics.request_counts import MetricsOptions, PrometheusCounts
from klever_deployer.adapters.kubernetes.metrics.tallies import Tally
from klever_deployer.domain.analysis import Bucket, Counts
from klever_deployer.errors import DataPlaneError
from kleverroutes.versions import VersionKey
from support.data_planes import version_key

V1, V2 = version_key("v1"), version_key("v2")


def requests(*samples: tuple[float, float], pod: str = "a", service: str = "v1", code: str = "200") -> Series:
    labels = {"__name__": "istio_requests_total", "destination_service": service, "response_code": code, "pod": pod}
    return Series(labels, samples)


def tallied(*series: Series, names: MetricNames = ISTIO) -> Counts:
    tally = Tally(names)
    tally.add(series)
    return tally.counts(active=0, age=0)


class ScriptedPrometheus:
    """Answers by the kind of a query."""

    url = "http://prometheus:9090"

    def __init__(self) -> None:
        self.now = 1000.0
        self.counters: list[Series] = []
        self.newest: float | None = None
        """Time of the newest counter of any version."""
        self.queries: list[str] = []

    async def query(self, expression: str) -> list[Series]:
        self.queries.append(expression)
        if expression == "time()":
            return [Series({}, ((self.now, self.now),))]
        if expression.startswith("max(timestamp"):
            return [] if self.newest is None else [Series({}, ((self.now, self.newest),))]
        if expression.startswith("sum by"):
            return [Series({"destination_service": "v1"}, ((self.now, 2.5),))]
        [window] = re.findall(r"\[(\d+)s\]$", expression)
        since = self.now - int(window)
        recent = ((each, tuple(sample for sample in each.samples if sample[0] >= since)) for each in self.counters)
        return [Series(each.labels, samples) for each, samples in recent if samples]


@pytest.fixture
def prometheus() -> ScriptedPrometheus:
    return ScriptedPrometheus()


@pytest.fixture
def counts(prometheus: ScriptedPrometheus) -> PrometheusCounts:
    return counting(prometheus)


def counting(prometheus: ScriptedPrometheus, clock: float = 0.0) -> PrometheusCounts:
    options = MetricsOptions(ISTIO, {"cluster": "prod"}, window_seconds=60)
    return PrometheusCounts(prometheus, options, lambda key: [key.variant], lambda: clock)


async def requests_of(counts: PrometheusCounts, key: VersionKey = V1) -> int:
    return (await counts.counts([key]))[key].requests


def test_a_restarted_counter_continues() -> None:
    assert tallied(requests((1, 100), (2, 130), (3, 5), (4, 10))).requests == 140


def test_replicas_are_summed_and_the_restart_of_one_of_them_loses_and_invents_nothing() -> None:
    assert tallied(requests((1, 100), (2, 0), (3, 10)), requests((1, 1000), (3, 1030), pod="b")).requests == 1140


def test_an_older_sample_from_another_prometheus_is_no_restart() -> None:
    tally = Tally(ISTIO)
    tally.add([requests((1, 100), (5, 150))])
    tally.add([requests((3, 130))])
    tally.add([requests((3, 130), (7, 160))])
    assert tally.counts(active=0, age=0).requests == 160


def test_statuses_from_500_on_are_errors() -> None:
    codes = {"200": 1, "499": 2, "500": 4, "503": 8, "0": 16}
    counts = tallied(*(requests((1, number), code=code) for code, number in codes.items()))
    assert (counts.requests, counts.errors) == (31, 12)


def test_statistics_of_envoy_are_counted() -> None:
    samples = {
        "envoy_cluster_upstream_rq_completed": ({}, 10),
        "envoy_cluster_upstream_rq": ({"response_code_class": "5xx"}, 3),
    }
    counted = [Series({"__name__": name, **labels}, ((1, number),)) for name, (labels, number) in samples.items()]
    good = Series({"__name__": "envoy_cluster_upstream_rq", "response_code_class": "2xx"}, ((1, 7),))
    buckets = [
        Series({"__name__": "envoy_cluster_upstream_rq_time_bucket", "le": upper}, ((1, number),))
        for upper, number in (("25", 10), ("5", 6), ("+Inf", 10))
    ]
    assert tallied(*counted, good, *buckets, names=ENVOY) == Counts(10, 3, (Bucket(5, 6), Bucket(25, 10)))


async def test_a_replica_that_disappears_keeps_its_requests(
    prometheus: ScriptedPrometheus, counts: PrometheusCounts
) -> None:
    prometheus.counters = [requests((1000, 100)), requests((1000, 50), pod="b")]
    assert await requests_of(counts) == 150
    prometheus.counters = [requests((1010, 7), pod="c"), requests((1010, 55), pod="b")]
    prometheus.now = 1010
    assert await requests_of(counts) == 162


async def test_a_replica_that_is_not_scraped_at_the_moment_has_no_new_requests_when_it_is_back(
    prometheus: ScriptedPrometheus, counts: PrometheusCounts
) -> None:
    prometheus.counters = [requests((800, 5000)), requests((1000, 50), pod="b")]
    first = await requests_of(counts)
    prometheus.counters = [requests((1010, 5001)), requests((1010, 50), pod="b")]
    prometheus.now = 1010
    assert await requests_of(counts) - first == 1


async def test_the_age_is_that_of_the_oldest_replica_and_none_of_one_that_has_exited(
    prometheus: ScriptedPrometheus, counts: PrometheusCounts
) -> None:
    prometheus.counters = [requests((990, 1)), requests((970, 1), pod="b"), requests((900, 1), pod="exited")]
    [version] = (await counts.counts([V1])).values()
    assert (version.age, version.active) == (30.0, 2.5)


async def test_old_counters_are_not_available(prometheus: ScriptedPrometheus, counts: PrometheusCounts) -> None:
    prometheus.counters = [requests((900, 1))]
    for prometheus.newest in (None, 900.0):
        with pytest.raises(
            DataPlaneError, match=r"has no istio_requests_total of the last 60 s\. Check that it scrapes"
        ):
            await counts.counts([V1])


async def test_a_version_without_recent_requests_has_its_counters_while_others_are_collected(
    prometheus: ScriptedPrometheus, counts: PrometheusCounts
) -> None:
    prometheus.counters, prometheus.newest = [requests((900, 9))], 990.0
    counted = await counts.counts([V1, V2])
    assert {key: (each.requests, each.age) for key, each in counted.items()} == {V1: (9, 10.0)}


async def test_versions_that_were_not_read_for_an_hour_are_forgotten(prometheus: ScriptedPrometheus) -> None:
    moment = 0.0
    options = MetricsOptions(ISTIO)
    counts = PrometheusCounts(prometheus, options, lambda key: [key.variant], lambda: moment)
    prometheus.counters, prometheus.newest = [requests((1000, 9))], 1000.0
    await counts.counts([V1])
    moment = 3601.0
    await counts.counts([V2])
    prometheus.queries.clear()
    await counts.counts([V1])
    assert "[3600s]" in prometheus.queries[0]


def test_selected_are_only_the_versions_of_the_cluster_whatever_their_names_contain() -> None:
    selector = ENVOY.selector({"cluster": 'a"b'}, ["outbound|8080||iris.default.svc.cluster.local"])
    assert selector == (r'cluster="a\"b",cluster_name=~"outbound\\|8080\\|\\|iris\\.default\\.svc\\.cluster\\.local"')
    assert ISTIO.selector({"cluster": "prod"}) == 'reporter="source",cluster="prod"'
