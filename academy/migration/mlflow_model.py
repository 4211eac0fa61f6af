"""What the folder of an MLflow model says of itself: packages, the form of its objects, its sample input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from academy.datasets.mlmodel import MLMODEL
from academy.environments import conda
from academy.environments.definition import EnvironmentSpec
from academy.environments.requirements import parse
from academy.environments.spec import from_conda, from_requirements
from academy.errors import AcademyError, InvalidField
from academy.migration.report import Pickled

CONDA, REQUIREMENTS, PYTHON_ENV = "conda.yaml", "requirements.txt", "python_env.yaml"

# Flavors whose files hold these packages' objects. The others have formats that any version reads.
_OBJECTS = {
    "sklearn": ("scikit-learn", "numpy", "scipy"),
    "pytorch": ("torch", "numpy"),
    "lightgbm": ("lightgbm", "scikit-learn", "numpy"),
    "xgboost": ("xgboost", "scikit-learn", "numpy"),
    "statsmodels": ("statsmodels", "numpy", "pandas"),
    "catboost": ("catboost",),
    "tensorflow": ("tensorflow", "keras"),
    "keras": ("tensorflow", "keras"),
}
# They write pickles only when told so, or for models with scikit-learn's interface.
_OWN_FORMAT = frozenset({"xgboost", "lightgbm", "catboost", "tensorflow", "keras"})
_CUSTOM = "mlflow.pyfunc.model"


@dataclass(frozen=True)
class MlflowModel:
    """One model's folder, read."""

    folder: Path
    flavors: Mapping[str, Mapping[str, Any]]
    mlflow_version: str | None
    python: str | None
    requirements: tuple[str, ...]
    example: str | None
    pickled: Pickled | None
    notes: tuple[str, ...] = ()

    def environment(self, name: str, version: str) -> EnvironmentSpec | None:
        """Return the environment that MLflow recorded in the folder; None when it recorded none.

        Raises
        ------
        AcademyError
            It asks for what cannot be installed here.
        """
        file = self.folder / CONDA
        if file.is_file():
            return from_conda(f"{name}-model", version, _text(file))
        if self.python and (self.folder / REQUIREMENTS).is_file():
            return from_requirements(
                f"{name}-model", version, _text(self.folder / REQUIREMENTS), python=self.python
            )
        return None


def read(folder: Path) -> MlflowModel | None:
    """Return what the folder says, or None when it is no MLflow model.

    Raises
    ------
    InvalidField
        Its MLmodel file cannot be read.
    """
    file = folder / MLMODEL
    if not file.is_file():
        return None
    try:
        said = yaml.safe_load(_text(file))
        flavors = {str(name): dict(data) for name, data in said["flavors"].items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidField(f"{file} cannot be read: {error}. Log the model again.") from None
    lines, notes = _requirements(folder)
    return MlflowModel(
        folder=folder,
        flavors=flavors,
        mlflow_version=_word(said.get("mlflow_version")),
        python=_python(folder, flavors),
        requirements=lines,
        example=_example(folder, said),
        pickled=_pickled(flavors),
        notes=notes,
    )


def _requirements(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the packages that the model asks for, and notes on what of it could not be read."""
    try:
        if (folder / REQUIREMENTS).is_file():
            where = f"The model's {REQUIREMENTS}"
            return parse(_text(folder / REQUIREMENTS).splitlines(), where=where).lines, ()
        if (folder / CONDA).is_file():
            return conda.read(_text(folder / CONDA)).requirements.lines, ()
    except AcademyError as error:
        return (), (error.message,)
    return (), (f"The model does not say which packages it needs: it has no {REQUIREMENTS} and no {CONDA}.",)


def _python(folder: Path, flavors: Mapping[str, Mapping[str, Any]]) -> str | None:
    file = folder / PYTHON_ENV
    try:
        recorded = yaml.safe_load(_text(file)) if file.is_file() else None
    except yaml.YAMLError as error:
        raise InvalidField(f"{file} cannot be read: {error}. Log the model again.") from None
    if isinstance(recorded, Mapping) and recorded.get("python"):
        return str(recorded["python"])
    if (folder / CONDA).is_file():
        try:
            found = conda.read(_text(folder / CONDA)).python
        except AcademyError:
            found = None
        if found:
            return found
    return _word(flavors.get("python_function", {}).get("python_version"))


def _example(folder: Path, said: Mapping[str, Any]) -> str | None:
    info = said.get("saved_input_example_info")
    name = info.get("artifact_path") if isinstance(info, Mapping) else None
    return str(name) if name and (folder / str(name)).is_file() else None


def _pickled(flavors: Mapping[str, Mapping[str, Any]]) -> Pickled | None:
    function = flavors.get("python_function", {})
    if function.get("loader_module") == _CUSTOM:
        return Pickled("cloudpickle", ("numpy",), by_value="python_model" in function)
    for flavor, data in flavors.items():
        packages = _OBJECTS.get(flavor)
        if packages is None:
            continue
        written = str(data.get("serialization_format") or "")
        if not written and flavor in _OWN_FORMAT:
            interface = str(data.get("model_class", "")).startswith(("lightgbm.sklearn", "xgboost.sklearn"))
            return Pickled("its own format" if not interface else "cloudpickle", packages[:1])
        reader = ("skops",) if written == "skops" else ()
        return Pickled(written or "pickle", (*packages, *reader))
    return None


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidField(f"{file} cannot be read: {error}.") from None
