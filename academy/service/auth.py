"""Who may talk to the service: our Host, our Origin, and a token of ours.

The service listens on loopback only, but every web page in the learner's browser can reach loopback
too. A request is refused when its ``Host`` is not ours (a name that was rebound to 127.0.0.1), when
its ``Origin`` is a foreign page, and, on all but the open paths, when it carries no token.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from academy.errors import AcademyError, Forbidden, Unauthenticated
from academy.service.arm import canonical_path, error_response
from academy.service.state import ServiceState
from academy.signing import AUDIENCE, Signer, Use

SESSION_S = 12 * 3600

# A link from `academy open` is good for one minute: it may end in the browser's history.
LOGIN_S = 60

# What a browser shows that is not signed in, such as at the address of a job's page.
_SIGN_IN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Academy: sign in</title>
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 38em; margin: 4em auto; padding: 0 1em">
<h1>This page is for you, once you are signed in</h1>
<p>It belongs to the Academy service on this machine, and this browser has not said yet who it is.</p>
<p>In a terminal, run <code>academy open</code>. It opens MLflow's page, signed in for twelve hours.
Then load this page again.</p></body></html>"""

# These answer without a token of the service: where it is (the SDK asks for both without one), and what
# checks a secret of its own.
_OPEN = re.compile(r"/(health|login|metadata/endpoints|identity/token)$|/(discovery|online)/")

# These take a token, a cookie or the caller's own scheme; all others take the token.
_TOKEN = re.compile(
    r"/(subscriptions|providers|discovery|history|artifact|data|modelregistry|mlflow|academy|studio)(/|$)"
)


class Gate:
    """ASGI middleware that lets in only what is ours, and notes who it is in ``request.state.who``."""

    def __init__(
        self, app: ASGIApp, *, signer: Signer, refuse: Callable[[str, str, str], None] | None = None
    ) -> None:
        self._app = app
        self._signer = signer
        self._cookie = cookie_name(signer)
        # Refuses (who, method, path) of callers who may not do everything: a job's token.
        self._refuse = refuse

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
                who = self._who(headers, scope["method"])
                if self._refuse is not None:
                    self._refuse(who, scope["method"], scope["path"])
                scope.setdefault("state", {})["who"] = who
        except AcademyError as error:
            await _refusal(error, headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _who(self, headers: Headers, method: str) -> str:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return str(self._signer.verify_token(token.strip())["upn"])
        session = _cookie(headers, self._cookie)
        if session is not None:
            _check_own_page(headers, method)
            return str(self._signer.verify_token(session, use=Use.SESSION)["upn"])
        raise Unauthenticated(
            "This call carries no token. Call academy.connect() or %load_ext academy; for a page in the "
            "browser, run 'academy open'."
        )


def cookie_name(signer: Signer) -> str:
    """Return the cookie of this home: browsers send cookies to every port of a host."""
    return f"academy_{signer.secret('cookie')[:12]}"


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the login of pages, the managed identity, and the health probe."""
    spent: dict[str, float] = {}

    def login(request: Request) -> Response:
        claims = state.signer.verify_token(request.query_params.get("code", ""), use=Use.LOGIN)
        _spend(spent, claims)
        target = request.query_params.get("next", "/mlflow/")
        if not target.startswith("/") or target.startswith(("//", "/\\")):
            raise Forbidden(f"The page {target!r} is not one of this service's.")
        session = state.signer.token(claims["upn"], lifetime_s=SESSION_S, use=Use.SESSION)
        answer = RedirectResponse(target, status_code=303)
        answer.set_cookie(
            cookie_name(state.signer), session, max_age=SESSION_S, httponly=True, samesite="strict"
        )
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
        Route("/", lambda _request: RedirectResponse("/mlflow/")),
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


def _check_own_page(headers: Headers, method: str) -> None:
    """Refuse a cookie that another page of this machine sent along: all ports of a host are one site."""
    if method not in ("GET", "HEAD") and headers.get("origin") is None:
        raise Forbidden("A page's call that changes something must carry its Origin.")
    site = headers.get("sec-fetch-site", "same-origin")
    # A link that is followed, such as one in JupyterLab, shows the page and nothing else.
    followed = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
    if site not in ("same-origin", "none") and not (followed and method == "GET"):
        raise Forbidden("Calls of another page are refused, with this service's cookie too.")


def _spend(spent: dict[str, float], claims: dict[str, Any]) -> None:
    """Let each login code in once: it may be seen in the browser's command line for its minute."""
    now = time.time()
    for code in [code for code, expires in spent.items() if expires < now]:
        del spent[code]
    if claims["jti"] in spent:
        raise Unauthenticated("This link was used already. Run 'academy open' for a new one.")
    spent[claims["jti"]] = claims["exp"]


def _cookie(headers: Headers, name: str) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return None if morsel is None else morsel.value


def _refusal(error: AcademyError, headers: Headers) -> Response:
    if "text/html" in headers.get("accept", "") and isinstance(error, Unauthenticated):
        return HTMLResponse(_SIGN_IN, status_code=error.http_status)
    if "text/html" in headers.get("accept", ""):
        return PlainTextResponse(error.message, status_code=error.http_status)
    response = error_response(error)
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
