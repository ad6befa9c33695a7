"""What a serving does when a tag that it serves is pushed again: part of the document that people write."""

from enum import StrEnum

from .base import StrictWireModel


class OnPush(StrEnum):
    """What follows when the tag of a variant names another manifest."""

    KEEP = "keep"
    """The digest that was resolved is served until someone applies the serving again."""
    DEPLOY = "deploy"
    """The new manifest is served once it is scanned, by the strategy, as if someone had applied the serving again."""


class ServingPolicy(StrictWireModel):
    """Automatic actions of a serving."""

    on_push: OnPush = OnPush.KEEP
