"""The CloudEvents 1.0 envelope, and its binary and structured forms on NATS.

Follows the CloudEvents NATS protocol binding: attributes as `ce-` headers with the data as payload, or one
JSON object under `Content-Type: application/cloudevents+json`.
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError

from .base import WireModel
from .catalogue import BY_DATA, BY_TYPE, EventType
from .mistakes import describe_mistakes
from .publishers import PUBLISHERS

DataT = TypeVar("DataT", bound=WireModel)

NAMESPACE = uuid.UUID("6b1f1f5e-6b0e-5c0a-9d35-0d3c7a0f3c11")
"""Namespace of all derived ids."""

STRUCTURED = "application/cloudevents"
HEADER_PREFIX = "ce-"
MESSAGE_ID = "Nats-Msg-Id"

_UNSAFE_HEADER = re.compile(r"[^\x21\x23\x24\x26-\x7e]")


class InvalidEventError(ValueError):
    """A message is not a CloudEvent."""


class Event(BaseModel, Generic[DataT]):
    """A fact or a request, with its data."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1)
    source: str = Field(min_length=1)
    type: str
    time: datetime
    subject: str | None = None
    dataschema: str | None = None
    datacontenttype: str = "application/json"
    correlation_id: str | None = Field(default=None, alias="correlationid")
    causation_id: str | None = Field(default=None, alias="causationid")
    traceparent: str | None = None
    data: SerializeAsAny[DataT]

    @property
    def event_type(self) -> EventType:
        """The event type in the contract."""
        return BY_DATA[type(self.data)]

    @property
    def nats_subject(self) -> str:
        """The NATS subject of the event."""
        return self.event_type.subject(self.data)


def derive_id(*parts: str) -> str:
    """Return a uuid5 of the parts. The same cause gives the same id, so that JetStream drops a duplicate."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))


def utc_now() -> datetime:
    """Return the current time in UTC, timezone-aware."""
    return datetime.now(UTC)


class EventSource:
    """Creates the events of one service.

    Args:
        name: name of the service; the CloudEvents `source` is `/klever/<name>`.
        clock: returns the current time, timezone-aware.

    All methods raise ValueError for an event that the service may not publish: NATS would reject it.
    """

    def __init__(self, name: str, clock: Callable[[], datetime] = utc_now) -> None:
        self._name = name
        self._source = f"/klever/{name}"
        self._clock = clock

    def event(self, data: DataT, *, event_id: str, correlation_id: str | None = None) -> Event[DataT]:
        """Create an event with this id. It starts a new correlation unless one is given."""
        return self._make(data, event_id, correlation_id or event_id, None)

    def caused_by(self, cause: Event[Any], data: DataT, *parts: str) -> Event[DataT]:
        """Create an event that another event has caused.

        Its id derives from the cause, the type, the subject and the parts. Events of one cause about several objects
        have different ids.
        """
        return self.caused_by_ids(cause.id, cause.correlation_id or cause.id, data, *parts)

    def caused_by_ids(self, causation_id: str, correlation_id: str, data: DataT, *parts: str) -> Event[DataT]:
        """Like `caused_by`, for a cause of which only the ids are known."""
        event_type = BY_DATA[type(data)]
        event_id = derive_id(causation_id, event_type.type, _subject(event_type, data), *parts)
        return self._make(data, event_id, correlation_id, causation_id)

    def _make(self, data: DataT, event_id: str, correlation: str, causation: str | None) -> Event[DataT]:
        event_type = BY_DATA[type(data)]
        if self._name in PUBLISHERS and self._name not in event_type.producers:
            raise ValueError(f"{self._name} does not publish {event_type.type}: add it to kleverproto.publishers")
        return Event(
            id=event_id,
            source=self._source,
            type=event_type.type,
            time=self._clock(),
            subject=_subject(event_type, data),
            dataschema=event_type.dataschema,
            correlation_id=correlation,
            causation_id=causation,
            data=data,
        )


def _subject(event_type: EventType, data: WireModel) -> str:
    return "/".join(event_type.names(data))


def encode(event: Event[Any]) -> tuple[dict[str, str], bytes]:
    """Return headers and payload of the binary form."""
    attributes = event.model_dump(mode="json", exclude={"data"}, exclude_none=True)
    headers = {f"{HEADER_PREFIX}{name}": _quote(value) for name, value in attributes.items()}
    headers[MESSAGE_ID] = event.id
    return headers, event.data.model_dump_json().encode()


def parse(headers: Mapping[str, str], body: bytes) -> Event[Any]:
    """Parse a message in either form. The data is validated by the contract's model for the type.

    Raises:
        InvalidEventError: the message is not a CloudEvent, or not one of the contract.
    """
    fields = _fields(headers, body)
    event_type = BY_TYPE.get(str(fields.get("type")))
    if event_type is None:
        raise InvalidEventError(f"the contract has no event type {fields.get('type')!r}")
    model = Event[event_type.data]  # type: ignore[name-defined] # chosen at run time
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidEventError(f"not a valid {event_type.type}: {describe_mistakes(error, model)}") from error


def _fields(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    lowered = {name.lower(): value for name, value in headers.items()}
    payload = _json(body)
    if lowered.get("content-type", "").lower().startswith(STRUCTURED):
        if not isinstance(payload, dict):
            raise InvalidEventError("a structured CloudEvent is a JSON object")
        return payload
    attributes: dict[str, Any] = {
        name.removeprefix(HEADER_PREFIX): _unquote(value)
        for name, value in lowered.items()
        if name.startswith(HEADER_PREFIX)
    }
    if "type" not in attributes:
        raise InvalidEventError("not a CloudEvent: it has no ce-type header and is not in structured form")
    return attributes | {"data": payload}


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidEventError(f"the payload is not JSON: {error}") from error


def _quote(value: str) -> str:
    return _UNSAFE_HEADER.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), value)


def _unquote(value: str) -> str:
    try:
        return unquote(value.removeprefix('"').removesuffix('"'), errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidEventError(f"a ce- header is not UTF-8: {value!r}") from error
