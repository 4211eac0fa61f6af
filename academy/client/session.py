"""What a process must know to speak to a service: set by ``configure()``, undone by ``restore()``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from academy.client.sdk import CLOUD, Replaced, put_back, replace_methods, storage_urls
from academy.paths import Home
from academy.service.process import ServiceInfo
from academy.store.ids import DEFAULT_WORKSPACE, Workspace

_OUR_TRACKING = re.compile(r"http://127\.0\.0\.1:\d+/mlflow/v1\.0/.*")


@dataclass(frozen=True)
class Session:
    """What ``configure()`` changed in this process, so that ``restore()`` can put it back."""

    info: ServiceInfo
    workspace: Workspace
    variables: Mapping[str, str | None]
    storage_urls: Mapping[str, str]
    replaced: tuple[Replaced, ...]


def configure(
    info: ServiceInfo, workspace: Workspace = DEFAULT_WORKSPACE, *, also: Mapping[str, str] | None = None
) -> Session:
    """Point the SDK, ``azure-identity`` and MLflow of this process at a running service.

    ``also`` are further variables, which ``restore`` puts back as well.
    """
    before: dict[str, str | None] = {}
    for name, value in {**_variables(info, workspace), **(also or {})}.items():
        before[name] = os.environ.get(name)
        os.environ[name] = value
    sdk_urls = storage_urls()  # imports the SDK, which must see the variables
    urls_before = dict(sdk_urls)
    sdk_urls.update(dict.fromkeys(sdk_urls, f"{info.address}/{{}}"))
    return Session(info, workspace, before, urls_before, tuple(replace_methods()))


def restore(session: Session) -> None:
    """Undo what ``configure()`` did."""
    for name, value in session.variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    storage_urls().update(session.storage_urls)
    for method in session.replaced:
        put_back(method)


def _variables(info: ServiceInfo, workspace: Workspace) -> dict[str, str]:
    token = Home(Path(info.home)).token_file.read_text().strip()
    return {
        # The SDK reads a cloud of another name from this address.
        "ARM_CLOUD_METADATA_URL": f"{info.address}/metadata/endpoints",
        "AZUREML_CURRENT_CLOUD": CLOUD,
        # azure-identity: this machine has a managed identity; the tools of developers are not tried.
        "IDENTITY_ENDPOINT": f"{info.address}/identity/token",
        "IDENTITY_HEADER": token,
        "AZURE_TOKEN_CREDENTIALS": "prod",
        # Set in Azure ML's own jobs and notebooks too.
        "AZUREML_ARM_SUBSCRIPTION": workspace.subscription,
        "AZUREML_ARM_RESOURCEGROUP": workspace.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
        # Whole seconds between two looks of jobs.stream(); the SDK's own go up to 60. Read once, when the
        # SDK is first imported.
        "AZUREML_RUN_POLLING_INTERVAL_MIN": "1",
        "AZUREML_RUN_POLLING_INTERVAL_MAX": "1",
        **_mlflow_variables(f"{info.address}/mlflow/v1.0{workspace.id}", token),
        **{name: _without_proxy(os.environ.get(name, "")) for name in ("NO_PROXY", "no_proxy")},
    }


def _mlflow_variables(tracking_uri: str, token: str) -> dict[str, str]:
    chosen = os.environ.get("MLFLOW_TRACKING_URI", "")
    if chosen and not _OUR_TRACKING.fullmatch(chosen):
        return {"MLFLOW_DISABLE_TELEMETRY": "true"}  # a tracking server of the user's own stays theirs
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MLFLOW_TRACKING_TOKEN": token,
    }


def _without_proxy(hosts: str) -> str:
    """Add loopback to ``NO_PROXY``: behind a company's proxy, requests for it would leave the machine."""
    missing = [host for host in ("127.0.0.1", "localhost") if host not in hosts.split(",")]
    return ",".join([*filter(None, [hosts]), *missing])
