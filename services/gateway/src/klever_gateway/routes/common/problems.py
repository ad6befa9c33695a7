"""Error responses: RFC 9457 problem details with a stable code."""

from http import HTTPStatus

from aiohttp import web

from klever_gateway.errors import (
    AlreadyExistsError,
    FieldError,
    GenerationMismatchError,
    InvalidRequestError,
    JobFinishedError,
    JobNotRetriableError,
    LoginLinkError,
    MalformedRequestError,
    ModelServedError,
    NoRolloutError,
    OtherRegistryError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)
from kleverkit.errors import KleverError, NotFoundError, TooLargeError, TransientError
from kleverproto.base import WireModel
from kleverproto.codes import (
    BODY_TOO_LARGE,
    FOREIGN_ORIGIN,
    HEADERS_TOO_LARGE,
    HTTP_ERROR,
    METHOD_NOT_ALLOWED,
    NO_SUCH_ROUTE,
    UNKNOWN_HOST,
)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1

STATUS: tuple[tuple[type[KleverError], HTTPStatus], ...] = (
    (UnauthorizedError, HTTPStatus.UNAUTHORIZED),
    (LoginLinkError, HTTPStatus.FORBIDDEN),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (AlreadyExistsError, HTTPStatus.CONFLICT),
    (JobFinishedError, HTTPStatus.CONFLICT),
    (JobNotRetriableError, HTTPStatus.CONFLICT),
    (ModelServedError, HTTPStatus.CONFLICT),
    (NoRolloutError, HTTPStatus.CONFLICT),
    (OtherRegistryError, HTTPStatus.CONFLICT),
    (GenerationMismatchError, HTTPStatus.PRECONDITION_FAILED),
    (UnsupportedMediaTypeError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (MalformedRequestError, HTTPStatus.BAD_REQUEST),
    (InvalidRequestError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (TransientError, HTTPStatus.SERVICE_UNAVAILABLE),
)
HTTP_CODES = {
    403: FOREIGN_ORIGIN,
    404: NO_SUCH_ROUTE,
    405: METHOD_NOT_ALLOWED,
    413: BODY_TOO_LARGE,
    421: UNKNOWN_HOST,
    431: HEADERS_TOO_LARGE,
}


class ProblemField(WireModel):
    """A problem with one field of the request."""

    field: str
    """Path of the field, such as `spec.variants.0.model`."""
    message: str
    """The problem and its remedy."""


class ProblemDetails(WireModel):
    """An error (RFC 9457) with a stable code."""

    type: str
    """A URI for the kind of error: `urn:klever:problem:<code>`."""
    title: str
    status: int
    detail: str
    """The problem and its remedy, as a sentence."""
    code: str
    """Stable code for programs, in snake_case."""
    errors: tuple[ProblemField, ...] | None = None
    """Problems by field."""


def problem(status: int, code: str, detail: str, *, errors: tuple[FieldError, ...] = ()) -> ProblemDetails:
    """Create problem details."""
    return ProblemDetails(
        type=f"urn:klever:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        errors=tuple(ProblemField(field=error.field, message=error.message) for error in errors) or None,
    )


def problem_of(error: KleverError) -> ProblemDetails | None:
    """Return the problem for an error; None for an internal error of the gateway."""
    for kind, status in STATUS:
        if isinstance(error, kind):
            errors = error.errors if isinstance(error, InvalidRequestError) else ()
            return problem(status, error.code, str(error), errors=errors)
    return None


def problem_of_http(error: web.HTTPException, method: str, path: str) -> ProblemDetails:
    """Return the problem for a request that the router rejects."""
    code = HTTP_CODES.get(error.status, HTTP_ERROR)
    detail = {
        404: f"the API has no path {path}: see /docs for all paths",
        405: f"{path} does not support {method}: see the Allow header",
        413: "the body is larger than 1 MiB",
    }.get(error.status, error.reason)
    return problem(error.status, code, detail)


def refusal(status: int, message: str) -> web.Response:
    """Return the response to a request that is rejected before it reaches a handler."""
    return problem_response(problem(status, HTTP_CODES.get(status, HTTP_ERROR), message))


def problem_response(details: ProblemDetails, headers: dict[str, str] | None = None) -> web.Response:
    """Return the response for a problem."""
    sent = dict(headers or {})
    if details.status == HTTPStatus.SERVICE_UNAVAILABLE:
        sent["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if details.status == HTTPStatus.UNAUTHORIZED:
        sent["WWW-Authenticate"] = 'Bearer realm="klever"'
    body = details.model_dump_json(exclude_none=True)
    return web.Response(text=body, status=details.status, content_type=MEDIA_TYPE, headers=sent)
