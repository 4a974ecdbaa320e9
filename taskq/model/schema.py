"""What data has to look like: a JSON Schema, a ``msgspec.Struct`` or a pydantic model; all of them optional extras."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from taskq.errors import InvalidTask, SchemaMismatch, SettingsError

_MOST_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema in use.

    Attributes:
        dump: checks what a producer gives and returns it as JSON can say it.
        load: checks what was stored and returns what a consumer gets.
    """

    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


def shape_of(schema: Any, what: str) -> Shape:
    """Return a schema ready for use.

    Args:
        schema: a JSON Schema as a dict, a subclass of ``msgspec.Struct`` or of ``pydantic.BaseModel``; with the classes
            a consumer gets an instance, with a dict the data as it is.
        what: whose data it is, for the messages ("channel orders").

    Raises:
        InvalidTask: if it is none of these, or no valid JSON Schema.
        SettingsError: if the library for it is not installed.
    """
    if isinstance(schema, dict):
        return _of_json_schema(schema, what)
    if isinstance(schema, type) and hasattr(schema, "__struct_fields__"):
        return _of_struct(schema, what)
    if isinstance(schema, type) and hasattr(schema, "model_validate"):
        return _of_model(schema, what)
    raise InvalidTask(
        f"the schema of {what} is a {type(schema).__name__}: use a JSON Schema as a dict, a msgspec.Struct or a "
        "pydantic model"
    )


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise SettingsError(f"this schema needs {name}, which is not installed: pip install {name}") from None


def _mismatch(what: str, why: object) -> SchemaMismatch:
    return SchemaMismatch(f"the data does not fit the schema of {what}: {str(why)[:_MOST_SHOWN]}")


def _of_json_schema(schema: dict[str, Any], what: str) -> Shape:
    jsonschema = _library("jsonschema")
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise InvalidTask(f"the schema of {what} is no JSON Schema: {error.message[:_MOST_SHOWN]}") from None
    validator = kind(schema)

    def check(data: Any) -> Any:
        error = jsonschema.exceptions.best_match(validator.iter_errors(data))
        if error is not None:
            raise _mismatch(what, f"{error.json_path}: {error.message}")
        return data

    return Shape(check, check)


def _of_struct(schema: type, what: str) -> Shape:
    msgspec = _library("msgspec")

    def load(data: Any) -> Any:
        try:
            return msgspec.convert(data, schema)
        except msgspec.ValidationError as error:
            raise _mismatch(what, error) from None

    def dump(data: Any) -> Any:
        plain = msgspec.to_builtins(data) if isinstance(data, schema) else data
        load(plain)  # an instance may hold anything: its fields are not checked when it is made
        return plain

    return Shape(dump, load)


def _of_model(schema: Any, what: str) -> Shape:
    pydantic = _library("pydantic")

    def load(data: Any) -> Any:
        try:
            return schema.model_validate(data)
        except pydantic.ValidationError as error:
            raise _mismatch(what, error) from None

    def dump(data: Any) -> Any:
        plain = data.model_dump(mode="json") if isinstance(data, schema) else data
        load(plain)
        return plain

    return Shape(dump, load)
