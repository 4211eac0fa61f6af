"""The places where the SDK itself is changed, all of them, and how to change them back."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy

from academy.client.credential import MachineCredential
from academy.errors import AcademyError

CLOUD = "AcademyCloud"

_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost):\d+/")
_SCHEMAS = re.compile(r"https://azuremlschemas[a-z]*\.azureedge\.net/")
_CONFIG_NAMES = ("config.json", "project.json")


@dataclass(frozen=True)
class Replaced:
    """A method of a class before it was replaced; ``own`` is None when the class inherited it."""

    owner: type
    name: str
    own: Any


def import_sdk() -> Any:
    """Import the SDK, a third faster than it comes by itself."""
    with quick_jsonschema():
        return importlib.import_module("azure.ai.ml")


@contextlib.contextmanager
def quick_jsonschema() -> Iterator[None]:
    """Have ``jsonschema`` imported in here without the grammar of ``rfc3987_syntax``.

    It compiles that when it is there (JupyterLab brings it), in 1.4 to 2.5 seconds, for a format that
    neither the SDK nor notebooks check.
    """
    module = "rfc3987_syntax"
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # what the import system takes for "not there"
    try:
        yield
    finally:
        del sys.modules[module]


def storage_urls() -> MutableMapping[str, str]:
    """Return the dictionary from which the SDK builds the addresses of storage accounts."""
    import_sdk()
    constants = importlib.import_module("azure.ai.ml.constants._common")
    urls = getattr(constants, "STORAGE_ACCOUNT_URLS", None)
    if not isinstance(urls, dict) or set(urls) != {"AzureBlob", "AzureDataLakeGen2", "AzureFile"}:
        version = importlib.import_module("azure.ai.ml").__version__
        raise AcademyError(
            f"azure-ai-ml {version} is not supported: its STORAGE_ACCOUNT_URLS has moved or changed. "
            "Install 1.35.2."
        )
    return urls


def replace_methods() -> Iterator[Replaced]:
    """Replace each method that needs it, once, and yield what was in the class's own body before."""
    identity = importlib.import_module("azure.identity")
    client = import_sdk().MLClient
    replacements: list[tuple[type, str, Callable[[Any], Any]]] = [
        (BearerTokenCredentialPolicy, "on_request", _plain_http_on_loopback),
        (client, "__init__", _client_of_this_cloud),
        (client, "from_config", _config_or_default),
    ]
    for asks_a_person in (identity.InteractiveBrowserCredential, identity.DeviceCodeCredential):
        replacements += [
            (asks_a_person, "get_token", _answered_here),
            (asks_a_person, "get_token_info", _answered_here),
            (asks_a_person, "authenticate", _refused_here),
        ]
    for owner, name, around in replacements:
        own = vars(owner).get(name)
        if not hasattr(getattr(owner, name), "__academy__"):
            replacement = around(getattr(own, "__func__", getattr(owner, name)))
            replacement.__academy__ = True
            setattr(owner, name, classmethod(replacement) if isinstance(own, classmethod) else replacement)
            yield Replaced(owner, name, own)


def put_back(method: Replaced) -> None:
    """Undo one replacement."""
    if method.own is None:
        delattr(method.owner, method.name)
    else:
        setattr(method.owner, method.name, method.own)


def _plain_http_on_loopback(original: Callable[..., None]) -> Callable[..., None]:
    # azure-core refuses bearer tokens without TLS unless the request's option says otherwise. Not every
    # client that the SDK builds takes an authentication policy of ours, so the option is set here; what
    # goes to loopback does not leave the machine.
    @functools.wraps(original)
    def on_request(self: Any, request: Any) -> None:
        if _LOOPBACK.match(request.http_request.url):
            request.context.options["enforce_https"] = False
        original(self, request)

    return on_request


def _client_of_this_cloud(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def init(self: Any, credential: Any, *args: Any, **kwargs: Any) -> None:
        # Named outright, as a client of another cloud sets AZUREML_CURRENT_CLOUD to that one.
        if kwargs.setdefault("cloud", CLOUD) == CLOUD:
            kwargs["enable_telemetry"] = False
            kwargs.setdefault("raw_request_hook", _refuse_download)
            # Whoever would sign in elsewhere is known here already, with no browser and no network.
            if type(credential).__module__.startswith(("azure.identity.", "azure.ai.ml.identity.")):
                credential = MachineCredential.of_environment()
        original(self, credential, *args, **kwargs)

    return init


def _config_or_default(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def from_config(cls: Any, credential: Any, *, path: Any = None, **kwargs: Any) -> Any:
        if path is None and kwargs.get("cloud", CLOUD) == CLOUD and not _config_nearby(Path.cwd()):
            # A compute instance on Azure has a config.json above every notebook.
            kwargs.pop("file_name", None)
            names = ("AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_ARM_WORKSPACE_NAME")
            return cls(credential, *(os.environ[name] for name in names), **kwargs)
        return original(cls, credential, path=path, **kwargs)

    return from_config


def _config_nearby(folder: Path) -> bool:
    below = [Path(inner, name) for inner in (".azureml", "aml_config", "") for name in _CONFIG_NAMES]
    return any((above / file).is_file() for above in (folder, *folder.parents) for file in below)


def _refuse_download(request: Any) -> None:
    """Keep the SDK from fetching the schema of MLTable files, which it goes on without."""
    if _SCHEMAS.match(request.http_request.url):
        raise AcademyError(f"{request.http_request.url} is not fetched: everything here works offline.")


def _answered_here(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def answer(_self: Any, *scopes: str, **kwargs: Any) -> Any:
        return getattr(MachineCredential.of_environment(), original.__name__)(*scopes, **kwargs)

    return answer


def _refused_here(original: Callable[..., Any]) -> Callable[..., NoReturn]:
    @functools.wraps(original)
    def refuse(self: Any, **_kwargs: Any) -> NoReturn:
        raise ClientAuthenticationError(
            f"{type(self).__name__}.authenticate() opens a browser, and there is nobody to sign in to: "
            "this machine's service knows you. Leave the call out, or run %unload_ext academy."
        )

    return refuse
