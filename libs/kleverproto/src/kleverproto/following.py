"""Policy of a serving for new pushes to a served tag. Part of the serving document."""

from enum import StrEnum

from .base import StrictWireModel


class OnPush(StrEnum):
    """The action when the tag of a variant names another manifest."""

    KEEP = "keep"
    """Serve the resolved digest until a user applies the serving again."""
    DEPLOY = "deploy"
    """Roll out the new manifest by the strategy once it is scanned, as if a user had applied the serving again."""


class ServingPolicy(StrictWireModel):
    """Automatic actions of a serving."""

    on_push: OnPush = OnPush.KEEP
