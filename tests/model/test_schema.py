"""Schemas: JSON Schema, msgspec and pydantic check the same data in the same way."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pydantic
import pytest

from taskq.errors import InvalidTask, SchemaMismatch, SettingsError
from taskq.model.schema import shape_of


class Struct(msgspec.Struct):
    name: str
    count: int = 1


class Model(pydantic.BaseModel):
    name: str
    count: int = 1


JSON_SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
}
SCHEMAS = [JSON_SCHEMA, Struct, Model]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_fits_goes_through_unchanged(schema: Any) -> None:
    shape = shape_of(schema, "channel x")
    assert shape.dump({"name": "a", "count": 2}) == {"name": "a", "count": 2}


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("data", [{}, {"name": 1}, {"name": "a", "count": "many"}, [], None, "text"])
def test_what_does_not_fit_is_refused_both_ways(schema: Any, data: Any) -> None:
    shape = shape_of(schema, "channel x")
    for check in (shape.dump, shape.load):
        with pytest.raises(SchemaMismatch, match="the data does not fit the schema of channel x: "):
            check(data)


@pytest.mark.parametrize("schema", [Struct, Model])
def test_classes_are_sent_as_json_and_received_as_instances(schema: Any) -> None:
    shape = shape_of(schema, "channel x")
    plain = shape.dump(schema(name="a"))
    assert plain == {"name": "a", "count": 1}
    assert shape.load(plain) == schema(name="a")


def test_an_instance_that_was_built_wrongly_is_refused() -> None:
    with pytest.raises(SchemaMismatch):
        shape_of(Struct, "channel x").dump(Struct(name=7))  # type: ignore[arg-type]


@pytest.mark.parametrize("schema", [str, 7, "object", [], {"type": "no such type"}])
def test_what_is_no_schema(schema: Any) -> None:
    with pytest.raises(InvalidTask, match="the schema of channel x is "):
        shape_of(schema, "channel x")


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(SettingsError, match="pip install jsonschema"):
        shape_of({}, "channel x")


def test_a_long_explanation_is_cut() -> None:
    with pytest.raises(SchemaMismatch) as caught:
        shape_of(JSON_SCHEMA, "channel x").load({"name": ["x" * 10_000]})
    assert len(str(caught.value)) < 1000
