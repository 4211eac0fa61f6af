"""``/academy/…`` in the Jupyter server: what the labs page asks for, as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from academy.errors import AcademyError, InvalidField, UserError, choices
from academy.jupyterlab.desk import Desk
from academy.labs.language import texts

AREA = "page"


class _Labs(APIHandler):
    """What all of them share: who may ask, the work done beside the event loop, errors as JSON."""

    auth_resource = "academy"

    async def answer(self, work: Callable[[], Any]) -> None:
        """Send what ``work`` returns. It waits for the service and the disk, so it has a thread."""
        try:
            found = await asyncio.to_thread(work)
        except AcademyError as error:
            self.set_status(error.http_status)
            found = {"message": error.message, "code": error.code, "target": error.target}
        await self.finish(json.dumps(found))

    @property
    def desk(self) -> Desk:
        return Desk(Path(self.settings["server_root_dir"]).expanduser().resolve())


class Strings(_Labs):
    """The page's texts, in the language that the page asks for or that of this session."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        said = texts(self.get_query_argument("language", None))
        await self.finish({"language": said.language, "strings": said.area(AREA)})


class Cards(_Labs):
    """All labs."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        await self.answer(self.desk.labs)


class Card(_Labs):
    """One lab, with its steps and tasks."""

    @web.authenticated
    @authorized
    async def get(self, lab: str) -> None:
        await self.answer(lambda: self.desk.lab(lab))


class Act(_Labs):
    """What a learner does with a lab: ``POST /academy/labs/LAB/VERB`` with ``{"task": …, "step": …}``."""

    @web.authenticated
    @authorized
    async def post(self, lab: str, verb: str) -> None:
        await self.answer(lambda: self._done(lab, verb))

    def _done(self, lab: str, verb: str) -> dict[str, Any]:
        desk, body = self.desk, self._body()
        acts: dict[str, Callable[[], dict[str, Any]]] = {
            "start": lambda: desk.start(lab),
            "open": lambda: desk.open(lab),
            "hint": lambda: desk.hint(lab, _text(body, "task")),
            "solution": lambda: desk.solution(lab, _text(body, "task")),
            "reset": lambda: desk.reset(lab, _text(body, "step") if body.get("step") else None),
            "submit": lambda: desk.submit(lab),
        }
        if verb not in acts:
            raise UserError(f"A lab knows no {verb!r}. Choose from {choices(acts)}.")
        return acts[verb]()

    def _body(self) -> dict[str, Any]:
        try:
            body = json.loads(self.request.body or b"{}")
        except ValueError as error:
            raise UserError(f"The request's body is not JSON: {error}.") from error
        if not isinstance(body, dict):
            raise UserError(f"The request's body is {body!r}, not an object.")
        return body


class Address(JupyterHandler):
    """``/academy/page[/LAB]``, an address for the browser: JupyterLab, with the page in front."""

    @web.authenticated
    async def get(self, lab: str | None = None) -> None:
        self.redirect(url_path_join(self.base_url, f"lab?academy={lab or ''}"))


def handlers(base_url: str) -> list[tuple[str, type[web.RequestHandler]]]:
    """Return the routes below the Jupyter server's own address."""
    lab = r"([a-z0-9-]+)"
    routes: list[tuple[str, type[web.RequestHandler]]] = [
        (r"academy/page", Address),
        (rf"academy/page/{lab}", Address),
        (r"academy/strings", Strings),
        (r"academy/labs", Cards),
        (rf"academy/labs/{lab}", Card),
        (rf"academy/labs/{lab}/([a-z]+)", Act),
    ]
    return [(url_path_join(base_url, path), handler) for path, handler in routes]


def _load_jupyter_server_extension(server: Any) -> None:
    """Jupyter Server calls this when it starts."""
    server.web_app.add_handlers(".*$", handlers(server.web_app.settings["base_url"]))


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidField(f"The request's {name} is {value!r}; it takes the id of a {name}.", target=name)
    return value
