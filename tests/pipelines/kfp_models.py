"""Bodies of the KFP API, checked against the models of kfp-server-api, and those models as JSON."""

from __future__ import annotations

import json
import re
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import kfp_server_api

_API = kfp_server_api.ApiClient()
_PLAIN = {"str": str, "int": int, "float": (int, float), "bool": bool, "object": object}
_INT64 = ("max_concurrency", "long_value", "interval_second")  # text in the models; the server takes numbers too


def to_json(model: Any) -> Any:
    """What the server answers with."""
    return _API.sanitize_for_serialization(model)


def from_json(body: Any, model: str) -> Any:
    """A model from a request's body.

    Raises:
        ValueError: a field that the model does not have, or one of the wrong type.
    """
    _check(body, model, model)
    return _API.deserialize(SimpleNamespace(data=json.dumps(body)), model)


def _check(value: Any, kind: str, where: str) -> None:
    if inner := re.fullmatch(r"list\[(.*)\]", kind):
        _is_a(value, list, where)
        for item in value:
            _check(item, inner[1], where)
    elif inner := re.fullmatch(r"dict\(str, (.*)\)", kind):
        _is_a(value, dict, where)
        for key, item in value.items():
            _check(item, inner[1], f"{where}.{key}")
    elif kind == "datetime":
        _is_a(value, str, where)
        datetime.fromisoformat(value)
    elif kind in _PLAIN:
        number = where.rsplit(".", 1)[-1] in _INT64 and isinstance(value, int)
        if not number:
            _is_a(value, _PLAIN[kind], where)
    else:
        _check_model(value, getattr(kfp_server_api, kind), where)


def _check_model(value: Any, model: Any, where: str) -> None:
    if not model.openapi_types:  # an enumeration
        if value not in model.allowable_values:
            raise ValueError(f"{where}: {value!r} is none of {', '.join(model.allowable_values)}")
        return
    _is_a(value, dict, where)
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    for key, item in value.items():
        if key not in names:
            raise ValueError(f"{where}: unknown field {key!r}")
        _check(item, model.openapi_types[names[key]], f"{where}.{key}")


def _is_a(value: Any, kind: Any, where: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind not in (bool, object)):
        raise ValueError(f"{where}: {value!r} must be {kind}")
