"""Conda environment files, read as what the Python package index can give.

Packages come from the Python package index by ``uv``; conda is never run. Nearly all that
conda files ask for is there too, under the same name or one of a short table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from academy.environments.definition import DEFAULT_PYTHON
from academy.environments.errors import EnvironmentBuildError
from academy.environments.interpreters import minor
from academy.environments.requirements import Requirements, parse

_RENAMED = {
    "dask-core": "dask",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "numpy-base": "numpy",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pyqt": "PyQt5",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "python-lmdb": "lmdb",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "ray-default": "ray[default]",
    "ray-tune": "ray[tune]",
    "ruamel_yaml": "ruamel.yaml",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
}

# They choose or support what wheels bring along themselves, or are parts of the interpreter.
_LEFT_OUT = {
    **dict.fromkeys(
        ("cpuonly", "cudatoolkit", "pytorch-cuda", "pytorch-mutex", "nomkl", "blas", "libblas", "libcblas",
         "liblapack", "mkl-service", "mkl_fft", "mkl_random", "intel-openmp"),
        "the wheels bring their own libraries",
    ),
    **dict.fromkeys(
        ("openssl", "ca-certificates", "sqlite", "libsqlite", "readline", "tk", "zlib", "libzlib", "xz",
         "libffi", "ncurses", "bzip2", "ld_impl_linux-64", "_libgcc_mutex", "_openmp_mutex", "libgcc",
         "libgcc-ng", "libstdcxx", "libstdcxx-ng", "libgomp", "libuuid", "libnsl", "python_abi", "expat",
         "libexpat", "liblzma", "libxcrypt", "tzdata"),
        "it comes with the interpreter",
    ),
    **dict.fromkeys(
        ("nb_conda", "nb_conda_kernels", "conda", "conda-build", "mamba"), "there is no conda here"
    ),
}  # fmt: skip

_CONDA_ONLY = frozenset(
    {
        "boost", "boost-cpp", "c-compiler", "compilers", "cuda", "cuda-nvcc", "cuda-toolkit", "cudf", "cudnn",
        "cuml", "curl", "cxx-compiler", "ffmpeg", "fortran-compiler", "gcc", "gcc_linux-64", "geos",
        "gfortran", "gfortran_linux-64", "git", "git-lfs", "graphviz", "gxx", "gxx_linux-64", "hdf5", "jq",
        "libboost", "libpq", "libsndfile", "make", "mpich", "mysql", "nccl", "nodejs", "openjdk", "openmpi",
        "perl", "postgresql", "proj", "rapids", "unixodbc", "wget", "yarn",
    }
)  # fmt: skip

_KNOWN_SECTIONS = frozenset({"name", "channels", "dependencies", "variables", "prefix"})

_ITEM = re.compile(r"(?:(?P<channel>[\w./:-]+)::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<rest>.*)", re.DOTALL)
_BRACKET = re.compile(r"\[\s*version\s*=\s*['\"]?(?P<version>[^'\"\]]+)['\"]?\s*\]")
_OPERATOR = re.compile(r"(==|>=|<=|!=|~=|>|<)\s*(.+)")


@dataclass(frozen=True)
class CondaFile:
    """What a conda file asks for; ``notes`` say what of it was read in another way."""

    python: str | None
    requirements: Requirements
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read(text: str) -> CondaFile:
    """Read a conda environment file.

    Raises
    ------
    EnvironmentBuildError
        When it is no such file, or holds something that conda alone has, naming it.
    """
    content = _mapping(text)
    notes = [
        f"The conda file's section {name!r} is not used." for name in sorted(content.keys() - _KNOWN_SECTIONS)
    ]
    if content.get("channels"):
        named = ", ".join(str(channel) for channel in content["channels"])
        notes.append(f"The channels {named} are not asked: packages come from the Python package index.")
    python: str | None = None
    found = Requirements()
    for item in content.get("dependencies") or []:
        if isinstance(item, dict):
            found += _pip_section(item)
            continue
        name, specifier = _item(str(item))
        if name == "python":
            python = _python(specifier)
        elif name in _LEFT_OUT:
            notes.append(f"The conda package {name!r} is left out: {_LEFT_OUT[name]}.")
        else:
            found += _package(name, specifier, notes)
    variables = {str(key): str(value) for key, value in (content.get("variables") or {}).items()}
    return CondaFile(python, found, variables, tuple(notes))


def requirement(item: str) -> CondaFile:
    """Return what one conda item (``python=3.8``, ``pandas=1.5``) asks for."""
    return read(yaml.safe_dump({"dependencies": [item]}))


def _mapping(text: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise EnvironmentBuildError(f"The conda file is not valid YAML: {error}.") from error
    if not isinstance(content, dict):
        raise EnvironmentBuildError(
            "The conda file is not a conda environment file: it must hold 'dependencies', a list."
        )
    if not isinstance(content.get("dependencies") or [], list):
        raise EnvironmentBuildError("The conda file's 'dependencies' must be a list.")
    return content


def _pip_section(item: dict[str, Any]) -> Requirements:
    unknown = sorted(str(key) for key in item if key != "pip")
    if unknown:
        raise EnvironmentBuildError(
            f"The conda file's dependencies hold a section {unknown[0]!r}. There is 'pip' and no other."
        )
    lines = item.get("pip") or []
    if not isinstance(lines, list):
        raise EnvironmentBuildError("The conda file's 'pip' section must be a list of requirements.")
    return parse([str(line) for line in lines], where="The conda file's 'pip' section")


def _package(name: str, specifier: str, notes: list[str]) -> Requirements:
    if name in _CONDA_ONLY or name.startswith("r-"):
        raise EnvironmentBuildError(
            f"The conda package {name!r} cannot be installed: conda alone has it, and packages come from "
            "the Python package index here. Take it out of the conda file, and install it on the machine "
            "if the job needs it."
        )
    renamed = _RENAMED.get(name, name)
    if renamed != name:
        notes.append(f"The conda package {name!r} is {renamed!r} in the Python package index.")
    return Requirements((f"{renamed}{specifier}",))


def _item(text: str) -> tuple[str, str]:
    """Return name and version specifier (PEP 440) of a conda match specification."""
    match = _ITEM.fullmatch(text.split(" #", 1)[0].strip())
    if match is None:
        raise _not_understood(text)
    rest = match["rest"].strip()
    bracket = _BRACKET.fullmatch(rest)
    specifier = _specifier(bracket["version"].strip() if bracket else rest, text)
    try:
        SpecifierSet(specifier)
    except InvalidSpecifier as error:
        raise _not_understood(text) from error
    return match["name"].lower(), specifier


def _specifier(rest: str, text: str) -> str:
    if not rest or rest == "*":
        return ""
    if "|" in rest:
        raise _not_understood(text)
    if rest[0] in "<>!~" or rest.startswith("=="):
        return ",".join(_clause(part.strip(), text) for part in rest.split(","))
    if rest[0] == "=":
        version, _, build = rest[1:].strip().partition("=")
        return _exact(version) if build not in ("", "*") else _fuzzy(version)
    # "numpy 1.21" and "numpy 1.21 py38_0" mean that version; "numpy 1.21*" a series.
    if rest[0].isdigit():
        version = re.split(r"[\s=]", rest, maxsplit=1)[0]
        return _fuzzy(version) if version.endswith("*") else _exact(version)
    raise _not_understood(text)


def _clause(part: str, text: str) -> str:
    match = _OPERATOR.fullmatch(part)
    if match is None:
        # "1.2.*" as one of several clauses
        return _fuzzy(part) if part[:1].isdigit() else _refuse(text)
    operator, version = match[1], match[2].split("=")[0].strip()
    if operator in ("==", "!="):
        return f"{operator}{version}"
    return f"{operator}{version.removesuffix('*').removesuffix('.')}"


def _exact(version: str) -> str:
    return f"=={version.strip()}"


def _fuzzy(version: str) -> str:
    """Conda's ``=1.2``: that series."""
    return f"=={version.strip().removesuffix('*').removesuffix('.')}.*"


def _python(specifier: str) -> str | None:
    """Return the Python that a specifier asks for: of a range, the series nearest to the usual one."""
    if not specifier:
        return None
    pinned = re.fullmatch(r"==(\d+\.\d+(?:\.\d+)?)(\.\*)?", specifier)
    if pinned:
        return pinned[1]
    major = re.fullmatch(r"==3\.\*", specifier)
    if major:
        return None
    allowed = SpecifierSet(specifier)
    series = [number for number in range(6, 20) if any(f"3.{number}.{patch}" in allowed for patch in (0, 99))]
    if not series:
        raise EnvironmentBuildError(
            f"The conda file asks for python{specifier}, and there is no such Python. Ask for one of 3.6 on."
        )
    usual = minor(DEFAULT_PYTHON)[1]
    return f"3.{min(series, key=lambda number: (abs(number - usual), -number))}"


def _refuse(text: str) -> str:
    raise _not_understood(text)


def _not_understood(text: str) -> EnvironmentBuildError:
    return EnvironmentBuildError(
        f"The conda file's dependency {text!r} is not understood. Write NAME, NAME=VERSION, NAME==VERSION "
        "or NAME>=LOWEST,<HIGHEST."
    )
