"""Distribution of requests over variants. Part of the serving document."""

from typing import Annotated, Self, TypedDict, Unpack

from pydantic import Field, StringConstraints, model_validator

from .base import StrictWireModel
from .references import DnsLabel

HEADER_PATTERN = r"^[a-z0-9!#$%&'*+.^_`|~-]+$"
COOKIE_PATTERN = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"

HeaderName = Annotated[str, StringConstraints(pattern=HEADER_PATTERN, max_length=200)]
"""Lower case, as in HTTP/2 and Istio."""
HEADER_VALUE_PATTERN = r"^[!-~](?:[!-~ \t]*[!-~])?$"
HEADER_PREFIX_PATTERN = r"^[!-~][!-~ \t]*$"
HeaderValue = Annotated[str, StringConstraints(pattern=HEADER_VALUE_PATTERN, max_length=1000)]
"""A field value (RFC 9110, section 5.5), without leading and trailing spaces, which are not part of it."""
HeaderPrefix = Annotated[str, StringConstraints(pattern=HEADER_PREFIX_PATTERN, max_length=1000)]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Seconds = Annotated[float, Field(ge=0.001, le=3600)]
"""At least a millisecond, the resolution of the ingress: zero would disable a limit."""
Percent = Annotated[int, Field(ge=0, le=100)]


class HeaderMatch(StrictWireModel):
    """Condition for the value of a header; exactly one of the three."""

    exact: HeaderValue | None = None
    prefix: HeaderPrefix | None = None
    regex: Expression | None = None
    """RE2 expression that the whole value must match."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.exact, self.prefix, self.regex)) != 1:
            raise ValueError("give one of exact, prefix and regex")
        return self


class HeaderRule(StrictWireModel):
    """Routes requests with all these headers to one variant. The first matching rule applies, before the weights."""

    headers: Annotated[dict[HeaderName, HeaderMatch], Field(min_length=1, max_length=10)]
    """Conditions by header name in lower case. All of them must match."""
    variant: DnsLabel


class Mirror(StrictWireModel):
    """Sends a copy of requests to a variant and discards its responses."""

    variant: DnsLabel
    percent: Annotated[float, Field(gt=0, le=100)] = 100.0


class Cookie(StrictWireModel):
    """A cookie that the ingress sets for clients without one."""

    name: Annotated[str, StringConstraints(pattern=COOKIE_PATTERN, max_length=200)]
    ttl_seconds: Annotated[int, Field(ge=0)] = 3600
    """Lifetime of the cookie; 0 for a session cookie."""


class Sticky(StrictWireModel):
    """Routes requests of one client to the same variant; exactly one of the two."""

    header: HeaderName | None = None
    """Clients are identified by the value of this header. Assignments change with the weights."""
    cookie: Cookie | None = None
    """Clients are identified by this cookie. Assignments last while the variant has any weight."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.header is None) == (self.cookie is None):
            raise ValueError("give one of header and cookie")
        return self


class TrafficChanges(TypedDict, total=False):
    """Fields of Traffic that can be replaced."""

    weights: dict[str, int]
    rules: tuple[HeaderRule, ...]
    mirror: Mirror | None
    sticky: Sticky | None


class Traffic(StrictWireModel):
    """Distribution of requests over the variants."""

    weights: dict[DnsLabel, Percent] = Field(default_factory=dict)
    """Percent by variant; the sum is 100. An absent variant gets no traffic. Optional with a single variant, which gets
    all traffic."""
    rules: Annotated[tuple[HeaderRule, ...], Field(max_length=50)] = ()
    """Rules in their order, evaluated before the weights."""
    mirror: Mirror | None = None
    sticky: Sticky | None = None

    def replace(self, **changes: Unpack[TrafficChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


class Timeouts(StrictWireModel):
    """Timeouts of the ingress."""

    request_seconds: Seconds = 300.0
    """Time from the end of the request to the end of the response, including retries, after which clients get 504."""
    connect_seconds: Annotated[float, Field(ge=0.001, le=60)] = 1.0


class Retries(StrictWireModel):
    """Retries by the ingress."""

    attempts: Annotated[int, Field(ge=0, le=10)] = 3
    """Maximum number of retries; 0 for models that are not idempotent. A request is retried, on another replica if
    possible, if the server could not be reached or exited before it responded, and the body has at most 8 MiB."""
    on_server_error: bool = False
    """Also retry if a model server responds with 502, 503 or 504."""
    per_try_seconds: Seconds | None = None
    """Time after which an attempt is abandoned and retried."""
