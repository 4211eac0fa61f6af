"""Exports: the JSON follows its schema, the bill of materials CycloneDX's, the page is whole and still."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from jsonschema import Draft202012Validator
from playwright.sync_api import Page, sync_playwright

from academy.audit.bom import bill
from academy.audit.chain import Head, Sealed
from academy.audit.export import SCHEMA_ID, Export
from academy.audit.finding import Unreadable
from academy.audit.lineage import Shelf, chain_of
from academy.audit.page import page
from academy.audit.record import Kind, Link, Record, Relation
from academy.audit.schema import check, schema
from academy.audit.text import told
from academy.errors import InvalidField, NotFound
from academy.evidence import evidence
from academy.evidence.evidence import Package
from tests import audit_records as made

CHROMIUM = "/usr/bin/chromium"
IDS = (made.JOB, made.MODEL, made.DEPLOYMENT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made.write(tmp_path / "files")


@pytest.fixture
def kept(folder: Path) -> made.Kept:
    return made.sealed(*made.chain(folder))


def export(kept: made.Kept, id: str = made.DEPLOYMENT, number: int | None = None) -> Export:
    return Export.of(kept.read(id=id), kept.read(), kept.head(), number)


# The JSON and its schema


@pytest.mark.parametrize("id", IDS)
def test_an_export_follows_the_published_schema_and_is_the_same_each_time(kept: made.Kept, id: str) -> None:
    text = export(kept, id).text()
    assert text == export(kept, id).text()
    value = json.loads(text)
    check(value, "the export")
    assert value["$schema"] == SCHEMA_ID == schema()["$id"]
    assert value["target"]["id"] == id
    assert [one["sequence"] for one in value["records"]] == [1, 2, 3]
    assert Sealed.from_json(value["records"][0]) == kept.records[0]


def test_records_with_nothing_in_them_follow_the_schema() -> None:
    record = Record(kind=Kind.JOB, name="lost", id=made.JOB, who="ada", status="Failed")
    check(export(made.sealed(record), made.JOB).to_json(), "the export")


def parts(node: Any, where: str = "schema") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each schema in the schema."""
    if not isinstance(node, dict):
        return
    yield where, node
    for name in ("properties", "$defs"):
        for key, inner in node.get(name, {}).items():
            yield from parts(inner, f"{where}.{key}")
    yield from parts(node.get("items"), f"{where}[]")


def test_the_schema_is_strict_and_says_what_every_field_is() -> None:
    Draft202012Validator.check_schema(schema())
    for where, node in parts(schema()):
        if where.endswith("[]"):
            continue
        assert node.get("description"), where
        if node.get("type") == "object" and "properties" in node:
            assert node["additionalProperties"] is False, where
            assert sorted(node["required"]) == sorted(node["properties"]), where


@pytest.mark.parametrize(
    ("name", "kept_by"),
    [
        ("record", Record),
        ("link", Link),
        ("sealed", Sealed),
        ("head", Head),
        *(
            (name.lower() if name != "FileHash" else "file", getattr(evidence, name))
            for name in (
                "Evidence",
                "Machine",
                "Gpu",
                "Software",
                "Package",
                "Tree",
                "FileHash",
                "Data",
                "Git",
            )
        ),
    ],
)
def test_the_schema_has_the_fields_of_the_values(name: str, kept_by: Any) -> None:
    fields = {field.name for field in dataclasses.fields(kept_by)}
    assert set(schema()["$defs"][name]["properties"]) == fields


def test_the_schema_has_the_states_of_the_enums() -> None:
    defs = schema()["$defs"]
    assert defs["kind"]["enum"] == [kind.value for kind in Kind]
    assert defs["link"]["properties"]["relation"]["enum"] == [relation.value for relation in Relation]


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("records", 0, "body", "kidn"), "job", "records.0.body"),
        (("records", 0, "hash"), "abc", "records.0.hash"),
        (
            ("records", 0, "body", "evidence", "machine", "cores"),
            "8",
            "records.0.body.evidence.machine.cores",
        ),
        (("head",), None, "head"),
        (("records",), [], "records"),
    ],
)
def test_what_does_not_follow_the_schema_is_refused_by_name(
    kept: made.Kept, path: tuple[str | int, ...], value: Any, named: str
) -> None:
    broken: Any = copy.deepcopy(json.loads(export(kept).text()))
    place = broken
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises(InvalidField, match=re.escape(f"x.json is no export of audit records: {named}")):
        check(broken, "x.json")


# Which records belong to an export


