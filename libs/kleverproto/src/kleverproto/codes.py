"""All codes of problems.

Codes are stable, for programs. Messages are for people and may change. Documents with a problem, events such as
JobFailed and ServingFailed, and error responses of the HTTP API (RFC 9457) have a code. The codes of the distribution
API are those of the OCI specification, and are not listed here.
"""

from dataclasses import dataclass

CODES: dict[str, "Code"] = {}
"""Descriptions by code."""


@dataclass(frozen=True)
class Code:
    """The description of a code."""

    code: str
    meaning: str
    services: tuple[str, ...]
    """Services that report the code."""
    status: int | None
    """Status of HTTP responses with the code; None if only documents and events have it."""


def _code(code: str, meaning: str, services: str, status: int | None = None) -> str:
    if code in CODES:
        raise ValueError(f"the code {code} is defined twice")
    CODES[code] = Code(code, meaning, tuple(services.split()), status)
    return code


_ALL = "registry jobrunner deployer gateway"

# Of every service
INTERNAL = _code("internal", "Internal error of the service; its log has the details.", _ALL, 500)
UNAVAILABLE = _code("unavailable", "A required service does not respond; the request can be repeated later.", _ALL, 503)
INVALID = _code("invalid", "The request or document is not valid; the message has the fields.", _ALL, 422)
NOT_FOUND = _code("not_found", "The object does not exist.", _ALL, 404)
CONFLICT = _code("conflict", "The document was changed by another writer at the same time.", _ALL, 503)
TOO_LARGE = _code("too_large", "The content does not fit into a NATS message.", _ALL, 413)
NO_HOME_DIRECTORY = _code(
    "no_home_directory", "The path of a setting begins with ~, and the user has no home directory.", _ALL
)
DISK_FULL = _code("disk_full", "The disk has no free space; the job stays Pending until it has.", "jobrunner")

# Of requests to the HTTP API
UNAUTHORIZED = _code("unauthorized", "The request has no valid token.", "gateway", 401)
LOGIN_LINK_NOT_VALID = _code("login_link_not_valid", "The login link has expired or was used.", "gateway", 403)
FOREIGN_ORIGIN = _code("foreign_origin", "The request comes from a page of another origin.", "gateway", 403)
NO_SUCH_ROUTE = _code("no_such_route", "The API has no such path.", "gateway", 404)
METHOD_NOT_ALLOWED = _code("method_not_allowed", "The path does not support this method.", "gateway", 405)
UNKNOWN_HOST = _code("unknown_host", "The request is for a host name that is not the gateway's.", "gateway", 421)
HEADERS_TOO_LARGE = _code("headers_too_large", "The request's headers are too large.", "gateway", 431)
BODY_TOO_LARGE = _code("body_too_large", "The request's body is too large.", "gateway", 413)
HTTP_ERROR = _code("http_error", "The request is not valid HTTP, or the response is not Klever's.", "gateway", 400)
MALFORMED_JSON = _code("malformed_json", "The request's body is not JSON.", "gateway", 400)
UNSUPPORTED_MEDIA_TYPE = _code("unsupported_media_type", "The body is not declared as JSON.", "gateway", 415)
ALREADY_EXISTS = _code("already_exists", "The name is in use.", "gateway", 409)
JOB_FINISHED = _code("job_finished", "The job has finished and cannot be cancelled.", "gateway", 409)
JOB_NOT_RETRIABLE = _code("job_not_retriable", "The job has neither failed nor been cancelled.", "gateway", 409)
MODEL_SERVED = _code("model_served", "The version is served and cannot be deleted.", "gateway", 409)
NO_ROLLOUT = _code("no_rollout", "The serving has no rollout in progress.", "gateway", 409)
GENERATION_MISMATCH = _code(
    "generation_mismatch", "The document is not at the generation that the request expects.", "gateway", 412
)
DIGEST_NOT_FOUND = _code("digest_not_found", "The version has no such digest in its history.", "gateway", 422)

