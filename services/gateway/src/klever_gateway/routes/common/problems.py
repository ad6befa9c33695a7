"""Errors as clients see them: RFC 9457 problem details with a stable code."""

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
    """One thing wrong with one field of the request."""

    field: str
    """Path of the field, such as `spec.variants.0.model`."""
    message: str
    """What is wrong and what to do."""


class ProblemDetails(WireModel):
    """An error, as RFC 9457 has it, with a stable code."""

    type: str
    """A URI for the kind of error: `urn:klever:problem:<code>`."""
    title: str
    status: int
    detail: str
    """What happened and what to do."""
    code: str
    """snake_case and stable, for programs."""
    errors: tuple[ProblemField, ...] | None = None
    """What is wrong, by field."""


def problem(status: int, code: str, detail: str, *, errors: tuple[FieldError, ...] = ()) -> ProblemDetails:
    """The problem with these particulars."""
    return ProblemDetails(
        type=f"urn:klever:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        errors=tuple(ProblemField(field=error.field, message=error.message) for error in errors) or None,
    )


def problem_of(error: KleverError) -> ProblemDetails | None:
    """The problem that a client gets for an error; None for a fault of the gateway."""
    for kind, status in STATUS:
        if isinstance(error, kind):
            errors = error.errors if isinstance(error, InvalidRequestError) else ()
            return problem(status, error.code, str(error), errors=errors)
    return None


def problem_of_http(error: web.HTTPException, method: str, path: str) -> ProblemDetails:
    """The problem that a client gets if the router refuses the request."""
    code = HTTP_CODES.get(error.status, HTTP_ERROR)
    detail = {
        404: f"nothing is served under {path}: /docs lists what is",
        405: f"{path} does not take {method}: see the Allow header",
        413: "the body is larger than 1 MiB",
    }.get(error.status, error.reason)
    return problem(error.status, code, detail)


def refusal(status: int, message: str) -> web.Response:
    """The answer to a request that no handler sees."""
    return problem_response(problem(status, HTTP_CODES.get(status, HTTP_ERROR), message))


def problem_response(details: ProblemDetails, headers: dict[str, str] | None = None) -> web.Response:
    """The response that carries a problem."""
    sent = dict(headers or {})
    if details.status == HTTPStatus.SERVICE_UNAVAILABLE:
        sent["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if details.status == HTTPStatus.UNAUTHORIZED:
        sent["WWW-Authenticate"] = 'Bearer realm="klever"'
    body = details.model_dump_json(exclude_none=True)
    return web.Response(text=body, status=details.status, content_type=MEDIA_TYPE, headers=sent)
