"""What environments hold, how they are named, and how they are built, for real, with uv."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from academy.environments import conda, curated, interpreters
from academy.environments.build import build
from academy.environments.errors import EnvironmentBuildError
from academy.environments.folders import curated_environments
from academy.environments.resolve import resolve
from academy.environments.spec import EnvironmentSpec, from_conda, from_document, from_requirements
from academy.environments.warm import main, warm
from academy.errors import InvalidField, NotFound, Unsupported, UserError
from academy.store.database import open_database
from academy.store.documents import Documents
from academy.store.ids import Workspace
from academy.store.versions import Versions
from tests.environments_wheels import THIS, quiet, run

WORKSPACE = Workspace("s", "r", "w")


class TestCondaFiles:
    """Reading conda's environment files."""

    @pytest.mark.parametrize(
        ("item", "expected"),
        [
            ("numpy", "numpy"),
            ("numpy=1.21", "numpy==1.21.*"),
            ("numpy=1.21.*", "numpy==1.21.*"),
            ("numpy==1.21.2", "numpy==1.21.2"),
            ("numpy=1.21.2=py38h_0", "numpy==1.21.2"),
            ("numpy 1.21.2", "numpy==1.21.2"),
            ("numpy>=1.20,<2", "numpy>=1.20,<2"),
            ("numpy >=1.20, <2", "numpy>=1.20,<2"),
            ("numpy~=1.22.0", "numpy~=1.22.0"),
            ("conda-forge::numpy=1.2", "numpy==1.2.*"),
            ("numpy[version='>=1.2,<2']", "numpy>=1.2,<2"),
            ("pytorch=2.1", "torch==2.1.*"),
            ("py-xgboost", "xgboost"),
            ("matplotlib-base=3.5", "matplotlib==3.5.*"),
            ("scikit-learn", "scikit-learn"),
            ("pip<=23.0.1", "pip<=23.0.1"),
        ],
    )
    def test_a_pin_means_what_conda_means_by_it(self, item: str, expected: str) -> None:
        assert conda.requirement(item).requirements.lines == (expected,)

    @pytest.mark.parametrize(
        ("item", "python"),
        [
            ("python=3.8", "3.8"),
            ("python=3.8.13", "3.8.13"),
            ("python==3.9.1", "3.9.1"),
            ("python 3.7.*", "3.7"),
            ("python>=3.8", "3.10"),
            ("python>=3.11,<3.13", "3.11"),
            ("python<3.9", "3.8"),
            ("python", None),
            ("python=3", None),
        ],
    )
    def test_the_python_is_the_one_asked_for(self, item: str, python: str | None) -> None:
        assert conda.requirement(item).python == python

    def test_a_whole_file_is_read(self) -> None:
        text = """
        name: model-env
        channels: [conda-forge, pytorch]
        dependencies:
          - python=3.8
          - pip
          - pytorch
          - cudatoolkit=11.3
          - openssl
          - pip:
            - azureml-mlflow~=1.40  # tracking
            - --extra-index-url https://example.org/simple
            - pandas[parquet]>=1.5 ; python_version < "3.12"
        variables:
          MODE: fast
        """
        found = from_conda("model-env", "3", text, image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04")
        assert found.python == "3.8"
        assert found.requirements == (
            "pip",
            "torch",
            "azureml-mlflow~=1.40",
            'pandas[parquet]>=1.5 ; python_version < "3.12"',
        )
        assert found.options == ("--extra-index-url", "https://example.org/simple")
        assert found.variables == {"MODE": "fast"}
        said = "\n".join(found.notes)
        assert "conda-forge, pytorch" in said
        assert "'cudatoolkit' is left out" in said
        assert "'openssl' is left out: it comes with the interpreter" in said

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("dependencies: [gxx_linux-64]", "gxx_linux-64"),
            ("dependencies: [r-base=4.1]", "r-base"),
            ("dependencies: ['numpy=1.8|1.9']", "numpy=1.8|1.9"),
            ("dependencies: [{npm: [left-pad]}]", "npm"),
            ("dependencies: [{pip: [-r requirements.txt]}]", "-r requirements.txt"),
            ("dependencies: [{pip: [./mine-1.0-py3-none-any.whl]}]", "mine-1.0"),
            ("dependencies: [{pip: [numpy=1.2]}]", "numpy=1.2"),
            ("dependencies: [{pip: [--install-option=x]}]", "--install-option"),
            ("dependencies: [python>=4]", "python>=4"),
            ("dependencies: {numpy: 1}", "dependencies"),
            ("numpy", "dependencies"),
            ("a: [", "YAML"),
        ],
    )
    def test_what_cannot_be_installed_is_refused_by_name(self, text: str, named: str) -> None:
        with pytest.raises(EnvironmentBuildError, match=re.escape(named)):
            conda.read(text)


