"""How requests are distributed: part of the document that people write."""

from typing import Annotated, Self, TypedDict, Unpack

from pydantic import Field, StringConstraints, model_validator

from .base import StrictWireModel
from .references import DnsLabel

HEADER_PATTERN = r"^[a-z0-9!#$%&'*+.^_`|~-]+$"
COOKIE_PATTERN = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"

HeaderName = Annotated[str, StringConstraints(pattern=HEADER_PATTERN, max_length=200)]
"""Lower case, as HTTP/2 and Istio write it."""
HEADER_VALUE_PATTERN = r"^[!-~](?:[!-~ \t]*[!-~])?$"
HEADER_PREFIX_PATTERN = r"^[!-~][!-~ \t]*$"
HeaderValue = Annotated[str, StringConstraints(pattern=HEADER_VALUE_PATTERN, max_length=1000)]
"""What a header can hold (RFC 9110, section 5.5): without spaces around it, which are no part of a value."""
HeaderPrefix = Annotated[str, StringConstraints(pattern=HEADER_PREFIX_PATTERN, max_length=1000)]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Seconds = Annotated[float, Field(ge=0.001, le=3600)]
"""Milliseconds are the finest that the ingress knows, and none at all would switch a limit off."""
Percent = Annotated[int, Field(ge=0, le=100)]


class HeaderMatch(StrictWireModel):
    """What the value of a header must be; one of the three."""

    exact: HeaderValue | None = None
    prefix: HeaderPrefix | None = None
    regex: Expression | None = None
    """RE2; the whole value must match."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.exact, self.prefix, self.regex)) != 1:
            raise ValueError("give one of exact, prefix and regex")
        return self


class HeaderRule(StrictWireModel):
    """Requests with all these headers go to one variant; the first rule that matches wins, before the weights."""

    headers: Annotated[dict[HeaderName, HeaderMatch], Field(min_length=1, max_length=10)]
    """Header name (lower case) to what its value must be; all of them must match."""
    variant: DnsLabel


class Mirror(StrictWireModel):
    """A copy of requests is sent to a variant; its answers are discarded."""

    variant: DnsLabel
    percent: Annotated[float, Field(gt=0, le=100)] = 100.0


class Cookie(StrictWireModel):
    """A cookie that the ingress sets for clients without one."""

    name: Annotated[str, StringConstraints(pattern=COOKIE_PATTERN, max_length=200)]
    ttl_seconds: Annotated[int, Field(ge=0)] = 3600
    """0 is a session cookie."""


class Sticky(StrictWireModel):
    """Requests of one client go to the same variant; one of the two."""

    header: HeaderName | None = None
    """Requests with the same value of this header, for as long as the weights stay."""
    cookie: Cookie | None = None
    """Requests with the cookie, for as long as the variant has any weight."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.header is None) == (self.cookie is None):
            raise ValueError("give one of header and cookie")
        return self


class TrafficChanges(TypedDict, total=False):
    """What may be replaced in a Traffic."""

    weights: dict[str, int]
    rules: tuple[HeaderRule, ...]
    mirror: Mirror | None
    sticky: Sticky | None


class Traffic(StrictWireModel):
    """How requests are distributed over the variants."""

    weights: dict[DnsLabel, Percent] = Field(default_factory=dict)
    """Variant name to percent; the sum is 100. A variant that is not named gets none. May be left out where there is
    one variant, which gets everything."""
    rules: Annotated[tuple[HeaderRule, ...], Field(max_length=50)] = ()
    """In this order, before the weights."""
    mirror: Mirror | None = None
    sticky: Sticky | None = None

    def replace(self, **changes: Unpack[TrafficChanges]) -> Self:
        """The same traffic with other values for some fields."""
        return self.model_copy(update=changes)


class Timeouts(StrictWireModel):
    """Timeouts of the ingress."""

    request_seconds: Seconds = 300.0
    """From the end of the request to the end of the answer, including retries; then 504."""
    connect_seconds: Annotated[float, Field(ge=0.001, le=60)] = 1.0


class Retries(StrictWireModel):
    """Which requests the ingress retries."""

    attempts: Annotated[int, Field(ge=0, le=10)] = 3
    """Tries after the first; 0 where asking twice does harm. A request is sent again, to another replica where there is
    one, when its server could not be reached or ended before it began to answer, and its body has at most 8 MiB."""
    on_server_error: bool = False
    """Also retry when a model server answers 502, 503 or 504."""
    per_try_seconds: Seconds | None = None
    """A try that takes longer is abandoned and retried."""
