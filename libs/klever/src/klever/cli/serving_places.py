"""The options of `klever up` that let servings run on a cluster."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from klever.cli.app import errors_as_lines
from klever.platform.serving_place import LOCAL, ServingPlace

from .dry_runs import BACKENDS, POD_REGISTRY
from .forms import HOST_AND_PORT

DETECTED = "cluster"
"""Seldon Core where it is installed, and else Deployments."""
Command = Callable[..., None]
OPTIONS = (
    click.option(
        "--backend",
        type=click.Choice([LOCAL, *BACKENDS, DETECTED]),
        default=LOCAL,
        envvar="KLEVER_DEPLOYER_BACKEND",
        help="Where servings run: on this machine, or as objects of a Kubernetes cluster.",
    ),
    click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        envvar="KLEVER_DEPLOYER_KUBECONFIG",
        help="Credentials for the cluster; by default those that kubectl uses.",
    ),
    click.option(
        "--ingress-url",
        envvar="KLEVER_DEPLOYER_INGRESS_PUBLIC_URL",
        help="URL at which clients reach servings; on a cluster, that of its gateway.",
    ),
    click.option(
        "--pod-registry",
        type=HOST_AND_PORT,
        metavar=HOST_AND_PORT.name,
        envvar=POD_REGISTRY,
        help="Address by which pods reach the platform's registry, by http. Also $KLEVER_POD_REGISTRY.",
    ),
)


def place_options(command: Command) -> Command:
    """Add the options; the command gets them as `place`, a ServingPlace."""

    @wraps(command)
    def run_command(
        *args: Any,
        backend: str,
        kubeconfig: Path | None,
        ingress_url: str | None,
        pod_registry: str | None,
        **rest: Any,
    ) -> None:
        with errors_as_lines():
            place = ServingPlace(backend, kubeconfig, ingress_url, pod_registry, os.environ)
        command(*args, place=place, **rest)

    decorated: Command = run_command
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated


def command_line(place: ServingPlace) -> list[str]:
    """The options that lead to a place."""
    given = {
        "--backend": place.backend,
        "--kubeconfig": place.kubeconfig,
        "--ingress-url": place.ingress_url,
        "--pod-registry": place.pod_registry,
    }
    return [f"{name}={value}" for name, value in given.items() if value is not None]
