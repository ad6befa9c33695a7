"""Descriptions of tags, parameters, headers and errors in the OpenAPI document."""

from klever_gateway.routes.common.operation import Failure
from kleverproto.codes import (
    ALREADY_EXISTS,
    GENERATION_MISMATCH,
    INVALID,
    MALFORMED_JSON,
    NOT_FOUND,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
)

TAGS = {
    "platform": "The version and the addresses of the platform.",
    "models": "The catalogue of model versions. A version is added when it is pushed to the registry.",
    "jobs": "Work on models, such as extracting their signature.",
    "servings": "Model versions behind a URL.",
    "events": "Events of models, jobs and servings.",
}
PATH_PARAMETERS = {
    "project": ("First part of the repository's name.", "library"),
    "model": ("The rest of the repository's name.", "iris"),
    "version": ("The tag.", "v1"),
    "namespace": ("Separates names of different teams; a DNS label.", "default"),
    "name": ("The serving's name, a DNS label.", "iris"),
    "id": ("The job's id.", "2b3f4d0e-6c5b-5d0c-9b1e-0e6b8e4f7a10"),
}
REQUEST_HEADERS = {
    "If-Match": (
        "The generation that the change is based on; the response is 412 if the serving has another one.",
        "1",
    ),
    "Idempotency-Key": (
        "Identifies the request. It is carried out once, even if it is repeated within two minutes at any gateway.",
        "8e03978e-40d5-43dd-bc93-6894a57f9324",
    ),
    "Last-Event-ID": ("The `id` of the last event seen.", "12-30-7"),
}
SECURITY_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Content of the file `token` in the platform's home. Browsers log in with `klever login-link`.",
    },
}
RESPONSE_HEADERS = {
    "X-Correlation-Id": "The attribute `correlationid` of every event that results from the request.",
    "ETag": "The generation, for `If-Match`.",
}
FAILURES = {
    Failure.UNAUTHORIZED: (
        "The token is missing or invalid.",
        UNAUTHORIZED,
        "the request has no token: send `Authorization: Bearer` with the content of the file `token`",
    ),
    Failure.MALFORMED: ("The body is not JSON.", MALFORMED_JSON, "the body is not JSON: EOF at line 1"),
    Failure.NOT_FOUND: ("The object does not exist.", NOT_FOUND, "there is no serving iris in default"),
    Failure.CONFLICT: (
        "The object exists already, or has finished.",
        ALREADY_EXISTS,
        "serving iris exists in default: replace it with PUT, or delete it",
    ),
    Failure.GENERATION_MISMATCH: (
        "The serving was changed meanwhile.",
        GENERATION_MISMATCH,
        "the serving is at generation 3, not at generation 2: read it again and repeat the change",
    ),
    Failure.UNSUPPORTED_MEDIA_TYPE: (
        "The body is not declared as JSON.",
        UNSUPPORTED_MEDIA_TYPE,
        "send the body with Content-Type: application/json, not text/plain",
    ),
    Failure.INVALID: ("The request cannot be accepted; `errors` lists the problems.", INVALID, "see query.limit"),
    Failure.UNAVAILABLE: (
        "The event bus cannot be reached; nothing was stored.",
        UNAVAILABLE,
        "NATS cannot be reached, so nothing was stored: try again in a moment",
    ),
}
