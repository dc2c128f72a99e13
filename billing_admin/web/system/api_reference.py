"""The API reference: the OpenAPI document as groups of calls for pages."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, urlencode

from billing_admin.domain.translation import Phrase

JSON: Final = "application/json"
_FORMATS: Final[Mapping[str, str]] = {"date": "date", "date-time": "date and time", "uuid": "UUID"}
_DECIMAL: Final = "decimal, as string or number"
_TOKEN: Final = "Authorization: Bearer $BILLING_TOKEN"  # noqa: S105 - a shell variable
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """A parameter, or a field of a body: its name, type, limits and meaning.

    The name of a nested field is its path, such as `lines[].amount`.
    """

    name: str
    type: str
    is_required: bool
    choices: tuple[str, ...]
    limits: str
    description: str
    place: str = "body"
    example: str = ""


@dataclass(frozen=True, slots=True)
class ApiObject:
    """An object that calls return, and its fields with those of the objects in it."""

    type: str
    description: str
    fields: tuple[Value, ...]

    @property
    def name(self) -> str:
        """The name in words, such as `Invoice taxes`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.type.removesuffix("Out")).capitalize()


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status and content, with an example if one is recorded.

    `object` is the object that it contains, or a page of which, if `is_page`.
    """

    status: str
    description: str
    media_types: tuple[str, ...]
    headers: tuple[str, ...]
    object: ApiObject | None
    is_page: bool
    example: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the API: a method and a path."""

    name: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    parameters: tuple[Value, ...]
    body: tuple[Value, ...]
    body_description: str
    body_example: str
    answers: tuple[Answer, ...]
    errors: tuple[tuple[str, str], ...]

    def curl(self, base_url: str) -> str:
        """Return a command that makes the call with its example values."""
        path, query = self.path, {}
        for parameter in self.parameters:
            if parameter.place == "path":
                path = path.replace(f"{{{parameter.name}}}", quote(parameter.example, safe=""))
            elif parameter.place == "query" and parameter.is_required:
                query[parameter.name] = parameter.example
        words = [f"curl {shlex.quote(base_url + path + ('?' + urlencode(query) if query else ''))}"]
        if self.method not in {"GET", "POST"} or (self.method == "POST" and not self.body_example):
            words.append(f"--request {self.method}")
        if self.scope:
            words.append(f'--header "{_TOKEN}"')
        words += [
            "--header " + shlex.quote(f"{parameter.name}: {parameter.example}")
            for parameter in self.parameters
            if parameter.place == "header"
        ]
        if self.body_example:
            words += [Phrase('--header "Content-Type: {json}"', json=JSON), f"--data {shlex.quote(self.body_example)}"]
        if self.answers and JSON not in self.answers[0].media_types:
            words.append("--remote-header-name --remote-name")
        return " \\\n  ".join(words)


@dataclass(frozen=True, slots=True)
class Group:
    """The calls about one kind of object."""

    name: str
    description: str
    calls: tuple[Call, ...]

    @property
    def objects(self) -> tuple[ApiObject, ...]:
        """The objects that the calls return, each once."""
        answers = (answer for call in self.calls for answer in call.answers)
        return tuple(dict.fromkeys(answer.object for answer in answers if answer.object is not None))

    @property
    def title(self) -> str:
        """The name as a heading."""
        return self.name.replace("-", " ").capitalize().replace("Openapi", "OpenAPI")


@dataclass(frozen=True, slots=True)
class Reference:
    """The whole reference."""

    description: str
    groups: tuple[Group, ...]
    errors: tuple[Answer, ...]
    headers: tuple[tuple[str, str], ...]

    def group(self, name: str) -> Group | None:
        """Return the group of a name, or None."""
        return next((group for group in self.groups if group.name == name), None)

    @property
    def count(self) -> int:
        """The number of calls."""
        return sum(len(group.calls) for group in self.groups)


@lru_cache(maxsize=1)
def read_reference(document: str) -> Reference:
    """Read the OpenAPI document."""
    return _Reader(json.loads(document)).reference()


