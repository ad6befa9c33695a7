"""Metrics of the deployer."""

from prometheus_client import CollectorRegistry

from klever_deployer.metrics import rollout_duration


def test_rollouts_of_each_strategy_and_result_are_exported_as_0_so_that_the_first_one_is_an_increase() -> None:
    registry = CollectorRegistry()
    rollout_duration(registry)
    counts = {
        (sample.labels["strategy"], sample.labels["result"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "klever_deployer_rollout_duration_seconds_count"
    }
    strategies = ("rolling", "recreate", "blueGreen", "canary")
    assert counts == {(strategy, result): 0 for strategy in strategies for result in ("ready", "failed")}