class TestDocuments:
    """From the documents of the REST API to specifications."""

    @pytest.mark.parametrize(
        ("image", "python"),
        [
            ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest", "3.10"),
            ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04", "3.10"),
            ("docker.io/library/python:3.8-slim", "3.8"),
            ("python:3.12", "3.12"),
            ("example.org/team/train-py39:2", "3.9"),
        ],
    )
    def test_an_image_alone_is_a_bare_python(self, image: str, python: str) -> None:
        found = from_document("e", "1", {"image": image, "osType": "Linux", "tags": {}})
        assert (found.python, found.requirements, found.lock) == (python, (), None)

    @pytest.mark.parametrize("tag", ["", ":54", ":latest"])
    def test_a_curated_image_holds_what_the_curated_environment_holds(self, tag: str) -> None:
        found = from_document("mine", "7", {"image": f"mcr.microsoft.com/azureml/curated/sklearn-1.5{tag}"})
        assert found.lock == curated.find("sklearn-1.5", "latest").lock
        assert (found.name, found.version) == ("mine", "7")

    def test_beside_a_conda_file_the_packages_of_the_image_do_not_count(self) -> None:
        image = "mcr.microsoft.com/azureml/curated/sklearn-1.5:54"
        found = from_document("e", "1", {"image": image, "condaFile": "dependencies: [python=3.9, six]"})
        assert (found.python, found.requirements, found.lock) == ("3.9", ("six",), None)

    def test_a_curated_image_that_is_not_here_is_refused_with_those_that_are(self) -> None:
        with pytest.raises(NotFound, match=r"acft-hf-nlp-gpu.*'sklearn-1\.5'"):
            from_document("e", "1", {"image": "mcr.microsoft.com/azureml/curated/acft-hf-nlp-gpu:59"})

    @pytest.mark.parametrize(
        ("properties", "field"),
        [
            ({"image": "python:3.9", "inferenceConfig": {"scoringRoute": {"port": 80}}}, "inferenceConfig"),
            ({"image": "python:3.9", "osType": "Windows"}, "osType"),
            ({"image": "python:3.9", "spark": {}, "novelty": 1}, "novelty"),
            ({"build": {"contextUri": "https://example.org/x"}}, "build.contextUri"),
        ],
    )
    def test_a_field_that_is_not_supported_is_refused_by_name(
        self, properties: dict[str, object], field: str
    ) -> None:
        with pytest.raises(Unsupported) as caught:
            from_document("e", "1", properties)
        assert caught.value.target == f"properties.{field}"

    def test_an_environment_of_nothing_is_refused(self) -> None:
        with pytest.raises(InvalidField, match="holds nothing"):
            from_document("e", "1", {"osType": "Linux"})

    def test_a_specification_survives_being_written_down(self) -> None:
        for name in curated.names():
            found = curated.find(name, "3")
            assert EnvironmentSpec.from_json(found.to_json()) == found

    def test_the_same_content_has_the_same_key_whatever_its_name(self) -> None:
        here = interpreters.find(THIS)
        one = from_requirements("a", "1", "six\nattrs", python=THIS)
        other = from_requirements("b", "2", "attrs\n# said twice\nsix  # small\n", python=THIS)
        assert one.key(here) == other.key(here)
        assert one.key(here) != from_requirements("a", "1", "six", python=THIS).key(here)


