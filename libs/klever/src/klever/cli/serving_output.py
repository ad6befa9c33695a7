"""Output of servings, their traffic and their rollouts."""

from collections.abc import Iterator

import click

from klever.header_rules import describe_rule
from kleverproto.rollouts import RolloutPhase, RolloutStatus, RolloutStep
from kleverproto.servings import ServingDocument
from kleverproto.traffic import Traffic
from ormb.console.printing import print_json

DIGEST_LEFT_OUT = 52
"""Number of hex digits of a digest that are omitted in output for people."""


def show(document: ServingDocument, *, as_json: bool) -> None:
    """Print a serving as text or as JSON."""
    if as_json:
        print_json(document.model_dump(mode="json"))
        return
    for line in summary(document):
        click.echo(line)


def summary(document: ServingDocument) -> Iterator[str]:
    """Return the lines with the variants of a serving and its address."""
    status = document.status
    yield f"serving:    {document.namespace}/{document.name}, generation {document.generation}, {status.phase.value}"
    for variant in status.variants:
        running = f"{variant.ready_replicas} of {variant.replicas} ready"
        runtime = f"  {variant.runtime}" if variant.runtime else ""
        where = f"{variant.name}  {variant.model}  {variant.weight} %"
        yield f"variant:    {where}  {running}{runtime}  {variant.digest[:19]}"
        if variant.made:
            yield f"            as {variant.made[:-DIGEST_LEFT_OUT]}, made from it"
        if variant.unverified:
            yield f"            not verified: {variant.unverified}"
    rollout = status.rollout
    if rollout is not None and rollout.phase not in {RolloutPhase.PROMOTED, RolloutPhase.FAILED}:
        yield from describe_rollout(rollout, document.name)
    if status.problem:
        yield f"problem:    {status.problem.code}: {status.problem.message}"
    if status.url:
        yield f"url:        {status.url}"


def describe_sandboxes(document: ServingDocument) -> Iterator[str]:
    """Return the lines with the sandbox of each variant's model servers."""
    for variant in document.status.variants:
        if variant.sandbox:
            yield f"sandbox:    {variant.name}  {variant.sandbox}"


def describe_rollout(rollout: RolloutStatus, name: str) -> Iterator[str]:
    """Return the lines with the state of a rollout."""
    message = rollout.message or "starting"
    yield f"rollout:    {rollout.strategy}, {rollout.phase.value} at {rollout.weight} %: {message}"
    if rollout.measured is not None:
        measured = rollout.measured
        latency = f", p95 {measured.p95_ms:g} ms, p99 {measured.p99_ms:g} ms" if measured.p95_ms is not None else ""
        yield f"            {measured.requests} requests, {measured.error_percent:.2f} % errors{latency}"
    if rollout.phase is RolloutPhase.WAITING:
        yield f"            `klever rollout {name} promote`, or `klever rollout {name} abort`"


def describe_step(step: RolloutStep) -> str:
    """Return the line of a completed step."""
    each = ", ".join(f"{variant} {percent} %" for variant, percent in step.weights.items())
    return f"  {step.at:%H:%M:%S}  {each if len(step.weights) > 1 else f'{step.weight:3d} %'}  {step.message}"


def describe_traffic(traffic: Traffic) -> Iterator[str]:
    """Return the lines with the split of requests, in the syntax of `klever traffic`."""
    yield "weights:    " + " ".join(f"{name}={weight}" for name, weight in traffic.weights.items())
    yield from (f"rule:       {describe_rule(rule)}" for rule in traffic.rules)
    if traffic.mirror:
        yield f"mirror:     {traffic.mirror.variant}={traffic.mirror.percent:g}"
    if traffic.sticky:
        by = f"header {traffic.sticky.header}" if traffic.sticky.header else ""
        yield f"sticky:     {by or f'cookie {traffic.sticky.cookie.name if traffic.sticky.cookie else None}'}"
