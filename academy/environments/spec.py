"""From Azure's environment documents to specifications."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from academy.environments import conda, curated, dockerfile, requirements
from academy.environments.definition import EnvironmentSpec, LockFile
from academy.environments.images import curated_name, is_azure_base, python_of
from academy.errors import InvalidField, Unsupported

__all__ = ["EnvironmentSpec", "LockFile", "from_conda", "from_document", "from_requirements"]

# They describe the asset; what it holds does not depend on them.
_METADATA = frozenset(
    {
        "autoRebuild", "description", "environmentType", "intellectualProperty", "isAnonymous", "isArchived",
        "osType", "properties", "provisioningState", "stage", "tags",
    }
)  # fmt: skip

# Where the SDK's documents say that serving is done by the image's own server.
_OWN_SERVER = "inferenceConfig"


def from_document(
    name: str, version: str, properties: Mapping[str, Any], *, context: Path | None = None
) -> EnvironmentSpec:
    """Return the specification of an environment's document.

    Parameters
    ----------
    context
        The folder of the build context that the document names, when it is on this machine.

    Raises
    ------
    Unsupported
        When a field cannot be carried out, naming it.
    EnvironmentBuildError
        When the conda file or the Dockerfile asks for what cannot be installed.
    """
    given = {key: value for key, value in properties.items() if value not in (None, "", {}, [])}
    _refuse_fields(name, given)
    image, conda_file = given.get("image"), given.get("condaFile")
    if "build" in given:
        return _from_build(name, version, given["build"], context)
    if conda_file is not None:
        return from_conda(name, version, str(conda_file), image=image)
    if image is not None:
        return _from_image(name, version, str(image))
    raise InvalidField(
        f"The environment {name!r} holds nothing. Give an image, a conda file with an image, or a build "
        "context.",
        target="properties.image",
    )


def from_conda(name: str, version: str, text: str, *, image: str | None = None) -> EnvironmentSpec:
    """Return the specification of a conda file; of the image only its Python counts, as on Azure."""
    file = conda.read(text)
    notes = list(file.notes)
    python = file.python
    if python is None:
        python = python_of(image)
        notes.append(f"The conda file names no Python: {python} is used.")
    return EnvironmentSpec(
        name=name,
        version=version,
        python=python,
        requirements=file.requirements.lines,
        options=file.requirements.options,
        variables=file.variables,
        image=image,
        notes=tuple(notes),
    )


def from_requirements(name: str, version: str, text: str, *, python: str) -> EnvironmentSpec:
    """Return the specification of a requirements file."""
    found = requirements.parse(text.splitlines(), where="The requirements file")
    return EnvironmentSpec(name, version, python, found.lines, found.options)


def _refuse_fields(name: str, given: Mapping[str, Any]) -> None:
    if str(given.get("osType", "Linux")).lower() != "linux":
        raise Unsupported(
            f"The environment {name!r} asks for {given['osType']}. Environments are Linux ones.",
            target="properties.osType",
        )
    unknown = sorted(given.keys() - _METADATA - {"image", "condaFile", "build", _OWN_SERVER})
    if unknown:
        raise Unsupported(
            f"The environment {name!r} has a field {unknown[0]!r}, which is not supported.",
            target=f"properties.{unknown[0]}",
        )
    if _OWN_SERVER in given:
        raise Unsupported(
            f"The environment {name!r} has an {_OWN_SERVER}: it is served by a server in its image, and "
            "images cannot be run here. Serve an MLflow model, or a score.py with init() and run().",
            target=f"properties.{_OWN_SERVER}",
        )


def _from_image(name: str, version: str, image: str) -> EnvironmentSpec:
    known = curated_name(image)
    if known is not None:
        return curated.renamed(curated.find(known, "latest"), name, version)
    python = python_of(image)
    notes = [f"The image {image} is taken for a bare Python {python}: images are not run here."]
    if not is_azure_base(image):
        notes.append(
            "What else it may hold is not there. Give a conda file with the packages that the job needs."
        )
    return EnvironmentSpec(name, version, python, image=image, notes=tuple(notes))


def _from_build(name: str, version: str, build: Mapping[str, Any], context: Path | None) -> EnvironmentSpec:
    uri = build.get("contextUri")
    if context is None:
        raise Unsupported(
            f"The build context {uri!r} of the environment {name!r} is not on this machine. Give the SDK "
            "a local folder as build context, or an image with a conda file.",
            target="properties.build.contextUri",
        )
    recipe = dockerfile.read(context, str(build.get("dockerfilePath") or "Dockerfile"))
    base = _from_image(name, version, recipe.image)
    named = {curated.package_of(line) for line in recipe.requirements.lines}
    kept = tuple(line for line in base.requirements if curated.package_of(line) not in named)
    return EnvironmentSpec(
        name=name,
        version=version,
        python=recipe.python or base.python,
        requirements=(*(() if recipe.replaces_base else kept), *recipe.requirements.lines),
        options=recipe.requirements.options,
        variables={**base.variables, **recipe.variables},
        image=recipe.image,
        notes=(*base.notes, *recipe.notes),
    )