# Of models
MODEL_NOT_FOUND = _code(
    "model_not_found", "The version is not in the catalogue or in its registry.", "jobrunner deployer gateway", 422
)
OTHER_REGISTRY = _code(
    "other_registry", "The version is in another registry: delete it there.", "registry gateway", 409
)
PULL_FAILED = _code("pull_failed", "The model cannot be pulled from its registry.", "jobrunner deployer")
PUSH_FAILED = _code("push_failed", "The result cannot be pushed to the registry.", "jobrunner")
INVALID_MODEL = _code("invalid_model", "The files of the model cannot be parsed.", "jobrunner deployer gateway", 422)
UNSUPPORTED_FORMAT = _code("unsupported_format", "The format of the model is not supported.", "jobrunner deployer")
UNSERVABLE_MODEL = _code(
    "unservable_model", "No model server supports the signature.", "jobrunner deployer gateway", 422
)
UNSAFE_MODEL = _code(
    "unsafe_model", "Loading the model may run code, and the project blocks that.", "jobrunner deployer gateway", 422
)
NOT_SCANNED = _code(
    "model_not_scanned", "The version is not scanned, and the project requires it.", "jobrunner deployer gateway", 422
)

# Of jobs
UNSUPPORTED_KIND = _code("unsupported_kind", "The jobrunner does not run jobs of this kind.", "jobrunner")
SIGNATURE_TOO_LARGE = _code("signature_too_large", "The signature does not fit into a NATS message.", "jobrunner")
OUT_OF_MEMORY = _code("out_of_memory", "The job needs more memory than its limit.", "jobrunner")
TIMED_OUT = _code("timed_out", "The job needs more time than its limit.", "jobrunner")
WORKER_DIED = _code("worker_died", "The worker process exited without a result.", "jobrunner")
NOT_STARTED = _code("not_started", "The cluster does not run the pod of the job.", "jobrunner")
INVALID_SAMPLES = _code("invalid_samples", "The samples of the request cannot be used.", "jobrunner")
UNSUPPORTED_CONVERSION = _code("unsupported_conversion", "No conversion leads to the format.", "jobrunner")
UNSUPPORTED_OPERATOR = _code("unsupported_operator", "A conversion does not support an operator.", "jobrunner")
INPUT_SHAPE_NEEDED = _code("input_shape_needed", "The conversion requires the shape of an input.", "jobrunner")
VERIFICATION_FAILED = _code("verification_failed", "The result does not agree with its source.", "jobrunner")
NOT_VERIFIED = _code("not_verified", "The result could not be compared with its source.", "jobrunner")
TOOLCHAIN_FAILED = _code("toolchain_failed", "A tool failed, or cannot be installed.", "jobrunner deployer")
UNSANDBOXED = _code("unsandboxed", "The model may run code, and this system cannot confine it.", "jobrunner deployer")

# Of servings
INVALID_EXPRESSION = _code("invalid_expression", "A regular expression is not valid RE2.", "deployer gateway", 422)
COMMANDS_NOT_ALLOWED = _code(
    "commands_not_allowed", "The platform does not run commands of users.", "deployer gateway", 422
)
UNSUPPORTED_HERE = _code(
    "unsupported_here",
    "This machine or cluster cannot provide what the serving or job requires.",
    "jobrunner deployer gateway",
    422,
)
UNSUPPORTED_PARAMETERS = _code("unsupported_parameters", "The runtime does not support the parameters.", "deployer")
CONVERSION_FAILED = _code("conversion_failed", "The conversion that the serving requires has failed.", "deployer")
MODEL_SERVER_FAILED = _code("model_server_failed", "A model server does not become ready, or exits.", "deployer")
NO_REPLICAS = _code("no_replicas", "No replica of a variant is ready.", "deployer")
NO_ROUTE = _code("no_route", "The ingress does not route requests to the serving.", "deployer")
DATA_PLANE_UNAVAILABLE = _code("data_plane_unavailable", "Envoy does not answer.", "deployer")
REFUSED_BY_PROXY = _code(
    "refused_by_proxy", "The data plane does not support the routes of the serving.", "deployer gateway", 422
)
ROLLOUT_ABORTED = _code("rollout_aborted", "The rollout was aborted.", "deployer")
ANALYSIS_FAILED = _code("analysis_failed", "The new version did not meet the criteria of its rollout.", "deployer")

# Of the registry
USAGE_UNKNOWN = _code("usage_unknown", "The registry has not read yet which models are served.", "registry")
STORAGE = _code("storage", "The registry's disk cannot be read or written.", "registry")
UNKNOWN_PAYLOAD = _code("unknown_payload", "The notification of another registry cannot be parsed.", "registry")
WRONG_SECRET = _code("wrong_secret", "The notification does not have the shared secret.", "registry")
