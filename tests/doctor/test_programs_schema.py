"""`doctor --json` is what docs/doctor.md publishes of it."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.doctor import chain
from agent.doctor.evidence import Evidence
from agent.doctor.history import followed
from agent.doctor.report import Check, Report, as_json

DOCUMENT = Path(__file__).parents[2] / "docs/doctor.md"
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
LOST = Report((Check("fail", "10.0.0.5:443 did not answer", "", "allow it", id="tcp"),))
WELL = Report((Check("ok", "Ready", id="node"),))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    [text] = re.findall(r"^```json\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    found: dict[str, Any] = json.loads(text)
    return found


def faults(value: Any, rule: dict[str, Any], definitions: dict[str, Any], place: str = "") -> list[str]:
    """Return where a value breaks the part of JSON Schema that the document uses; a key that it does not name does."""
    if "$ref" in rule:
        rule = definitions[rule["$ref"].removeprefix("#/$defs/")]
    allowed = [rule["const"]] if "const" in rule else rule.get("enum", [value])
    types = rule.get("type", [])
    kinds = tuple(TYPES[kind] for kind in ([types] if isinstance(types, str) else types)) or (object,)
    if value not in allowed or not isinstance(value, kinds):
        return [place]
    found = []
    if isinstance(value, dict):
        found += [f"{place}.{key}" for key in {*rule["required"], *rule["properties"]} ^ set(value)]
        for key, each in rule["properties"].items():
            found += faults(value[key], each, definitions, f"{place}.{key}") if key in value else []
    for number, each in enumerate(value if isinstance(value, list) else []):
        found += faults(each, rule["items"], definitions, f"{place}[{number}]")
    return found


@pytest.mark.parametrize(
    "report",
    [
        chain.examine(Evidence(NOW)),
        followed(LOST, None, NOW),
        followed(WELL, as_json(followed(LOST, None, NOW)), NOW + timedelta(hours=1)),
    ],
)
def test_a_report_is_as_published(schema: dict[str, Any], report: Report) -> None:
    assert faults(json.loads(as_json(report)), schema, schema["$defs"]) == []


def test_the_published_checks_are_those_of_the_chain(schema: dict[str, Any]) -> None:
    assert schema["$defs"]["id"]["enum"] == [link.id for link in chain.CHAIN]


def test_the_document_explains_every_check() -> None:
    table = DOCUMENT.read_text().partition("| check | judges |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert [name for row in rows for name in re.findall(r"`([a-z-]+)`", row)] == [link.id for link in chain.CHAIN]


def test_the_schema_refuses_what_is_none(schema: dict[str, Any]) -> None:
    body = json.loads(as_json(LOST)) | {"healthy": "no", "more": 1}
    assert sorted(faults(body, schema, schema["$defs"])) == [".healthy", ".more"]
