"""Bodies of requests for policies."""

from pydantic import field_validator

from kleverproto.formats import conversion_target
from kleverproto.projects import ProjectPolicy


class ReplacePolicy(ProjectPolicy):
    """The new policy of a project."""

    @field_validator("convert")
    @classmethod
    def _can_be_made(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(conversion_target, value)))

    @property
    def policy(self) -> ProjectPolicy:
        """The policy as the registry stores it."""
        return ProjectPolicy.model_validate(self.model_dump())