class TestBuildContexts:
    """Dockerfiles, read without an engine."""

    def context(self, tmp_path: Path, dockerfile: str, **files: str) -> Path:
        (tmp_path / "Dockerfile").write_text(dockerfile)
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)
        return tmp_path

    def test_pip_lines_and_copied_requirements_are_installed(self, tmp_path: Path) -> None:
        folder = self.context(
            tmp_path,
            "# a comment\nFROM python:3.8\nARG LEVEL=2\nENV MODE=fast DEPTH=$LEVEL\nENV PATH=/x:$PATH\n"
            "COPY requirements.txt /tmp/wanted.txt\nWORKDIR /w\n"
            "RUN pip install --no-cache-dir -r /tmp/wanted.txt && \\\n    rm -rf /root/.cache/pip\n"
            "RUN python -m pip install 'attrs>=20,<24' \"six; python_version > '3'\"\n",
            requirements_txt="numpy==1.21.0 --hash=sha256:00\n",
        )
        found = from_document("e", "1", {"build": {"contextUri": "u"}}, context=folder)
        assert found.python == "3.8"
        assert found.requirements == ("numpy==1.21.0", "attrs>=20,<24", "six; python_version > '3'")
        assert found.variables == {"MODE": "fast", "DEPTH": "2"}

    def test_a_conda_environment_takes_the_place_of_the_image(self, tmp_path: Path) -> None:
        folder = self.context(
            tmp_path,
            "FROM mcr.microsoft.com/azureml/curated/sklearn-1.5:54\nCOPY conda.yml .\n"
            "RUN conda env create -p /envs/x -f conda.yml -q && conda clean -a -y\nRUN pip install six\n",
            conda_yml="dependencies: [python=3.9, pandas=1.5]",
        )
        found = from_document(
            "e", "1", {"build": {"contextUri": "u", "dockerfilePath": "./Dockerfile"}}, context=folder
        )
        assert (found.python, found.requirements) == ("3.9", ("pandas==1.5.*", "six"))

    def test_what_a_dockerfile_adds_comes_on_top_of_a_curated_image(self, tmp_path: Path) -> None:
        folder = self.context(
            tmp_path,
            "FROM mcr.microsoft.com/azureml/curated/sklearn-1.5\nRUN pip install joblib==1.3.0 six",
        )
        found = from_document("e", "1", {"build": {"contextUri": "u"}}, context=folder)
        base = curated.find("sklearn-1.5", "latest").requirements
        assert "scikit-learn~=1.5.0" in found.requirements
        assert "joblib~=1.2.0" in base
        assert "joblib~=1.2.0" not in found.requirements
        assert found.requirements[-2:] == ("joblib==1.3.0", "six")

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ("RUN apt-get install -y libgl1", "apt-get"),
            ("RUN curl -O https://example.org/x.sh", "curl"),
            ("RUN pip install x || true", r"\|\|"),
            ("FROM ubuntu", "second FROM"),
            ("COPY --from=other /a /b", "another image"),
            ("ADD https://example.org/a /a", "downloads"),
            ("ONBUILD RUN true", "not understood"),
            ("RUN pip install -r absent.txt", "no file 'absent.txt'"),
        ],
    )
    def test_any_other_instruction_is_refused_with_its_line(
        self, tmp_path: Path, line: str, why: str
    ) -> None:
        folder = self.context(tmp_path, f"FROM python:3.9\n{line}\n")
        with pytest.raises(EnvironmentBuildError, match=why) as caught:
            from_document("e", "1", {"build": {"contextUri": "u"}}, context=folder)
        assert "Line 2" in caught.value.message

    def test_a_path_out_of_the_context_is_refused(self, tmp_path: Path) -> None:
        folder = self.context(tmp_path, "FROM python:3.9\nCOPY ../../etc/passwd /x\n")
        with pytest.raises(UserError, match=r"\.\."):
            from_document("e", "1", {"build": {"contextUri": "u"}}, context=folder)


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """A workspace with two versions of the environment ``mine``."""
    file = tmp_path_factory.mktemp("database") / "a.db"
    found = Versions(Documents(open_database(f"sqlite:///{file}")))
    container = WORKSPACE.child("environments", "mine")
    for version, package in (("1", "six"), ("2", "attrs")):
        properties = {"image": "python:3.9", "condaFile": f"dependencies: [python=3.9, {package}]"}
        found.put(container, version, {"properties": properties}, who="t")
    return found


