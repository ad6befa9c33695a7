"""The documentation of the API: the OpenAPI document, and a page that renders it."""

from http import HTTPStatus

import swagger_ui_bundle
from aiohttp import web

from klever_gateway.routes.common.access import PAGE_KEY
from klever_gateway.routes.common.keys import OPENAPI
from klever_gateway.routes.common.operation import JSON, Operation, Success

DOCS = "/docs"
ASSETS = "/docs/assets"
OPENAPI_PATH = "/openapi.json"

PAGE_KEY_ITEM = "klever-page-key"
"""Key of the browser's storage under which the pages keep the page key of their session."""
PAGE = f"""<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Klever API</title>
  <link rel="icon" href="{ASSETS}/favicon-32x32.png">
  <link rel="stylesheet" href="{ASSETS}/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="{ASSETS}/swagger-ui-bundle.js"></script>
  <script>
    const withPageKey = (request) => {{
      request.headers["{PAGE_KEY}"] = localStorage.getItem("{PAGE_KEY_ITEM}") ?? "";
      return request;
    }};
    SwaggerUIBundle({{
      url: "{OPENAPI_PATH}", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
      requestInterceptor: withPageKey,
    }});
  </script>
</body>
</html>
"""


async def get_openapi(request: web.Request) -> web.Response:
    """Return the OpenAPI document."""
    return web.Response(text=request.app[OPENAPI], content_type=JSON)


async def get_docs(_request: web.Request) -> web.Response:
    """Return the page that renders the OpenAPI document."""
    return web.Response(text=PAGE, content_type="text/html")


async def redirect_to_docs(_request: web.Request) -> web.Response:
    """Redirect from `/` to the documentation."""
    return web.Response(status=HTTPStatus.FOUND, headers={"Location": DOCS})


def add_pages(app: web.Application) -> None:
    """Add the pages. All of their assets are served from here."""
    app.router.add_get("/", redirect_to_docs)
    app.router.add_get(DOCS, get_docs)
    app.router.add_static(ASSETS, str(swagger_ui_bundle.swagger_ui_path))


OPERATIONS = (
    Operation(
        id="getOpenapi",
        method="GET",
        path=OPENAPI_PATH,
        handler=get_openapi,
        tag="platform",
        summary="Get this document",
        success=Success(description="OpenAPI 3.1.", example={"openapi": "3.1.0"}),
    ),
)