class _Reader:
    """Reads one document, whose shared parts are named by references."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def reference(self) -> Reference:
        shared = self._document["components"]
        calls: dict[str, list[Call]] = {tag["name"]: [] for tag in self._document["tags"]}
        for path, operations in self._document["paths"].items():
            for method, operation in operations.items():
                calls[operation["tags"][0]].append(self._call(method.upper(), path, operation))
        return Reference(
            self._document["info"]["description"],
            tuple(Group(tag["name"], tag["description"], tuple(calls[tag["name"]])) for tag in self._document["tags"]),
            tuple(self._answer(status, answer) for status, answer in shared["responses"].items()),
            tuple((name, header["description"]) for name, header in shared["headers"].items()),
        )

    def _resolve(self, part: Schema) -> Schema:
        """Return the shared part that a reference names, or the part itself."""
        while "$ref" in part:
            target: Any = self._document
            for key in part["$ref"].removeprefix("#/").split("/"):
                target = target[key]
            part = target
        return part

    def _call(self, method: str, path: str, operation: Mapping[str, Any]) -> Call:
        content = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
        schema, example = content.get("schema", {}), content.get("example")
        scopes = [scope for security in operation["security"] for scope in security["token"]]
        answers = operation["responses"]
        return Call(
            operation["operationId"],
            method,
            path,
            operation["summary"],
            operation["description"],
            scopes[0] if scopes else "",
            tuple(self._parameter(parameter) for parameter in operation["parameters"]),
            tuple(self._fields(schema)),
            self._resolve(schema).get("description", ""),
            "" if example is None else _as_json(example),
            tuple(self._answer(status, answer) for status, answer in answers.items() if status < "400"),
            tuple(
                (status, self._resolve(answer)["description"]) for status, answer in answers.items() if status >= "400"
            ),
        )

    def _parameter(self, parameter: Mapping[str, Any]) -> Value:
        schema = {"description": parameter.get("description", "")} | parameter["schema"]
        return self._value(
            parameter["name"],
            schema,
            parameter["required"],
            place=parameter["in"],
            example=str(parameter.get("example", "")),
        )

    def _answer(self, status: str, answer: Schema) -> Answer:
        answer = self._resolve(answer)
        content = answer.get("content", {})
        example = next((part["example"] for part in content.values() if "example" in part), None)
        schema: Schema = next((part["schema"] for kind, part in content.items() if "json" in kind), {})
        is_page = _type_name(schema).startswith("Listing")
        if is_page:
            schema = self._resolve(schema)["properties"]["data"]["items"]
        return Answer(
            status,
            answer["description"],
            tuple(kind.partition(";")[0] for kind in content),
            tuple(answer["headers"]),
            self._object(schema) if _type_name(schema) else None,
            is_page,
            example if isinstance(example, str) else "" if example is None else _as_json(example),
        )

    def _object(self, schema: Schema) -> ApiObject:
        description = self._resolve(schema).get("description", "")
        return ApiObject(_type_name(schema), description, tuple(self._fields(schema)))

    def _fields(self, schema: Schema, prefix: str = "", parents: tuple[str, ...] = ()) -> Iterator[Value]:
        """Yield the fields of an object, each with those of the object in it.

        `parents` are the types around it: a type within itself is not described again.
        """
        schema, mark, name = self._innermost(schema)
        if name and name in parents:
            return
        if mark and not prefix:
            prefix = mark
        required = schema.get("required", [])
        for field, part in schema.get("properties", {}).items():
            yield self._value(prefix + field, part, field in required)
            _, inner_mark, _ = self._innermost(part)
            yield from self._fields(part, f"{prefix}{field}{inner_mark}.", (*parents, name))

    def _innermost(self, schema: Schema) -> tuple[Schema, str, str]:
        """Return the object in a schema, `[]` if it is a list, and its type."""
        mark, name = "", ""
        while True:
            name = _type_name(schema) or name
            schema = self._resolve(schema)
            if len(choices := _without_null(schema)) == 1:
                schema = choices[0]
            elif "items" in schema:
                schema, mark = schema["items"], mark + "[]"
            else:
                return schema, mark, name

    def _value(self, name: str, schema: Schema, is_required: bool, *, place: str = "body", example: str = "") -> Value:
        described = self._resolve(schema)
        inner, _, _ = self._innermost(schema)
        return Value(
            name,
            self._type(schema),
            is_required,
            tuple(str(choice) for choice in inner.get("enum", ()) if choice != ""),
            _limits(described),
            "" if "$ref" in schema else described.get("description", ""),
            place,
            example,
        )

    def _type(self, schema: Schema) -> str:
        schema = self._resolve(schema)
        if "anyOf" in schema:
            choices = _without_null(schema)
            types = list(dict.fromkeys(self._type(choice) for choice in choices))
            text = _DECIMAL if types == ["string", "number"] else " or ".join(types)
            return text + (" or null" if len(choices) < len(schema["anyOf"]) else "")
        if schema.get("type") == "array":
            return f"list of {self._type(schema.get('items', {}))}"
        return _FORMATS.get(schema.get("format", ""), str(schema.get("type", "string")))


def _type_name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _without_null(schema: Schema) -> list[Schema]:
    return [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]


def _limits(schema: Schema) -> str:
    """Return the limits of a value in words, empty if it has none that people need."""
    for choice in _without_null(schema)[:1]:
        schema = {**choice, "default": schema.get("default")}
    limits = [
        _range(schema.get("minLength"), schema.get("maxLength"), "characters"),
        _range(schema.get("minItems"), schema.get("maxItems"), "items"),
        _range(schema.get("minProperties"), schema.get("maxProperties"), "entries"),
        _range(schema.get("minimum"), schema.get("maximum"), ""),
        f"default {schema['default']}" if schema.get("default") not in (None, "", [], False) else "",
    ]
    text = ", ".join(filter(None, limits))
    return text[:1].upper() + text[1:]


def _range(least: int | None, most: int | None, noun: str) -> str:
    if most is None:
        return ""
    text = f"{least} to {most}" if least or (least == 0 and not noun) else f"up to {most}"
    return f"{text} {noun}".strip()


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