class TestReferences:
    """Every way of naming an environment."""

    @pytest.mark.parametrize(
        ("reference", "package"),
        [
            ("azureml:mine:1", "six"),
            ("mine:1", "six"),
            ("azureml:mine@latest", "attrs"),
            ("mine@latest", "attrs"),
            ("mine", "attrs"),
            (f"{WORKSPACE.id}/environments/mine/versions/1", "six"),
            (f"azureml:{WORKSPACE.id}/environments/mine/versions/2", "attrs"),
            (f"{WORKSPACE.id}/environments/mine/labels/latest", "attrs"),
            ("azureml://subscriptions/s/resourcegroups/r/workspaces/w/environments/mine/versions/1", "six"),
            ("azureml://locations/westeurope/workspaces/0-1/environments/mine/versions/1", "six"),
        ],
    )
    def test_an_environment_of_the_workspace_is_found(
        self, versions: Versions, reference: str, package: str
    ) -> None:
        assert resolve(versions, WORKSPACE, reference).requirements == (package,)

    @pytest.mark.parametrize(
        "reference",
        [
            "azureml:AzureML-sklearn-1.5@latest",
            "AzureML-sklearn-1.5@latest",
            "azureml:AzureML-sklearn-1.5:1",
            "AzureML-sklearn-1.5",
            "sklearn-1.5@latest",
            "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
            "azureml://registries/azureml/environments/sklearn-1.5/versions/54",
            "azureml://registries/azureml/environments/sklearn-1.5:latest",
        ],
    )
    def test_a_curated_environment_is_found_under_all_its_names(
        self, versions: Versions, reference: str
    ) -> None:
        found = resolve(versions, WORKSPACE, reference)
        assert (found.name, found.python) == ("sklearn-1.5", "3.10")
        assert found.lock is not None

    @pytest.mark.parametrize(
        ("reference", "error", "said"),
        [
            ("azureml:absent:1", NotFound, "'mine'"),
            ("azureml:mine:9", NotFound, "'1', '2'"),
            ("azureml:AzureML-acpt-pytorch-1.13@latest", NotFound, r"'sklearn-1\.5'"),
            ("azureml:AzureML-sklearn-1.5@newest", NotFound, "'latest'"),
            ("azureml://registries/other/environments/x/versions/1", Unsupported, "'other'"),
            ("azureml://datastores/x/paths/y", InvalidField, "does not name an environment"),
            (f"{WORKSPACE.id}/data/x/versions/1", InvalidField, "does not name an environment"),
        ],
    )
    def test_a_reference_that_leads_nowhere_says_what_there_is(
        self, versions: Versions, reference: str, error: type[Exception], said: str
    ) -> None:
        with pytest.raises(error, match=said):
            resolve(versions, WORKSPACE, reference)


class TestCurated:
    """The files in ``environments/curated``."""

    def test_another_version_than_the_kept_one_is_said_in_the_jobs_log(self) -> None:
        kept = curated.find("sklearn-1.5", "latest")
        older = curated.find("sklearn-1.5", "10")
        assert older.version == "10"
        assert any("Version 10 of sklearn-1.5 is not kept here" in note for note in older.notes)
        assert curated.find("sklearn-1.5", kept.version).notes == kept.notes

    @pytest.mark.parametrize("folder", sorted(path.parent for path in curated_environments().glob("*/*.yml")))
    def test_every_package_is_pinned_with_hashes_and_no_host_is_named(self, folder: Path) -> None:
        text = (folder / "requirements.lock").read_text()
        assert "://" not in text
        packages = re.findall(r"^([A-Za-z0-9._-]+)(==)?.*\\\n +(--hash)?", text, re.MULTILINE)
        assert packages
        assert all(pin and digest for _, pin, digest in packages)
        locked = {curated.package_of(name) for name, _, _ in packages}
        wanted = {curated.package_of(line) for line in curated.find(folder.name, "latest").requirements}
        assert wanted <= locked

    def test_they_are_listed_as_the_rest_api_lists_them(self) -> None:
        shown = {item.name: item for item in curated.documents()}
        item = shown["AzureML-sklearn-1.5"]
        assert item.properties["environmentType"] == "Curated"
        assert item.properties["image"] == "mcr.microsoft.com/azureml/curated/sklearn-1.5"
        assert (item.properties["isAnonymous"], item.properties["osType"]) == (False, "Linux")
        assert item.version.isdecimal()

    def test_academys_own_python_is_one_of_them(self) -> None:
        built = build(curated.find("AzureML-academy", "latest"), log=quiet)
        assert built.python == Path(sys.executable)
        assert "azure-ai-ml" in built.packages()
        assert run(built, "python -c 'import sys; print(sys.prefix)'").stdout.strip() == sys.prefix

    def test_a_checkout_without_them_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("academy.environments.curated.curated_environments", lambda: tmp_path)
        with pytest.raises(EnvironmentBuildError, match="pip install -e"):
            curated.find("sklearn-1.5", "latest")

    def test_sklearn_1_5_holds_what_it_holds_on_azure(self) -> None:
        (built,) = warm(["sklearn-1.5"], log=quiet)
        packages = built.packages()
        assert packages["scikit-learn"].startswith("1.5.")
        assert packages["pandas"] == "1.5.3" or built.minor not in ("3.10", "3.11")
        assert packages["mlflow-skinny"].startswith("2.")
        assert {"azureml-core", "azureml-mlflow", "joblib", "matplotlib"} <= packages.keys()
        if built.minor == "3.10":
            # Removed from the newer releases that Academy itself runs on.
            script = (
                "import numpy, pandas; pandas.DataFrame().append({'a': 2}, ignore_index=True); numpy.float"
            )
            assert run(built, f'python -W ignore -c "{script}"').returncode == 0


