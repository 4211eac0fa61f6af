"""The environment variables of a job's process, named as on Azure."""

from __future__ import annotations

from collections.abc import Mapping

from academy.jobs.expressions import Values
from academy.store.ids import Workspace

# What a job takes over from the machine. Nothing else of the service's environment reaches it: the
# service may have been started from a notebook with a PYTHONPATH, tokens and settings of its own.
_INHERITED = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "SYSTEMROOT",
    }
)  # fmt: skip
_INHERITED_PREFIXES = ("LC_", "NVIDIA_")

# What every plan has, whatever its document says.
_SERVICE_PREFIXES = ("AZUREML_", "MLFLOW_")
_OF_SERVICE = frozenset({"DO_NOT_TRACK", "NO_PROXY", "no_proxy"})


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the service's environment that a job takes over."""
    return {
        name: value
        for name, value in environment.items()
        if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }


def port_variables(values: Values) -> dict[str, str]:
    """Return what tells a job its inputs and outputs without its command naming them."""
    variables = {}
    for name, value in values.inputs.items():
        variables[f"AZURE_ML_INPUT_{name}"] = value.text
        if value.is_data:
            variables[f"AZUREML_DATAREFERENCE_{name}"] = value.text
    for name, value in values.outputs.items():
        variables[f"AZURE_ML_OUTPUT_{name}"] = value.text
        variables[f"AZUREML_DATAREFERENCE_{name}"] = value.text
    return variables


def run_variables(workspace: Workspace, *, job: str, experiment: str) -> dict[str, str]:
    """Return what tells a job which run of which experiment in which workspace it is."""
    return {
        "AZUREML_RUN_ID": job,
        "AZUREML_ROOT_RUN_ID": job,
        "AZUREML_EXPERIMENT_NAME": experiment,
        "AZUREML_ARM_SUBSCRIPTION": workspace.subscription,
        "AZUREML_ARM_RESOURCEGROUP": workspace.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
        "AZUREML_ARM_PROJECT_NAME": experiment,
        "AZUREML_WORKSPACE_ID": workspace.guid,
        "AZUREML_WORKSPACE_SCOPE": workspace.id,
        "AZUREML_EXPERIMENT_SCOPE": f"{workspace.id}/experiments/{experiment}",
        "AZUREML_NODE_COUNT": "1",
    }


def set_by_document(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of a plan's variables that are not the service's own, sorted."""
    return tuple(
        sorted(
            name for name in variables if name not in _OF_SERVICE and not name.startswith(_SERVICE_PREFIXES)
        )
    )
