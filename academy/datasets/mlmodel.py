"""The file that makes a folder an MLflow model, and what Azure ML shows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from academy.errors import InvalidField

MLMODEL = "MLmodel"


def flavors(folder: Path, *, shown_as: str, target: str | None = None) -> dict[str, Any]:
    """Return the flavors of the model in ``folder`` as a model's document holds them.

    Parameters
    ----------
    shown_as
        How an error calls the model, such as the URI that it was given by.
    target
        The field that named it, for an error.

    Raises
    ------
    InvalidField
        When there is no MLmodel file, or it cannot be read.
    """
    try:
        text = (folder / MLMODEL).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        held = sorted(item.name for item in folder.iterdir()) if folder.is_dir() else "no folder"
        raise InvalidField(
            f"A model of type 'mlflow_model' is a folder with a file {MLMODEL}; {shown_as} holds "
            f"{held[:10]}. Give the folder that mlflow.log_model wrote, or register it as 'custom_model'.",
            target=target,
        ) from None
    try:
        found = yaml.safe_load(text)["flavors"]
        return {name: {"data": {k: str(v) for k, v in data.items()}} for name, data in found.items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InvalidField(
            f"The file {MLMODEL} of {shown_as} cannot be read: {error}.", target=target
        ) from error
