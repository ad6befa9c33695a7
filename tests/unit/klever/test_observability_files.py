"""Dashboards, rules and the configuration of Prometheus, as they are generated."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from klever.observability import consoles, grafana, prometheus
from klever.observability.alerts import ALERTS
from klever.observability.boards import DASHBOARDS
from klever.observability.panels import Dashboard
from klever.observability.recordings import recordings
from klever.platform.home import Home
from klever.platform.plan import Ports, service_addresses
from klever.platform.prometheus_setup import write_files
from klever.platform.serving_place import ServingPlace
from kleverproto.metrics import HTTP_DURATION, METRICS, MetricKind
from kleverproto.streams import CONSUMERS

ROOT = Path(__file__).parents[3]
METRIC = re.compile(r"\b(?:klever|kleverserve|http_server|messaging)[a-z0-9]*[_:][a-z0-9_:]+")
LABELLED = re.compile(r"([a-z_:0-9]+)\{([^{}]*)\}")
LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
PROMETHEUS_LABELS = {"job", "instance", "le"}


def expressions() -> Iterator[str]:
    yield from (query.expression for board in DASHBOARDS for panel in board.panels() for query in panel.queries)
    yield from (alert.expression for alerts in ALERTS.values() for alert in alerts)
    yield from (recording.expression for recording in recordings())


def samples() -> dict[str, set[str]]:
    """The labels of each sample of the table, and of each recording."""
    labels: dict[str, set[str]] = {recording.name: set() for recording in recordings()}
    for spec in METRICS:
        suffixes = ("_bucket", "_count", "_sum") if spec.kind is MetricKind.HISTOGRAM else ("",)
        labels |= {spec.name + suffix: set(spec.labels) for suffix in suffixes}
    return labels


def test_every_metric_and_label_of_a_query_exists() -> None:
    known = samples()
    label_names = {label for labels in known.values() for label in labels}
    for expression in expressions():
        used = set(METRIC.findall(re.sub(r'"[^"]*"', '""', expression))) - label_names
        assert used <= set(known) | {"klever_namespace", "klever_serving", "klever_variant", "klever_revision"}
        for metric, selector in LABELLED.findall(expression):
            if metric in known:
                assert set(LABEL.findall(re.sub(r'"[^"]*"', "", selector))) <= known[metric] | PROMETHEUS_LABELS


def test_every_metric_of_a_service_is_on_a_dashboard() -> None:
    text = "\n".join(expressions())
    absent = [spec.name for spec in METRICS if spec.name not in text and spec.producers != ("kleverserve",)]
    assert absent == []


def test_boundaries_of_service_levels_are_boundaries_of_buckets() -> None:
    boundaries = {f"{bound:.1f}" for spec in METRICS if "push_to_servable" in spec.name for bound in spec.boundaries}
    envoy = {"0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000"}
    used = re.findall(r'(push|downstream_rq_time)\w*\{[^}]*le="([^"]+)"', "\n".join(expressions()))
    assert {name for name, _ in used} == {"push", "downstream_rq_time"} or used
    assert all(bound in boundaries | envoy for _, bound in used)


def test_alerts_name_consumers_of_the_contract() -> None:
    pattern = next(re.findall(r'consumer!~"([^"]+)"', text)[0] for text in expressions() if "consumer!~" in text)
    excluded = {each.durable for each in CONSUMERS if re.fullmatch(pattern, each.durable)}
    assert excluded == {each.durable for each in CONSUMERS if each.max_deliveries > 1000}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_a_dashboard_is_a_valid_document_whose_panels_do_not_overlap(dashboard: Dashboard) -> None:
    body: dict[str, Any] = json.loads(grafana.document(dashboard))
    panels = body["panels"]
    assert body["uid"] == dashboard.name
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (panel["gridPos"]["x"] + column, panel["gridPos"]["y"] + line)
        for panel in panels
        for column in range(panel["gridPos"]["w"])
        for line in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
    variables = {each["name"] for each in body["templating"]["list"]}
    for panel in panels:
        for target in panel.get("targets", []):
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables | {"__rate_interval"}
            assert panel["description"].endswith(".")
            assert len({each["refId"] for each in panel["targets"]}) == len(panel["targets"])


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    names = [alert.name for alerts in ALERTS.values() for alert in alerts]
    assert len(set(names)) == len(names)
    titles = re.findall(r"^## (Klever\w+)$", (ROOT / "docs/runbooks.md").read_text(), re.MULTILINE)
    assert sorted(titles) == sorted(names)
    links = {
        rule["annotations"]["runbook"]
        for group in yaml.safe_load(prometheus.rules())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert links == {f"docs/runbooks.md#{name.lower()}" for name in names}


def test_every_alert_has_a_case_in_the_tests_of_the_rules() -> None:
    cases = yaml.safe_load((ROOT / "tests/observability/klever.rules.test.yml").read_text())["tests"]
    tested = {rule["alertname"] for case in cases for rule in case["alert_rule_test"] if rule.get("exp_alerts")}
    assert tested == {alert.name for alerts in ALERTS.values() for alert in alerts}


def test_prometheus_scrapes_every_service_with_the_token_and_requires_a_login(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ports = Ports(registry=2, topology=7, jobrunner=5, deployer=6, gateway=1, prometheus=9)
    write_files(home, ports, ServingPlace())
    config = yaml.safe_load(home.prometheus_files.config.read_text())
    targets = {job["job_name"]: job["static_configs"][0]["targets"][0] for job in config["scrape_configs"]}
    addresses = {f"klever-{name}": address for name, address in service_addresses(ports).items()}
    assert targets == addresses | {"klever-ingress": "127.0.0.1:6"}
    assert {job["authorization"]["credentials_file"] for job in config["scrape_configs"]} == {str(home.token)}
    assert list(yaml.safe_load(home.prometheus_files.web_config.read_text())["basic_auth_users"]) == ["klever"]
    assert home.token.read_text().strip() not in home.prometheus_files.web_config.read_text()
    write_files(home, ports, ServingPlace())  # a second start keeps the token
    assert {path.stem for path in home.prometheus_files.consoles.iterdir()} == {board.name for board in DASHBOARDS}


def test_prometheus_scrapes_no_ingress_if_servings_run_on_a_cluster(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_files(home, Ports(deployer=6), ServingPlace("plain", ingress_url="https://models.example.com"))
    config = yaml.safe_load(home.prometheus_files.config.read_text())
    assert {job["metrics_path"] for job in config["scrape_configs"]} == {"/metrics"}


def test_pages_match_all_values_of_variables_and_link_to_each_other() -> None:
    (serving,) = [board for board in DASHBOARDS if board.variables]
    page = consoles.page(serving, DASHBOARDS)
    assert "$" not in page.replace("$name", "").replace("$value", "")
    assert 'namespace=~\\".*\\"' in page
    assert all(f'href="{board.name}.html"' in page for board in DASHBOARDS)


def test_durations_of_requests_have_the_names_of_opentelemetry() -> None:
    attributes = {"http.request.method", "http.route", "http.response.status_code"}
    assert set(HTTP_DURATION.labels) == {attribute.replace(".", "_") for attribute in attributes}
    assert HTTP_DURATION.name == "http.server.request.duration".replace(".", "_") + "_seconds"