def test_only_the_chain_of_a_thing_is_exported(folder: Path) -> None:
    other = replace(made.job(folder), name="other", id=f"{made.WORKSPACE}/jobs/other")
    kept = made.sealed(made.job(folder), other, *made.chain(folder)[1:])
    assert [one.sequence for one in export(kept, other.id).records] == [2]
    assert [one.sequence for one in export(kept, made.JOB).records] == [1, 3, 4]


def test_a_job_is_chained_to_the_one_that_wrote_its_data(folder: Path) -> None:
    uri = "azureml://datastores/store/paths/clean/"
    first = replace(
        made.job(folder), name="clean", id=f"{made.WORKSPACE}/jobs/clean", links=(Link(Relation.WROTE, uri),)
    )
    second = replace(made.job(folder), links=(Link(Relation.READ, made.DATA), Link(Relation.READ, uri)))
    kept = made.sealed(first, second, made.model(folder))
    steps = export(kept, made.MODEL).steps
    assert [(step.kind, step.name, step.level) for step in steps] == [
        ("data", "iris:1", 1),
        ("job", "clean", 0),
        ("data", uri, 1),
        ("job", "brave_sail", 2),
        ("model", "iris:1", 3),
    ]


def test_a_job_that_reads_what_it_writes_has_a_chain(folder: Path) -> None:
    uri = "azureml://datastores/store/paths/state/"
    links = (Link(Relation.READ, uri), Link(Relation.WROTE, uri))
    kept = made.sealed(replace(made.job(folder), links=links))
    steps = chain_of(kept.records[0], Shelf(kept.records))
    assert sorted(step.name for step in steps) == [uri, "brave_sail"]
    assert "brave_sail" in page(export(kept, made.JOB))


def test_the_newest_record_is_shown_and_another_on_demand(folder: Path) -> None:
    failed = replace(made.deployment(folder), status="Failed")
    kept = made.sealed(made.job(folder), made.model(folder), failed, made.deployment(folder))
    assert export(kept).sealed.sequence == 4
    assert export(kept, number=3).record.status == "Failed"
    assert "It has 2 records (3, 4); this is 4. --record N shows another." in told(export(kept))
    with pytest.raises(NotFound, match=r"'iris/blue' has no record 2. Its records: '3', '4'."):
        export(kept, number=2)


def test_a_deleted_thing_is_shown_as_it_was_with_who_deleted_it(folder: Path) -> None:
    kept = made.sealed(*made.chain(folder), made.deletion(made.model(folder)))
    found = export(kept, made.MODEL)
    assert found.record.kind is Kind.MODEL
    assert "linus deleted it on 2026-11-21 10:00:03 UTC (record 4)." in told(found)
    assert "linus deleted the model on 2026-11-21 10:00:03 UTC." in page(found)
    assert [one.sequence for one in found.records] == [1, 2, 3, 4]


def test_a_record_of_a_later_release_is_refused_by_its_format(kept: made.Kept) -> None:
    later = replace(kept.records[0], body={**kept.records[0].body, "format": 2})
    with pytest.raises(Unreadable, match="format 2; this release of Academy reads 1"):
        Export.of([later], [later], kept.head(), None)


# The text


def test_the_text_of_a_model_says_all_that_made_it(kept: made.Kept) -> None:
    text = told(export(kept, made.MODEL))
    for part in (
        "Model iris:1: Ready",
        "It came from job brave_sail: Completed (record 1)",
        "ws-17: AMD EPYC 7763, 8 cores, 32.0 GB of memory",
        "NVIDIA H200, 143.0 GB, driver 570.86",
        "CPython 3.11.9",
        "asked for   tiny 1.0",
        "command     python train.py --data data/iris.csv --depth 3",
        "0123456789abcdef0123456789abcdef01234567 (main), with changes that are not in it",
        "accuracy = 0.96",
        "loss = NaN",
    ):
        assert part in text
    assert kept.records[0].record.evidence.software.packages[0].sha256 not in text  # type: ignore[union-attr,operator]


def test_the_chain_is_an_indented_text(kept: made.Kept) -> None:
    text = told(export(kept, made.MODEL))
    chain = text[text.index("From data to endpoint:") :].splitlines()[1:6]
    assert [line.split(" (")[0] for line in chain] == [
        "  data iris:1",
        "     job brave_sail",
        "        model iris:1",
        "           deployment iris/blue",
        "              endpoint iris",
    ]
    assert chain[2].endswith("<- this")


def test_all_packages_come_with_their_hashes_on_demand(kept: made.Kept) -> None:
    found = export(kept, made.JOB)
    assert found.record.evidence is not None
    (package,) = found.record.evidence.software.packages
    assert package.sha256 is not None
    assert package.sha256 in told(found, all_packages=True)


# The bill of materials


