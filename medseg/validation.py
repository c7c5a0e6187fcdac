"""Plain data becomes a typed configuration, and every fault is explained with its key, value and choices."""

from __future__ import annotations

import difflib
import re
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from medseg.errors import RecipeError

ModelT = TypeVar("ModelT", bound=BaseModel)

_EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")


def parse_value(text: str) -> Any:
    """An override's value: YAML, and 1e-3 is a number (YAML 1.1 takes it for text)."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    return value


def set_by_path(raw: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set ``a.b.c`` in nested mappings and lists in place.

    Raises:
        RecipeError: a part of the path runs through a plain value or past the end of a list.
    """
    *parents, last = key.split(".")
    node: Any = raw
    for depth, part in enumerate(parents):
        child = _child(node, part, where)
        if child is None:
            child = {}
            node[part] = child
        if isinstance(child, str) and (shorthand := _SHORTHAND.get(key.split(".")[0])):
            child = {shorthand: child}
            node[int(part) if isinstance(node, list) else part] = child
        if not isinstance(child, dict | list):
            raise RecipeError(f"{where}: {'.'.join(parents[: depth + 1])} is {child!r} and has no key {last!r}")
        node = child
    if isinstance(node, list):
        _child(node, last, where)
        node[int(last)] = value
    else:
        node[last] = value


_SECRETS = ("key", "access_key", "secret_key")  # a secret given by mistake must not be told again
_SHORTHAND = {"store": "uri", "models": "model"}  # sections that a recipe may give as one plain value


def _child(node: Any, part: str, where: str) -> Any:
    if isinstance(node, list):
        if not part.isdigit() or int(part) >= len(node):
            raise RecipeError(f"{where}: {part!r} must be an index from 0 to {len(node) - 1}")
        return node[int(part)]
    return node.get(part)


def validate(model: type[ModelT], raw: dict[str, Any], where: str) -> ModelT:
    """Build a model from plain data.

    Raises:
        RecipeError: one line per fault, each with ``where``, key path, value and choices.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(model, fault) for fault in error.errors()]
        raise RecipeError("\n".join(f"{where}: {line}" for line in lines)) from None


def _explain(model: type[BaseModel], fault: Any) -> str:
    location = [part for part in fault["loc"] if not _is_union_tag(part)]
    key = ".".join(map(str, location)) or model.__name__.lower()
    if fault["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"{key} = {fault['input']!r}: unknown key.{hint} Known keys here: {', '.join(known)}"
    if fault["type"] == "missing":
        return f"{key}: is missing; add it to the recipe or give --set {key}=…"
    value = fault["input"]
    hidden = isinstance(value, dict) or not location or location[-1] in _SECRETS
    shown = "" if hidden else f" = {'null' if value is None else repr(value)}"
    return f"{key}{shown}: {_rule(model, fault, location)}"


def _rule(model: type[BaseModel], fault: Any, location: list[Any]) -> str:
    """What the value must be; pydantic's own words where they tell it."""
    value = fault["input"]
    if fault["type"] == "string_type" and isinstance(value, dict) and location:
        return f"must be text; for keys with dots: {_braced(location, value)}"
    if fault["type"] == "string_type":
        return "must be text" if value is None else "must be text; put it in quotes"
    if fault["type"] == "tuple_type":
        return "must be a list, e.g. [a, b]"
    if fault["type"] == "model_type":
        return f"must be a mapping of keys. Known keys here: {', '.join(_known_keys(model, location))}"
    return str(fault["msg"].removeprefix("Value error, ").replace("Input should", "must"))


def _braced(location: list[Any], value: Any) -> str:
    """The override whose key was taken apart at its dots: ``--set 'a.b={c.d: value}'``."""
    *parents, key = map(str, location)
    while isinstance(value, dict) and len(value) == 1:
        ((part, value),) = value.items()
        key = f"{key}.{part}"
    return f"--set '{'.'.join(parents)}={{{key}: {value}}}'"


def _is_union_tag(part: Any) -> bool:
    return isinstance(part, str) and (part in ("float", "int") or part.startswith("constrained-") or "[" in part)


def _known_keys(model: type[BaseModel], location: list[Any]) -> list[str]:
    current: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        annotation = current.model_fields[part].annotation
        current = next((a for a in (annotation, *get_args(annotation)) if _is_model(a)), current)
    return sorted(current.model_fields)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