class TestInterpreters:
    """Which Python an environment gets."""

    @pytest.fixture
    def alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A machine with no Python but the running one."""
        for name, value in (
            ("PATH", str(tmp_path)),
            ("HOME", str(tmp_path)),
            ("PYENV_ROOT", str(tmp_path)),
            ("XDG_DATA_HOME", str(tmp_path)),
            ("ACADEMY_ENVIRONMENT_CACHE", str(tmp_path / "cache")),
        ):
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("ACADEMY_PYTHONS", raising=False)
        return tmp_path

    @pytest.mark.parametrize("version", ["3.6", "3.8.13", "3.99", "2.7"])
    def test_the_nearest_stands_in_and_the_note_says_so(self, alone: Path, version: str) -> None:
        found = interpreters.find(version)
        assert found.minor == THIS
        note = interpreters.difference(version, found)
        assert note is not None
        assert version in note
        assert found.version in note

    def test_the_same_series_is_as_asked_for(self, alone: Path) -> None:
        assert interpreters.difference(f"{THIS}.999", interpreters.find(f"{THIS}.999")) is None

    def test_of_two_as_near_the_newer_one_is_taken(
        self, alone: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        named = alone / "pythons"
        named.mkdir()
        for number in (7, 9):
            answer = f'["3.{number}.1", "CPython", true]'
            (named / f"python3.{number}").write_text(f"#!/bin/sh\necho '{answer}'\n")
            (named / f"python3.{number}").chmod(0o755)
        monkeypatch.setenv("PATH", f"{alone}:/bin:/usr/bin")
        monkeypatch.setenv("ACADEMY_PYTHONS", str(named))
        assert interpreters.find("3.8").version == "3.9.1"
        assert interpreters.find("3.7").version == "3.7.1"

    @pytest.mark.parametrize(
        "answer",
        [
            "exit 1",
            "echo nonsense",
            'echo \'["3.9.1", "PyPy", true]\'',
            'echo \'["3.4.1", "CPython", true]\'',
        ],
    )
    def test_what_is_no_cpython_of_its_name_is_passed_over(
        self, alone: Path, monkeypatch: pytest.MonkeyPatch, answer: str
    ) -> None:
        (alone / "python3.9").write_text(f"#!/bin/sh\n{answer}\n")
        (alone / "python3.9").chmod(0o755)
        monkeypatch.setenv("PATH", f"{alone}:/bin:/usr/bin")
        monkeypatch.setenv("ACADEMY_PYTHONS", str(alone / "python3.9"))
        assert interpreters.find("3.9").version != "3.9.1"

    def test_pyenvs_and_uvs_interpreters_are_found(
        self, alone: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for place, name in (
            (f"versions/{THIS}.98", "python"),
            (f"uv/python/cpython-{THIS}.97-x", f"python{THIS}"),
        ):
            folder = alone / place / "bin"
            folder.mkdir(parents=True)
            (folder / name).symlink_to(sys.executable)
        candidates = {str(item.path) for item in interpreters.candidates(os.environ)}
        assert str(alone / f"versions/{THIS}.98/bin/python") in candidates
        assert str(alone / f"uv/python/cpython-{THIS}.97-x/bin/python{THIS}") in candidates

    def test_an_interpreter_is_asked_once(self, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        interpreters.find(THIS)
        monkeypatch.setattr(subprocess, "run", None)
        assert interpreters.find(THIS).minor == THIS


def test_warming_an_unknown_name_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sklearn-9"]) == NotFound.exit_status
    assert "'sklearn-1.5'" in capsys.readouterr().err
    assert main([]) == 2


def test_the_files_of_curated_environments_hold_known_fields_only() -> None:
    for file in curated_environments().glob("*/environment.yml"):
        content = yaml.safe_load(file.read_text())
        assert content["name"] == file.parent.name
        assert curated.find(content["name"], "latest").python == content["python"]