@pytest.mark.parametrize("id", IDS)
def test_a_bill_of_materials_is_valid_cyclonedx_and_the_same_each_time(kept: made.Kept, id: str) -> None:
    text = bill(export(kept, id))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text == bill(export(kept, id))


def test_a_bill_of_materials_lists_packages_model_data_and_code(kept: made.Kept, folder: Path) -> None:
    value = json.loads(bill(export(kept, made.MODEL)))
    subject = value["metadata"]["component"]
    assert (subject["type"], subject["name"], subject["version"]) == ("machine-learning-model", "iris", "1")
    record = kept.records[1].record
    assert record.model is not None
    assert subject["hashes"] == [{"alg": "SHA-256", "content": record.model.sha256}]
    found = {component["type"]: component for component in value["components"]}
    assert sorted(found) == ["application", "data", "library", "platform"]
    assert found["library"]["purl"] == "pkg:pypi/tiny@1.0"
    assert len(found["library"]["hashes"][0]["content"]) == 64
    assert found["data"]["hashes"][0]["content"] == kept.records[0].record.links[0].sha256
    assert [file["name"] for file in found["application"]["components"]] == ["lib/model.py", "train.py"]
    assert value["metadata"]["timestamp"] == "2026-11-21T10:00:01+00:00"


def test_bills_of_two_records_have_two_serial_numbers(kept: made.Kept) -> None:
    numbers = {json.loads(bill(export(kept, id)))["serialNumber"] for id in IDS}
    assert len(numbers) == len(IDS)


def test_odd_packages_have_a_place_in_the_bill(folder: Path) -> None:
    job = made.job(folder)
    assert job.evidence is not None
    odd = (
        Package("Tiny.Two", "1!2.0+local", None, "git+https://example.org/two.git@abc"),
        Package("tiny", "1.0", "ab" * 32, "file:///home/ada/my tiny"),
    )
    software = replace(job.evidence.software, packages=odd, own_packages=odd[:1])
    kept = made.sealed(replace(job, evidence=replace(job.evidence, software=software)))
    text = bill(export(kept, made.JOB))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    libraries = [one for one in json.loads(text)["components"] if one["type"] == "library"]
    assert [one["purl"] for one in libraries] == ["pkg:pypi/tiny-two@1%212.0%2Blocal", "pkg:pypi/tiny@1.0"]


def test_the_bill_is_there_as_xml(kept: made.Kept) -> None:
    root = ElementTree.fromstring(bill(export(kept, made.MODEL), xml=True))
    assert root.tag == "{http://cyclonedx.org/schema/bom/1.6}bom"
    assert root.get("serialNumber") == json.loads(bill(export(kept, made.MODEL)))["serialNumber"]


# The page


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]


def test_the_page_is_one_file_without_script_that_fetches_nothing(kept: made.Kept) -> None:
    text = page(export(kept))
    tags = Tags(text)
    assert not {"script", "link", "img", "iframe"} & set(tags.names)
    assert all(address.startswith("#") for address in tags.addresses)
    assert "Petals &amp; &lt;sepals&gt;" in page(export(kept, made.JOB))
    assert text == page(export(kept))


def test_the_page_has_every_hash_of_the_chain(kept: made.Kept) -> None:
    text = page(export(kept))
    for sealed in kept.records:
        found = set(re.findall(r'"sha256": "([0-9a-f]{64})"', json.dumps(sealed.to_json())))
        named = {sealed.hash, *found} - {
            file["sha256"]
            for tree in trees(sealed.body)
            for file in tree["files"]
            if file["sha256"] != tree["sha256"]
        }
        assert all(hash in text for hash in named)


def trees(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "files" in node:
            yield node
        for value in node.values():
            yield from trees(value)
    elif isinstance(node, list):
        for value in node:
            yield from trees(value)


def test_the_page_can_be_read_in_a_browser_light_and_dark_wide_and_narrow(
    kept: made.Kept, folder: Path
) -> None:
    file = folder / "page.html"
    file.write_text(page(export(kept)))
    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        grounds = []
        for scheme, width in (("light", 1100), ("dark", 1100), ("light", 360)):
            shown: Page = browser.new_page(
                viewport={"width": width, "height": 900},
                color_scheme=scheme,  # type: ignore[arg-type]
                offline=True,
            )
            shown.on("console", lambda message: faults.append(message.text))
            shown.goto(file.as_uri())
            assert (
                shown.get_by_role("heading", level=1).inner_text() == "Audit record of deployment iris/blue"
            )
            assert shown.get_by_role("img", name="What came from what").is_visible()
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            grounds.append(shown.evaluate("getComputedStyle(document.body).backgroundColor"))
        browser.close()
    assert faults == []
    assert grounds[0] == grounds[2] != grounds[1]
