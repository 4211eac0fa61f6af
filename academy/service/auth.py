"""Who may talk to the service: our Host, our Origin, and a token of ours.

The service listens on loopback only, but every web page in the learner's browser can reach loopback
too. A request is refused when its ``Host`` is not ours (a name that was rebound to 127.0.0.1), when
its ``Origin`` is a foreign page, and, on all but the open paths, when it carries no token.
"""

from __future__ import annotations

import hmac
import re
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from academy.errors import AcademyError, Forbidden, Unauthenticated
from academy.service.arm import canonical_path, error_response
from academy.service.state import ServiceState
from academy.signing import AUDIENCE, Signer

COOKIE = "academy_session"
SESSION_S = 12 * 3600

# A link from `academy open` is good for one minute: it may end in the browser's history.
LOGIN_S = 60

# These answer without a token of the service: where it is (the SDK asks for both without one), and what
# checks a secret of its own.
_OPEN = re.compile(r"/(health|login|metadata/endpoints|identity/token)$|/(discovery|online)/")

# These take a token, a cookie or the caller's own scheme; all others take the token.
_TOKEN = re.compile(
    r"/(subscriptions|providers|discovery|history|artifact|data|modelregistry|mlflow|academy|studio)(/|$)"
)


class Gate:
    """ASGI middleware that lets in only what is ours, and notes who it is in ``request.state.who``."""

    def __init__(self, app: ASGIApp, *, signer: Signer) -> None:
        self._app = app
        self._signer = signer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        scope["path"] = canonical_path(scope["path"])
        headers = Headers(scope=scope)
        try:
            _check_host(headers, scope["server"][1])
            _check_origin(headers, scope["server"][1])
            if not _OPEN.match(scope["path"]) and _TOKEN.match(scope["path"]):
                scope.setdefault("state", {})["who"] = self._who(headers)
        except AcademyError as error:
            await _refusal(error, headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _who(self, headers: Headers) -> str:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return str(self._signer.verify_token(token.strip())["upn"])
        session = _cookie(headers)
        if session is not None:
            return str(self._signer.verify_token(session)["upn"])
        raise Unauthenticated(
            "This call carries no token. Call academy.connect() or %load_ext academy; for a page in the "
            "browser, run 'academy open'."
        )


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the login of pages, the managed identity, and the health probe."""

    def login(request: Request) -> Response:
        claims = state.signer.verify_token(request.query_params.get("code", ""))
        target = request.query_params.get("next", "/mlflow/")
        if not target.startswith("/") or target.startswith(("//", "/\\")):
            raise Forbidden(f"The page {target!r} is not one of this service's.")
        session = state.signer.token(claims["upn"], lifetime_s=SESSION_S)
        answer = RedirectResponse(target, status_code=303)
        answer.set_cookie(COOKIE, session, max_age=SESSION_S, httponly=True, samesite="strict")
        return answer

    def managed_identity(request: Request) -> Response:
        given = request.headers.get("x-identity-header", "")
        expected = state.home.token_file.read_text().strip()
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise Unauthenticated("X-IDENTITY-HEADER does not hold this home's token.")
        claims = state.signer.verify_token(expected)
        resource = request.query_params.get("resource") or AUDIENCE
        # The SDK refuses to submit a pipeline with a token whose audience is not the one it asked for.
        token = state.signer.token(claims["upn"], audience=resource)
        return JSONResponse(_identity_answer(token, claims["exp"], resource))

    def health(_request: Request) -> Response:
        return PlainTextResponse("ok")

    return [
        Route("/login", login),
        Route("/identity/token", managed_identity),
        Route("/health", health),
    ]


def _identity_answer(token: str, expires_on: int, resource: str) -> dict[str, str]:
    # The answer of App Service's managed identity endpoint, which azure-identity asks for its token:
    # https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
    return {
        "access_token": token,
        "expires_on": str(expires_on),
        "resource": resource,
        "token_type": "Bearer",
    }


def _check_host(headers: Headers, port: int) -> None:
    host = headers.get("host", "")
    if host not in (f"127.0.0.1:{port}", f"localhost:{port}"):
        raise Forbidden(f"The Host {host!r} is not this service. Use 127.0.0.1:{port}.")


def _check_origin(headers: Headers, port: int) -> None:
    origin = headers.get("origin")
    if origin is not None and origin not in (f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
        raise Forbidden(f"Requests of the page {origin!r} are refused: it is not one of this service's.")


def _cookie(headers: Headers) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if morsel is None else morsel.value


def _refusal(error: AcademyError, headers: Headers) -> Response:
    if "text/html" in headers.get("accept", ""):
        return PlainTextResponse(error.message, status_code=error.http_status)
    response = error_response(error)
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
