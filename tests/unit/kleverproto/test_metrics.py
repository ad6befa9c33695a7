"""The table of metrics follows the conventions of Prometheus and OpenTelemetry."""

import re

import pytest

from kleverproto.metrics import METRICS, MetricKind, MetricSpec
from kleverserve.metrics import Metrics

NAME = re.compile(r"^(klever|kleverserve|http_server|messaging)_[a-z0-9_]+$")
RESERVED = ("_count", "_sum", "_bucket", "_info", "_created")
IDENTITIES = {"user", "path", "digest", "id", "ref", "project", "subject", "error"}
"""Labels whose values users or the network choose without a limit."""


def test_the_table_has_each_metric_once() -> None:
    names = [spec.name for spec in METRICS]
    assert len(names) > 30
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.name)
def test_names_help_and_labels_follow_the_conventions(spec: MetricSpec) -> None:
    assert NAME.match(spec.name)
    assert not spec.name.endswith(RESERVED)
    assert spec.name.endswith("_total") == (spec.kind is MetricKind.COUNTER)
    assert bool(spec.boundaries) == (spec.kind is MetricKind.HISTOGRAM)
    assert list(spec.boundaries) == sorted(set(spec.boundaries))
    assert spec.help.endswith(".")
    assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in spec.labels)
    assert not IDENTITIES & set(spec.labels)
    assert not re.search(r"milli|minutes|kilo|percent|_kb|_mb", spec.name)


def test_the_model_servers_metrics_are_those_of_the_table() -> None:
    metrics = Metrics(model="iris", version="v1", in_flight=lambda: 0)
    metrics.observe(code=200, seconds=0.1)
    families = {family.name + ("_total" if family.type == "counter" else ""): family for family in metrics.families()}
    own = {name: family for name, family in families.items() if name.startswith("kleverserve_")}
    table = {spec.name: spec for spec in METRICS if "kleverserve" in spec.producers}
    assert own.keys() == table.keys()
    for name, family in own.items():
        spec = table[name]
        assert (family.type, family.documentation) == (spec.kind, spec.help)
        assert set(family.samples[0].labels) - {"le"} == set(spec.labels)
        bounds = [sample.labels["le"] for sample in family.samples if sample.name.endswith("_bucket")]
        assert [float(each) for each in bounds if each != "+Inf"] == [float(each) for each in spec.boundaries]
