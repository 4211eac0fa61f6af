"""``academy lab new`` and ``academy lab lint``: each rule names the fault that is planted for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from academy.cli import root
from academy.errors import Conflict, UserError
from academy.labs.collection import Collection, Lab
from academy.labs.lint import RULES, Finding, lint
from academy.labs.lint.outputs import UNSTABLE
from academy.labs.lint.prose import SPELLINGS
from academy.labs.lint.rules import lint_all, strays
from academy.labs.manifest import (
    CELLS,
    LEVELS,
    RESOURCE_TYPES,
    Azure,
    AzureCost,
    Limits,
    Manifest,
    Resource,
    Task,
)
from academy.labs.scaffold import new_lab

LAB = "90-count-days"
NOTEBOOK = f"notebooks/{LAB}.ipynb"
MANIFEST = f"labs/{LAB}/lab.yml"
README = f"labs/{LAB}/data/README.md"


class Draft:
    """A new lab, and ways to spoil it."""

    def __init__(self, root: Path) -> None:
        self.collection = Collection(root)
        self.lab: Lab = new_lab(self.collection, LAB)

    def cell(self, cell_id: str, **changes: Any) -> None:
        """Change fields of a cell; ``None`` takes one out, ``add`` puts text at the end of its source."""
        notebook = self.notebook()
        cell = next(cell for cell in notebook["cells"] if cell["id"] == cell_id)
        cell["source"] = "".join(cell["source"]) + changes.pop("add", "")
        for key, value in changes.items():
            if value is None:
                del cell[key]
            else:
                cell[key] = value
        self.write(notebook)

    def text(self, cell_id: str, old: str, new: str) -> Draft:
        notebook = self.notebook()
        cell = next(cell for cell in notebook["cells"] if cell["id"] == cell_id)
        source = "".join(cell["source"])
        assert old in source
        cell["source"] = source.replace(old, new)
        self.write(notebook)
        return self

    def without(self, *cell_ids: str) -> None:
        notebook = self.notebook()
        notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] not in cell_ids]
        self.write(notebook)

    def prints(self, text: str, *, cell_id: str = "count-table") -> None:
        self.cell(cell_id, outputs=[{"output_type": "stream", "name": "stdout", "text": text}])

    def manifest(self, change: Callable[[dict[str, Any]], object]) -> None:
        file = self.lab.folder / "lab.yml"
        content = yaml.safe_load(file.read_text())
        change(content)
        file.write_text(yaml.safe_dump(content, allow_unicode=True))

    def notebook(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.lab.notebook.read_text())
        return found

    def write(self, notebook: dict[str, Any]) -> None:
        self.lab.notebook.write_text(json.dumps(notebook))

    def findings(self) -> list[Finding]:
        return lint(self.collection.lab(LAB), self.collection)


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(tmp_path)


def metadata(**own: str) -> dict[str, Any]:
    return {"academy": own}


def unrun(notebook: dict[str, Any], cell_id: str) -> dict[str, Any]:
    next(cell for cell in notebook["cells"] if cell["id"] == cell_id)["execution_count"] = None
    return notebook


@dataclass(frozen=True)
class Plant:
    """A fault, the rule that names it, and the file, cell and words of what it says."""

    rule: str
    make: Callable[[Draft], object]
    file: str
    cell: str
    words: str


ENDPOINT = "\nml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name={})).result()"
JOB = '\nml_client.jobs.create_or_update(command(command="ls", experiment_name={}))'

# A cell of "*" may be of any id.
PLANTS: list[Plant] = [
    Plant("title", lambda d: d.manifest(lambda m: m.update(title="A title.")), MANIFEST, "", "'A title.'"),
    Plant(
        "number",
        lambda d: shutil.copytree(d.lab.folder, d.lab.folder.with_name("90-other-name")),
        MANIFEST,
        "",
        "90-other-name has the number 90 too",
    ),
    Plant("minutes", lambda d: d.manifest(lambda m: m.update(minutes=55)), MANIFEST, "", "55 minutes"),
    Plant("objectives", lambda d: d.manifest(lambda m: m.update(objectives=[])), MANIFEST, "", "missing"),
    Plant(
        "prerequisites",
        lambda d: d.manifest(lambda m: m.update(prerequisites=["17-go-away"])),
        MANIFEST,
        "",
        "no lab '17-go-away'",
    ),
    Plant("tasks", lambda d: d.manifest(lambda m: m.update(tasks=[])), MANIFEST, "", "no task"),
    Plant(
        "hints", lambda d: d.manifest(lambda m: m["tasks"][0]["hints"].pop()), MANIFEST, "", "has 2 different"
    ),
    Plant(
        "hints",
        lambda d: d.manifest(lambda m: m["tasks"][0].update(hints=["a", "a", "b"])),
        MANIFEST,
        "",
        "has 2 different",
    ),
    Plant("steps", lambda d: d.manifest(lambda m: m["tasks"][0].update(step="date")), MANIFEST, "", "'date'"),
    Plant("steps", lambda d: d.manifest(lambda m: m["resources"][0].update(step="x")), MANIFEST, "", "'x'"),
    Plant(
        "resources",
        lambda d: d.manifest(lambda m: m["resources"][0].update(name="{dat_name}")),
        MANIFEST,
        "",
        "'dat_name'",
    ),
    Plant(
        "resources",
        lambda d: d.cell("connect", add=ENDPOINT.format('"my-endp"')),
        NOTEBOOK,
        "connect",
        "(name='my-endp') has a name that no parameter gives",
    ),
    Plant(
        "resources",
        lambda d: d.cell("connect", add=ENDPOINT.format("data_name")),
        NOTEBOOK,
        "connect",
        "makes the online_endpoint '{data_name}', which lab.yml does not name",
    ),
    Plant(
        "resources",
        lambda d: d.cell("connect", add=JOB.format('"count"')),
        NOTEBOOK,
        "connect",
        "makes the job 'count', which lab.yml does not name",
    ),
    Plant("azure", lambda d: d.manifest(lambda m: m.pop("azure")), MANIFEST, "", "azure.minutes"),
    Plant(
        "azure",
        lambda d: d.manifest(
            lambda m: m["azure"].update(
                as_of="lately", costs=[{"what": "a", "size": "b", "hours": 1, "usd_per_hour": 1}]
            )
        ),
        MANIFEST,
        "",
        "'lately'",
    ),
    Plant(
        "objectives-first",
        lambda d: d.text("title", "After this lab you can", "You will"),
        NOTEBOOK,
        "title",
        "afterwards",
    ),
    Plant("objectives-first", lambda d: d.without("title"), NOTEBOOK, "situation", "not the title"),
    Plant(
        "sections",
        lambda d: d.text("situation", "## The situation", "## Why"),
        NOTEBOOK,
        "",
        "'The situation'",
    ),
    Plant(
        "sections",
        lambda d: d.text("end", "## What usually goes wrong", "## Traps"),
        NOTEBOOK,
        "",
        "goes wrong",
    ),
    Plant(
        "sections",
        lambda d: d.text("end", "## What this would have been on Azure", "## Cost"),
        NOTEBOOK,
        "",
        "been on Azure",
    ),
    Plant("sections", lambda d: d.text("end", "## 5. Clean up", "## 5. End"), NOTEBOOK, "", "'Clean up'"),
    Plant("sections", lambda d: d.without("read-on"), NOTEBOOK, "", "'Read on'"),
    Plant(
        "sections",
        lambda d: d.cell("situation", add="\n\n## Clean up first\n\nNow."),
        NOTEBOOK,
        "situation",
        "'Clean up first' stands before",
    ),
    Plant(
        "sections",
        lambda d: d.cell("situation", source="## The situation\n\n## The idea\n\nOne."),
        NOTEBOOK,
        "situation",
        "empty",
    ),
    Plant("clean-up", lambda d: d.without("clean-up"), NOTEBOOK, "end", "No cell below"),
    Plant(
        "clean-up",
        lambda d: d.text("clean-up", "ml_client.data.archive(name=data_name)", "pass"),
        NOTEBOOK,
        "clean-up",
        "deletes, archives, stops or cancels",
    ),
    Plant(
        "clean-up",
        lambda d: d.cell("connect", add=ENDPOINT.format("data_name")),
        NOTEBOOK,
        "clean-up",
        "deletes the online endpoint",
    ),
    Plant("read-on", lambda d: d.text("read-on", "Level 200", "Level 250"), NOTEBOOK, "read-on", "level 200"),
    Plant(
        "read-on",
        lambda d: d.text(
            "read-on", "https://learn.microsoft.com/azure/machine-learning/reference-yaml-data", ""
        ),
        NOTEBOOK,
        "read-on",
        "level 300",
    ),
    Plant(
        "metadata",
        lambda d: d.cell("connect", metadata=metadata(stap="a")),
        NOTEBOOK,
        "connect",
        "no key 'stap'",
    ),
    Plant(
        "metadata",
        lambda d: d.write({**d.notebook(), "metadata": {"academy": {"lab": "91-other-lab"}}}),
        NOTEBOOK,
        "",
        "'91-other-lab'",
    ),
    Plant("cell-ids", lambda d: d.cell("connect", id=None), NOTEBOOK, "*", "no id"),
    Plant("parameters", lambda d: d.cell("values", metadata={}), NOTEBOOK, "", "0 cells"),
    Plant(
        "parameters",
        lambda d: d.cell("clean-up", metadata={"tags": ["parameters"], **metadata(step="clean-up")}),
        NOTEBOOK,
        "clean-up",
        "2 cells",
    ),
    Plant("parameters", lambda d: d.cell("values", add="\nwhen = date()"), NOTEBOOK, "values", "when"),
    Plant("parameters", lambda d: d.cell("values", add="\nprint(limit)"), NOTEBOOK, "values", "print(limit)"),
    Plant(
        "checks",
        lambda d: d.lab.checks_file.write_text(
            d.lab.checks_file.read_text().replace('"register-table"', '"x"')
        ),
        f"labs/{LAB}/checks.py",
        "",
        "register-table has no check",
    ),
    Plant(
        "checks",
        lambda d: d.lab.checks_file.write_text("import nothing_there"),
        f"labs/{LAB}/checks.py",
        "",
        "cannot be imported",
    ),
    Plant(
        "check-cells",
        lambda d: d.without("data-check"),
        NOTEBOOK,
        "",
        "No cell checks the task register-table",
    ),
    Plant(
        "check-cells",
        lambda d: d.cell("data-check", source="print('checked')"),
        NOTEBOOK,
        "data-check",
        'does not call check("register-table")',
    ),
    Plant(
        "check-cells",
        lambda d: d.cell("data-check", source='check("register-table")\ncheck("registr")'),
        NOTEBOOK,
        "data-check",
        "'registr' is no task",
    ),
    Plant(
        "markers",
        lambda d: d.text("data", "### END SOLUTION", ""),
        NOTEBOOK,
        "data",
        "BEGIN SOLUTION has no",
    ),
    Plant(
        "markers",
        lambda d: (d.lab.folder / "make.py").write_text("### END SOLUTION\n"),
        f"labs/{LAB}/make.py",
        "",
        "END SOLUTION has no",
    ),
    Plant(
        "solutions",
        lambda d: d.text("data", "### BEGIN SOLUTION", "").text("data", "### END SOLUTION", ""),
        NOTEBOOK,
        "data",
        "register-table has no solution",
    ),
    Plant(
        "solutions",
        lambda d: d.cell("data", metadata=metadata(step="data")),
        NOTEBOOK,
        "data",
        "cell of no task",
    ),
    Plant(
        "shows",
        lambda d: d.cell("connect", metadata={"academy": {"shows": ["tune-model"]}}),
        NOTEBOOK,
        "connect",
        "names 'tune-model', which is no task",
    ),
    Plant(
        "hidden-tests",
        lambda d: d.manifest(lambda m: m["tasks"][1].update(hidden_points=0)),
        MANIFEST,
        "",
        "earn nothing",
    ),
    Plant(
        "hidden-tests",
        lambda d: d.manifest(lambda m: m["tasks"][0].update(hidden_points=1)),
        MANIFEST,
        "",
        "register-table has 1 hidden point, and none",
    ),
    Plant("python", lambda d: d.cell("connect", source="print('a'"), NOTEBOOK, "connect", "not Python"),
    Plant(
        "academy-lines",
        lambda d: d.cell("connect", add="\nimport academy"),
        NOTEBOOK,
        "connect",
        "import academy",
    ),
    Plant(
        "academy-lines",
        lambda d: d.cell("connect", add="\nfrom academy import connect"),
        NOTEBOOK,
        "connect",
        "import academy.connect",
    ),
    Plant(
        "academy-lines", lambda d: d.cell("connect", add="\n!academy up"), NOTEBOOK, "connect", "!academy up"
    ),
    Plant("academy-lines", lambda d: d.without("extension"), NOTEBOOK, "", "0 times"),
    Plant(
        "academy-lines",
        lambda d: d.cell("connect", add="\n%load_ext academy"),
        NOTEBOOK,
        "connect",
        "2 times",
    ),
    Plant(
        "academy-lines",
        lambda d: d.cell("connect-text", source="## 2. Connect\n\nRun this."),
        NOTEBOOK,
        "extension",
        "what stands there on Azure",
    ),
    Plant(
        "display-update",
        lambda d: d.cell("count-table", add="\ndisplay(1, display_id='a')"),
        NOTEBOOK,
        "count-table",
        "display(1, display_id='a')",
    ),
    Plant(
        "display-update",
        lambda d: d.cell("count-table", add="\ndisplay(1).update(2)"),
        NOTEBOOK,
        "count-table",
        "display(1).update(2)",
    ),
    Plant("semicolon", lambda d: d.cell("count-table", add="\nmonths;"), NOTEBOOK, "count-table", "';'"),
    Plant(
        "line-length",
        lambda d: d.cell("count-table", add="\n" + "a" * 121),
        NOTEBOOK,
        "count-table",
        "has 121 characters",
    ),
    Plant(
        "line-length",
        lambda d: (d.lab.folder / "make.py").write_text("# " + "a" * 130),
        f"labs/{LAB}/make.py",
        "",
        "Line 1 has 132",
    ),
    Plant(
        "resource-names",
        lambda d: d.cell("connect", add='\nManagedOnlineEndpoint(name="my_endpoint")'),
        NOTEBOOK,
        "connect",
        "ManagedOnlineEndpoint(name='my_endpoint')",
    ),
    Plant(
        "resource-names",
        lambda d: d.text("values", '"months"', '"the months"'),
        NOTEBOOK,
        "data",
        "Data(name='the months')",
    ),
    Plant(
        "resource-names",
        lambda d: d.cell("connect", add='\nAmlCompute(name="cpu", size="standard_ds3_v2")'),
        NOTEBOOK,
        "connect",
        "size='standard_ds3_v2'",
    ),
    Plant(
        "known-names",
        lambda d: d.cell("connect", add='\ncommand(compute="cpu-clustr")'),
        NOTEBOOK,
        "connect",
        "no compute 'cpu-clustr'",
    ),
    Plant(
        "known-names",
        lambda d: (d.lab.folder / "job.yml").write_text("command: ls\ncompute: azureml:cpu-clustr\n"),
        f"labs/{LAB}/job.yml",
        "",
        "no compute 'azureml:cpu-clustr'",
    ),
    Plant("readable", lambda d: d.manifest(lambda m: m.pop("level")), f"labs/{LAB}", "", "lacks 'level'"),
    Plant(
        "executed",
        lambda d: d.cell("connect", execution_count=0),
        NOTEBOOK,
        "connect",
        "number 0",
    ),
    Plant(
        "executed",
        lambda d: d.write(unrun(d.notebook(), "connect")),
        NOTEBOOK,
        "connect",
        "without having run",
    ),
    Plant(
        "stored-outputs",
        lambda d: d.cell(
            "count-table",
            outputs=[{"output_type": "error", "ename": "KeyError", "evalue": "'a'", "traceback": []}],
        ),
        NOTEBOOK,
        "count-table",
        "KeyError: 'a'",
    ),
    Plant(
        "stored-outputs",
        lambda d: d.cell("data-check", outputs=[]),
        NOTEBOOK,
        "data-check",
        "not that of a check",
    ),
    Plant(
        "stored-outputs",
        lambda d: d.cell(
            "data-check",
            outputs=[
                {
                    "output_type": "display_data",
                    "metadata": {},
                    "data": {"application/vnd.academy.check+json": {"passed": False}, "text/plain": "no"},
                }
            ],
        ),
        NOTEBOOK,
        "data-check",
        "not that of a check",
    ),
    Plant(
        "tone", lambda d: d.cell("count-text", add="\n\nWell done!"), NOTEBOOK, "count-text", "'Well done!'"
    ),
    Plant("tone", lambda d: d.cell("count-text", add="\n\nGo \U0001f680"), NOTEBOOK, "count-text", "emoji"),
    Plant(
        "tone", lambda d: d.cell("count-text", add="\n\nSimply run it."), NOTEBOOK, "count-text", "'Simply'"
    ),
    Plant(
        "tone",
        lambda d: d.manifest(lambda m: m["tasks"][0]["hints"].__setitem__(0, "It is simply there.")),
        MANIFEST,
        "",
        "'simply'",
    ),
    Plant(
        "spelling", lambda d: d.cell("count-text", add="\n\nOn AzureML."), NOTEBOOK, "count-text", "'AzureML'"
    ),
    Plant(
        "links",
        lambda d: d.cell("count-text", add="\n\n[data](../labs/none.csv)"),
        NOTEBOOK,
        "count-text",
        "'../labs/none.csv'",
    ),
    Plant(
        "links",
        lambda d: d.cell("count-text", add="\n\n[above](#No-such-heading)"),
        NOTEBOOK,
        "count-text",
        "'No-such-heading'",
    ),
    Plant(
        "links",
        lambda d: d.cell("count-text", add="\n\nhttp://learn.microsoft.com/a"),
        NOTEBOOK,
        "count-text",
        "not an https address",
    ),
    Plant(
        "links",
        lambda d: d.cell("count-text", add="\n\n<https://learn>"),
        NOTEBOOK,
        "count-text",
        "'https://learn'",
    ),
    Plant(
        "links",
        lambda d: d.cell("count-text", add="\n\n![](attachment:a.png)"),
        NOTEBOOK,
        "count-text",
        "has no text",
    ),
    Plant(
        "links",
        lambda d: d.cell("count-text", add="\n\n![A plot](attachment:a.png)"),
        NOTEBOOK,
        "count-text",
        "no 'attachment:a.png'",
    ),
    Plant(
        "files",
        lambda d: (d.lab.folder / "data/months.csv").unlink(),
        NOTEBOOK,
        "data-text",
        f"no ../labs/{LAB}/data/months.csv",
    ),
    Plant(
        "files",
        lambda d: d.text("count-table", "../labs", "labs"),
        NOTEBOOK,
        "count-table",
        "not found from where",
    ),
    Plant(
        "files",
        lambda d: d.text("count-table", f"../labs/{LAB}", "../labs/00-run-quickstart"),
        NOTEBOOK,
        "count-table",
        "files of the lab 00-run-quickstart",
    ),
    Plant(
        "data-readme",
        lambda d: (d.lab.folder / "data/README.md").unlink(),
        f"labs/{LAB}/data",
        "",
        "no README",
    ),
    Plant(
        "data-readme",
        lambda d: (d.lab.folder / "data/README.md").write_text("Months, from a calendar.\n"),
        README,
        "",
        "the data's licence",
    ),
    Plant(
        "file-size",
        lambda d: (d.lab.folder / "data/large.bin").write_bytes(bytes(3 * 2**20)),
        f"labs/{LAB}/data/large.bin",
        "",
        "3.0 MB",
    ),
]
# Output that no other run has, by the name of its pattern.
OUTPUTS = {
    "the address of a service on this machine": "http://127.0.0.1:43759/score",
    "a time": "2026-11-21 12:47",
    "a duration": "trained in 3.21 s",
    "a GUID": "run 1b4e28ba-2fa1-11d2-883f-0016d3cca427",
    "an id": "run 0123456789abcdef0123456789abcdef",
    "the name of a job": "frosty_basin_s628qlpr97",
    "the path of a temporary folder": "/tmp/tmpab12/request.json",
    "the path of somebody's home": "/home/ada/labs",
    "an address in memory": "<function f at 0x7f0af43c7240>",
    "a progress bar": "100%|██████████| 43.9k/43.9k",
}
STABLE = (
    "00000000-0000-0000-0000-000000000001 academy",
    "accuracy: 0.930 of 2026 rows, 31 days, 15 minutes",
    "azureml:breast-cancer:1 JobStatus.COMPLETED",
    "sha256 f0710b561cf6700de6cb7ca0409704b1acde9fac5e6e54ce98733cacf82596aa",
)


def test_the_template_and_every_lab_of_ours_has_nothing_to_mend(draft: Draft) -> None:
    assert draft.findings() == []
    own = Collection.locate(Path(__file__).parents[1])
    assert own.labs()
    for lab in own.labs():
        assert lint(lab, own) == []


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.rule}: {plant.words}")
def test_a_planted_fault_is_named(draft: Draft, plant: Plant) -> None:
    plant.make(draft)
    named = [one for one in draft.findings() if one.rule == plant.rule and plant.words in one.what]
    assert named, [f"{one.place}: {one.rule}: {one.what}" for one in draft.findings()]
    found = named[0]
    assert (found.file, bool(found.number)) == (plant.file, bool(plant.cell))
    assert found.do.endswith((".", "…'."))
    if plant.cell != "*":
        assert found.cell == plant.cell
        ids = ["", *(one["id"] for one in draft.notebook()["cells"])]
        assert ids[found.number] == plant.cell


# Code that reads a file that is not there.
MISSING = (
    'open("./data/none.csv")',
    'f = "data/none.csv"\npd.read_csv(f)',
    'pd.read_csv("./../labs/90-count-days/data/none.csv")',
    'from pathlib import Path\n(Path("../labs/90-count-days") / "data" / "none.csv").read_text()',
    'import os\nfolder = "../labs/90-count-days/data"\nopen(os.path.join(folder, "none.csv"))',
    'Data(name="none", path="./data/none.csv")',
    'ml_client.jobs.download("a")\nopen("data/none.csv")',
    'open("data/some.csv", "w")\nopen("data/none.csv", "r")',
)
# Code that reads what it has made, what may have come from elsewhere, or no file.
MADE = (
    'with open("out.csv", "w") as file:\n    print(1, file=file)\nopen("out.csv")',
    'plot = "plot.png"\nplt.savefig(plot)\nopen(plot, "rb")',
    'months.to_csv("data/out/a.csv")\npd.read_csv("./data/out/a.csv")',
    'for i in range(3):\n    open(f"p{i}.json", "w")\nopen("p1.json")',
    'ml_client.jobs.download("a", download_path="data/out")\nopen("data/out/b.json")',
    'ml_client.jobs.download("a")\nopen("artifacts/b.json")',
    '!wget -O data/new.csv https://learn.microsoft.com/a\npd.read_csv("data/new.csv")',
    'open("../labs/90-count-days/data/new.csv", "w")\nopen("../labs/90-count-days/data/new.csv")',
    'pd.read_csv("https://learn.microsoft.com/a.csv")',
    'pd.read_csv(f"data/{limit}.csv")',
    'Model(name="a", path="azureml://jobs/a/outputs/artifacts/paths/model/")',
    'sns.load_dataset("iris")',
)


@pytest.mark.parametrize("code", MISSING)
def test_a_file_that_code_reads_has_to_be_there(draft: Draft, code: str) -> None:
    draft.cell("count-table", add="\n" + code)
    (found,) = draft.findings()
    assert (found.rule, found.cell) == ("files", "count-table")
    assert found.what.startswith("There is no ")
    assert found.what.endswith("data/none.csv.")


@pytest.mark.parametrize("code", MADE)
def test_a_file_that_the_notebook_makes_need_not_be_there(draft: Draft, code: str) -> None:
    draft.cell("count-table", add="\n" + code)
    assert draft.findings() == []


def test_a_path_of_an_edition_is_not_found_in_the_collection(draft: Draft) -> None:
    draft.cell("count-table", add='\nopen("./data/months.csv")')
    (found,) = draft.findings()
    assert found.what == "'./data/months.csv' is not found from where the notebook runs."
    assert found.do == f"Write ../labs/{LAB}/data/months.csv."


def test_remedies_offer_only_what_there_is(draft: Draft) -> None:
    draft.manifest(lambda m: m.update(prerequisites=["17-go-away"]))
    draft.manifest(lambda m: m["resources"][0].update(name="{none}"))
    notebook = draft.notebook()
    for cell in notebook["cells"]:
        cell["metadata"].get("academy", {}).pop("step", None)
        cell["source"] = [] if cell["id"] == "values" else cell["source"]
    draft.write(notebook)
    remedies = {one.rule: one.do for one in draft.findings()}
    assert remedies["prerequisites"] == "Take 17-go-away out: there is no other lab."
    assert remedies["steps"] == "Set metadata.academy.step in its cells."
    assert remedies["resources"].startswith("Make none a parameter")


# Ways to take away what the template makes.
CLEANED = (
    "if limit:\n    ml_client.data.archive(name=data_name)",
    "for one in [data_name]:\n    ml_client.jobs.begin_cancel(one).result()",
    "def tear_down():\n    ml_client.data.archive(name=data_name)\n\n\ntear_down()",
    "!az ml data archive --name months",
    "mlflow.delete_experiment(data_name)",
)


@pytest.mark.parametrize("code", CLEANED)
def test_what_takes_away_is_known(draft: Draft, code: str) -> None:
    draft.cell("clean-up", source=code)
    assert draft.findings() == []


@pytest.mark.parametrize("code", ['print("archived")', "pass", "archived = data_name", "import shutil"])
def test_a_cell_that_takes_nothing_away_is_no_clean_up(draft: Draft, code: str) -> None:
    draft.cell("clean-up", source=code)
    assert [(one.rule, one.cell) for one in draft.findings()] == [("clean-up", "clean-up")]


def test_a_lab_that_makes_nothing_needs_no_clean_up(draft: Draft) -> None:
    draft.manifest(lambda m: m.update(resources=[]))
    draft.cell("data", source="### BEGIN SOLUTION\ntable = limit\n### END SOLUTION")
    draft.without("clean-up")
    assert draft.findings() == []


@pytest.mark.parametrize("group", ["online_endpoints", "online_deployments"])
def test_an_endpoint_is_deleted_and_named_in_the_manifest(draft: Draft, group: str) -> None:
    draft.cell("connect", add=ENDPOINT.format('f"{data_name}-ep"'))
    draft.cell("clean-up", add=f"\nml_client.{group}.begin_delete(name=data_name).result()")
    assert [one.rule for one in draft.findings()] == ["resources"]
    resource = {"step": "connect", "type": "online_endpoint", "name": "{data_name}-ep"}
    draft.manifest(lambda m: m["resources"].append(resource))
    assert draft.findings() == []
    draft.text("clean-up", f"{group}.begin_delete", "models.begin_delete")
    assert [one.rule for one in draft.findings()] == ["clean-up"]


# Names that say nothing against a reset: not made, the workspace's own, or told by a run only.
FOUND_AGAIN = (
    'shown = Data(name="shown")',
    'ml_client.compute.begin_create_or_update(AmlCompute(name="cpu-cluster"))',
    'ml_client.data.create_or_update(Data(name=f"{data_name}-{table.version}"))',
    'name = f"{data_name}"\nml_client.data.create_or_update(Data(name=name))',
    "def register(name):\n    return ml_client.data.create_or_update(Data(name=name))",
    'ml_client.jobs.create_or_update(command(command="ls"))',
)


@pytest.mark.parametrize("code", FOUND_AGAIN)
def test_names_that_a_reset_finds_or_need_not_find_are_let_be(draft: Draft, code: str) -> None:
    draft.cell("connect", add="\n" + code)
    assert draft.findings() == []


@pytest.mark.parametrize(
    "code",
    [
        'made = Data(name="fixed")\nml_client.data.create_or_update(made)',
        'def make():\n    return Environment(name="fixed")\n\n\nml_client.create_or_update(make())',
        'fixed = "fixed"\nml_client.models.create_or_update(Model(name=fixed))',
        'env = Environment(name="fixed")\njob = command(environment=env)\n'
        "ml_client.jobs.create_or_update(job)",
    ],
)
def test_a_fixed_name_is_found_on_its_way_to_the_workspace(draft: Draft, code: str) -> None:
    draft.cell("connect", add="\n" + code)
    assert [(one.rule, "'fixed'" in one.what) for one in draft.findings()] == [("resources", True)]


REGISTRY = "azureml://registries/azureml/environments"


@pytest.mark.parametrize(
    ("code", "do"),
    [
        (f'environment="{REGISTRY}/sklern-1.5/labels/latest"', "Did you mean 'sklearn-1.5'?"),
        ('environment="AzureML-sklern-1.5@latest"', "Did you mean 'sklearn-1.5'?"),
        ('environment="azureml:sklern-1.5@latest"', "Did you mean 'sklearn-1.5'?"),
        (f'environment="{REGISTRY}/sklearn-1.5/labels/newest"', "Give a number, or 'latest'."),
        ('image="mcr.microsoft.com/azureml/curated/sklern-1.5:54"', "Did you mean 'sklearn-1.5'?"),
        ('compute="cpu-clustr"', "Did you mean 'cpu-cluster'?"),
        ('compute="serverles"', "Did you mean 'serverless'?"),
        ('compute="nowhere"', "There are: "),
    ],
)
def test_a_misspelled_environment_or_compute_is_named(draft: Draft, code: str, do: str) -> None:
    draft.cell("connect", add=f"\ncommand({code})")
    (found,) = draft.findings()
    assert (found.rule, found.cell) == ("known-names", "connect")
    assert found.do.startswith(do)


@pytest.mark.parametrize(
    "code",
    [
        f'command(environment="{REGISTRY}/sklearn-1.5/labels/latest", compute="cpu-cluster")',
        'command(environment="AzureML-sklearn-1.5@latest", compute="azureml:gpu-cluster")',
        'command(environment="azureml:sklearn-1.5:1", compute="serverless")',
        'command(environment="mine@latest", compute="${{parent.inputs.compute}}")',
        'AmlCompute(name=data_name)\ncommand(compute="months")',
        'Environment(name="sklern-1.5")\ncommand(environment="sklern-1.5@latest")',
        'AmlCompute(name=table.name)\ncommand(compute="some")',
        '!az ml compute create --name some\njob.compute = "some"',
        'subprocess.run("az ml compute create --name some", shell=True)\njob.compute = "some"',
        'Environment(image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest")',
    ],
)
def test_environments_and_computes_that_are_there_are_let_be(draft: Draft, code: str) -> None:
    draft.cell("connect", add="\n" + code)
    assert draft.findings() == []


def test_text_that_names_a_command_of_the_shell_makes_no_compute(draft: Draft) -> None:
    draft.cell("connect", add='\nprint("az ml compute create --name some")\njob.compute = "some"')
    assert ["no compute 'some'" in one.what for one in draft.findings()] == [True]


CURATED = "mcr.microsoft.com/azureml/curated"
SCHEMAS = "$schema: https://azuremlschemas.azureedge.net/latest"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (f"environment:\n  image: {CURATED}/sklern-1.5:54\n", f"'{CURATED}/sklern-1.5:54'"),
        (f"jobs:\n  train: {{environment: {{image: '{CURATED}/sklern-1.5'}}}}\n", "sklern-1.5'"),
        ("settings:\n  default_compute: >-\n    azureml:cpu-clustr\n", "'azureml:cpu-clustr'"),
        ("jobs:\n- compute: 'cpu-clustr'  # the cluster\n", "no compute 'cpu-clustr'"),
        ("name: blue\nendpoint_name: months\ntype: kubernetes\ncompute: blue\n", "no compute 'blue'"),
        (f"{SCHEMAS}/environment.schema.json\nname: blue\ncompute: blue\n", "no compute 'blue'"),
        ("name: sklern-1.5\ntype: amlcompute\nenvironment: azureml:sklern-1.5:1\n", "'azureml:sklern-1.5:1'"),
        ("name: sklern-1.5\ndependencies: []\nenvironment: sklern-1.5@latest\n", "'sklern-1.5@latest'"),
    ],
)
def test_a_misspelled_name_in_a_yaml_file_is_named(draft: Draft, content: str, what: str) -> None:
    (draft.lab.folder / "job.yml").write_text(content)
    (found,) = draft.findings()
    assert (found.rule, found.file) == ("known-names", f"labs/{LAB}/job.yml")
    assert what in found.what


@pytest.mark.parametrize(
    "content",
    [
        "compute: ${{parent.inputs.target}}\n",
        "compute:\n  target: x\n",
        "compute:\nenvironment: ''\n",
        f"image: {CURATED}/sklearn-1.5:latest\n",
        f"{SCHEMAS}/vmCompute.schema.json\nname: some\ncompute: some\n",
        "name: some\ntype: ComputeInstance\ncompute: azureml:some\n",
        f"{SCHEMAS}/environment.schema.json\nname: sklern-1.5\nenvironment: azureml:sklern-1.5:1\n",
        "name: sklern-1.5\nconda_file: conda.yml\nenvironment: azureml:sklern-1.5:1\n",
        "compute: &same\n- *same\n",
        "compute: nowhere\nday: 2024-13-45\n",
        "compute: {{ nowhere }}\n",
        "compute: nowhere\nday: !!timestamp today\n",
        "compute: nowhere\ncount: !!int ''\n",
        "compute: nowhere\nbroken: [\n",
        "compute: nowhere\ndeep: " + "[" * 5000,
        "- compute\n",
    ],
)
def test_what_a_yaml_file_rightly_names_is_let_be(draft: Draft, content: str) -> None:
    (draft.lab.folder / "job.yml").write_text(content)
    assert draft.findings() == []


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("import random\nprint(random.random())", "random.random()"),
        ("import time, uuid\nprint(time.time(), uuid.uuid4())", "time.time()"),
        (
            "from time import perf_counter as now\nstart = now()\nprint(f'{now() - start:.1f}')",
            "time.perf_counter()",
        ),
        ("import datetime as dt\ndt.datetime.now().isoformat()", "datetime.datetime.now()"),
        ("import os\nif limit:\n    print('process', os.getpid())", "os.getpid()"),
        ("import numpy as np\nnp.random.rand(3)", "numpy.random.rand()"),
        ("from uuid import uuid4\nname = f'a-{uuid4().hex}'\nname", "uuid.uuid4()"),
    ],
)
def test_code_that_shows_what_no_other_run_has_is_named(draft: Draft, code: str, call: str) -> None:
    draft.prints("0.5\n")
    draft.cell("count-table", add="\n" + code)
    assert any(
        (one.rule, one.cell) == ("unstable-output", "count-table") and f" {call} " in one.what
        for one in draft.findings()
    )
    draft.cell("count-table", metadata={"tags": ["nbval-ignore-output"], **metadata(step="count")})
    assert draft.findings() == []


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.sleep(1)\nstart = time.time()\nprint(time.time() - start < 60)",
        "import random\nrandom.seed(1)\nprint(random.random())",
        "import random\nchosen = random.Random(1).sample(range(9), 3)\nprint(chosen)",
        "import random\nprint(len(random.sample(range(9), 3)))",
        "import uuid\njob = ml_client.jobs.create_or_update(command(name=uuid.uuid4()))\nprint(job.status)",
        "import uuid\nprint(uuid.uuid5(uuid.NAMESPACE_DNS, 'a'))",
        "import time\nprint(time.time(), file=log)",
        "import datetime\nday = datetime.date.today()\nday = 1\nprint(day)",
    ],
)
def test_code_that_shows_the_same_each_time_is_let_be(draft: Draft, code: str) -> None:
    draft.cell("count-table", add="\n" + code)
    assert draft.findings() == []


def test_a_missing_file_that_prose_links_to_is_named_once(draft: Draft) -> None:
    draft.cell("count-text", add=f"\n\nSee [the table](../labs/{LAB}/data/none.csv).")
    assert [one.rule for one in draft.findings()] == ["links"]


def test_the_manifests_fields_are_all_told_to_authors() -> None:
    text = (Path(__file__).parents[1] / "labs/README.md").read_text()
    prefixes = {Manifest: "", Task: "tasks.", Resource: "resources.", Limits: "limits.", Azure: "azure."}
    for kind, prefix in {**prefixes, AzureCost: "azure.costs."}.items():
        for field in fields(kind):
            assert f"`{prefix}{field.name}`" in text or (kind is Manifest and field.name == "id"), field
    for value in (*LEVELS, *CELLS, *RESOURCE_TYPES):
        assert f"`{value}`" in text


def test_an_unstable_path_is_shown_whole(draft: Draft) -> None:
    draft.prints("written to /tmp/tmpab12/request.json\n")
    (found,) = draft.findings()
    assert "'/tmp/tmpab12/request.json'" in found.what


def test_what_cannot_be_read_ends_with_a_stop(draft: Draft) -> None:
    (draft.lab.folder / "lab.yml").write_text("title: a: b\n")
    (found,) = draft.findings()
    assert found.rule == "readable"
    assert found.what.endswith(".")


def test_every_rule_has_a_planted_fault() -> None:
    elsewhere = {"unstable-output", "pairs"}
    assert {rule.id for rule in RULES} == {plant.rule for plant in PLANTS} | elsewhere
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("name", UNSTABLE)
def test_unstable_output_is_named_unless_it_is_tagged(draft: Draft, name: str) -> None:
    draft.prints(OUTPUTS[name] + "\n")
    found = [one for one in draft.findings() if one.rule == "unstable-output"]
    assert name in " ".join(one.what for one in found)
    assert {one.cell for one in found} == {"count-table"}
    draft.cell("count-table", metadata={"tags": ["nbval-ignore-output"], **metadata(step="count")})
    assert draft.findings() == []
    draft.cell("count-table", metadata=metadata(step="count"))
    draft.text("count-table", "import pandas", "# NBVAL_IGNORE_OUTPUT\nimport pandas")
    assert draft.findings() == []


@pytest.mark.parametrize("text", STABLE)
def test_output_that_stays_the_same_is_let_be(draft: Draft, text: str) -> None:
    draft.prints(text)
    assert draft.findings() == []


def test_what_the_suite_does_not_compare_may_be_unstable(draft: Draft) -> None:
    unstable = OUTPUTS["a time"]
    draft.cell("count-table", outputs=[{"output_type": "stream", "name": "stderr", "text": unstable}])
    result = {"passed": True, "seconds": unstable}
    shown = {"application/vnd.academy.check+json": result, "text/plain": "done", "text/html": unstable}
    draft.cell("data-check", outputs=[{"output_type": "display_data", "metadata": {}, "data": shown}])
    assert draft.findings() == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("AzureML", "Azure Machine Learning"),
        ("Azure ML", "Azure Machine Learning"),
        ("AML", "Azure Machine Learning"),
        ("Azure Machine Learning Studio", "Azure Machine Learning studio"),
        ("Managed Online Endpoint", "managed online endpoint"),
        ("an Online Endpoint", "endpoint"),
        ("an end-point", "endpoint"),
        ("a Compute Instance", "compute instance"),
        ("a compute-cluster", "compute cluster"),
        ("a Data Asset", "data asset"),
        ("a data store", "datastore"),
        ("a Command Job", "command job"),
        ("the work space", "workspace"),
        ("hyper-parameters", "hyperparameter"),
        ("MLFlow", "MLflow"),
        ("Mlflow", "MLflow"),
        ("mlflow", "MLflow"),
        ("Pytorch", "PyTorch"),
        ("Scikit-learn", "scikit-learn"),
        ("sklearn", "scikit-learn"),
        ("Jupyter Lab", "JupyterLab"),
        ("Github", "GitHub"),
        ("numpy", "NumPy"),
        ("Pandas", "pandas"),
    ],
)
def test_names_of_the_field_are_spelled_its_way(draft: Draft, wrong: str, right: str) -> None:
    draft.cell("count-text", add=f"\n\nThis is {wrong} here.")
    assert any(
        one.rule == "spelling" and one.do == f"Write {right!r}." and one.cell == "count-text"
        for one in draft.findings()
    )


def test_right_spellings_code_and_titles_of_pages_are_let_be(draft: Draft) -> None:
    right = "\n\n".join([*SPELLINGS.values(), "A data asset, online endpoints, two workspaces."])
    code = "`AzureML!` and\n\n```\nimport numpy  # simply!\n```\n\n*AzureML, simply!*, https://learn.microsoft.com/azureml"
    draft.cell("count-text", add=f"\n\n{right}\n\n{code}\n\n![A plot](https://learn.microsoft.com/a.png)")
    draft.cell("title", add="\n\n[Begin](#1.-Set-the-values), [in words](#set-the-values-not)")
    assert [one.what for one in draft.findings()] == ["No heading is called 'set-the-values-not'."]


def test_the_widget_is_ours_to_use(draft: Draft) -> None:
    draft.cell(
        "connect",
        add="\nimport academy.widgets\nfrom academy import widgets\nfrom academy.widgets import lab",
    )
    assert draft.findings() == []


def test_the_matrix_and_the_audit_trail_are_ours_to_use_and_no_other_command(draft: Draft) -> None:
    draft.cell(
        "connect", add="\nfrom academy.matrix import Needs\n!cd {work} && academy audit run -- python a.py"
    )
    draft.cell("count-table", add="\n!academy matrix show\n!academy audit show && academy job list")
    assert [one.what for one in draft.findings()] == [
        "'!academy audit show && academy job list' is not code that runs on Azure."
    ]


def test_a_lab_that_cannot_be_read_says_so(draft: Draft) -> None:
    draft.lab.notebook.write_text("{")
    assert [(one.rule, LAB in one.file) for one in draft.findings()] == [("readable", True)]
    (draft.lab.folder / "lab.yml").write_text("title: x\n")
    assert ["lacks" in one.what for one in draft.findings()] == [True]


def test_what_lies_among_labs_and_is_none_is_named(draft: Draft) -> None:
    root = draft.collection.root
    (root / "labs/91-lone-folder").mkdir()
    (root / "labs/__pycache__").mkdir()
    (root / "notebooks/92-lone-notebook.ipynb").write_text("{}")
    (root / "notebooks/Untitled.ipynb").write_text("{}")
    assert [(one.rule, one.file, one.what) for one in strays(draft.collection)] == [
        ("pairs", "labs/91-lone-folder", "It has no lab.yml."),
        ("pairs", "labs/92-lone-notebook", "It has no lab.yml."),
        ("pairs", "notebooks/Untitled.ipynb", "It is not named as a lab."),
    ]
    assert set(lint_all(draft.collection.labs(), draft.collection)) == {"", LAB}


def test_a_new_lab_takes_its_title_and_spoils_nothing(tmp_path: Path) -> None:
    collection = Collection(tmp_path)
    made = new_lab(collection, LAB, title="Count days")
    assert made.manifest.title == "Count days"
    assert lint(made, collection) == []
    with pytest.raises(Conflict, match="is there already"):
        new_lab(collection, LAB)
    for name in ("count-days", "9-count-days", "90-days", "90-Count-Days", "../90-count-days"):
        with pytest.raises(UserError, match="two digits, a verb and a noun"):
            new_lab(collection, name)
    assert sorted(lab.id for lab in collection.labs()) == [LAB]


@pytest.mark.parametrize("title", ['It: "quoted" — ü #x', "- yes", "a\\b", "Count days"])
def test_a_title_is_kept_as_it_is(tmp_path: Path, title: str) -> None:
    made = new_lab(Collection(tmp_path), LAB, title=title)
    assert made.manifest.title == title
    first = json.loads(made.notebook.read_text(encoding="utf-8"))["cells"][0]
    assert "".join(first["source"]).splitlines()[0] == f"# {title}"


def test_a_number_is_that_of_one_lab(draft: Draft) -> None:
    with pytest.raises(Conflict, match=f"90 is that of {LAB}"):
        new_lab(draft.collection, "90-other-name")
    assert [lab.id for lab in draft.collection.labs()] == [LAB]
    shutil.copytree(draft.lab.folder, draft.lab.folder.with_name("90-other-name"))
    with pytest.raises(UserError, match=f"'90' is that of 2 labs: '{LAB}', '90-other-name'"):
        draft.collection.lab("90")
    assert draft.collection.lab(LAB) == draft.lab


@pytest.fixture
def academy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command in an empty folder, with a home of its own."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    home = str(tmp_path / "home")
    return lambda *arguments: CliRunner().invoke(root.academy, ["--home", home, *arguments])


def test_from_an_empty_folder_to_a_lab_that_passes_its_suite(
    academy: Callable[..., Result],
) -> None:
    made = academy("lab", "new", LAB, "--collection", ".", "--title", "Count days")
    assert made.exit_code == 0, made.stderr
    assert f"notebooks/{LAB}.ipynb" in made.stdout
    assert f"academy lab lint {LAB} --collection ." in made.stdout
    linted = academy("lab", "lint", LAB, "--collection", ".")
    assert (linted.exit_code, linted.stdout) == (0, f"{LAB}: nothing to mend\n")
    # The suite forks kernels from a process of its own, so it is run as one.
    command = [str(Path(sys.executable).with_name("academy")), "test", LAB, "--collection", ".", "-j", "1"]
    suite = subprocess.run(command, capture_output=True, text=True)
    assert suite.returncode == 0, suite.stdout + suite.stderr


def test_lint_names_place_and_remedy_and_exits_1(academy: Callable[..., Result], tmp_path: Path) -> None:
    draft = Draft(tmp_path / "labs")
    draft.cell("count-text", add="\n\nSimply run it.")
    where = str(draft.collection.root)
    found = academy("lab", "lint", "--collection", where)
    assert found.exit_code == 1
    assert found.stdout == (
        f"{LAB}: 1 to mend\n"
        f"  {NOTEBOOK}, cell count-text (number 11): tone\n"
        "      The word 'Simply'. Leave it out: to the reader it may not be so.\n"
    )
    as_json = academy("lab", "lint", "--collection", where, "--json")
    assert as_json.exit_code == 1
    (finding,) = json.loads(as_json.stdout)
    assert finding == {
        "lab": LAB,
        "rule": "tone",
        "file": NOTEBOOK,
        "what": "The word 'Simply'.",
        "do": "Leave it out: to the reader it may not be so.",
        "cell": "count-text",
        "number": 11,
    }


def test_lint_of_a_lab_that_is_not_there(academy: Callable[..., Result]) -> None:
    missing = academy("lab", "lint", "77-not-there")
    assert missing.exit_code == 3
    assert "'00-run-quickstart'" in missing.stderr


@pytest.mark.parametrize("command", [("lab", "lint"), ("test",), ("lab", "lint", "15"), ("test", "15")])
@pytest.mark.parametrize("folder", [".", "nowhere"])
def test_where_there_are_no_labs_each_command_says_so(
    academy: Callable[..., Result], command: tuple[str, ...], folder: str
) -> None:
    said = academy(*command, "--collection", folder)
    assert said.exit_code == 3
    where = Path.cwd() / folder
    assert (
        said.stderr == f"academy: There are no labs in {where}. 'academy lab new NN-verb-noun' begins one.\n"
    )
    listed = academy("lab", "list", "--collection", folder)
    assert listed.exit_code == 0, listed.stderr
    assert str(where) in listed.stdout


def test_that_there_are_no_labs_is_said_without_importing_the_linter(tmp_path: Path) -> None:
    academy = str(Path(sys.executable).with_name("academy"))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", academy, "lab", "lint", "--collection", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3, done.stderr
    assert "academy.labs.collection" in done.stderr
    assert "nbformat" not in done.stderr


def test_lint_lists_its_rules(academy: Callable[..., Result]) -> None:
    listed = academy("lab", "lint", "--rules")
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [rule.id for rule in RULES]
