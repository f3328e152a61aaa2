"""The server's description in OpenAPI 3.1, for programs and for generators of clients."""

from __future__ import annotations

import functools
from typing import Any

from tellapart.serving.options import Options

_TEXT, _NUMBER, _WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
_YES = {"type": "boolean"}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


_ERROR = _object(
    ("error",),
    error=_object(
        ("code", "what", "expected", "do"), code=_TEXT, what=_TEXT, expected=_TEXT, do=_TEXT
    ),
)
_PREDICTION = _object(
    ("label", "best", "abstained", "familiarity", "probabilities"),
    label={"type": ["string", "null"], "description": "None of the classes: null."},
    best={**_TEXT, "description": "The likeliest class, even where the model abstains."},
    abstained=_YES,
    familiarity={"type": ["number", "null"], "description": "-1 to 1: how like the training."},
    probabilities={"type": "object", "additionalProperties": _NUMBER},
    why=_object(
        ("label", "kind", "map"),
        label=_TEXT,
        kind={**_TEXT, "enum": ["cam", "occlusion"]},
        map={**_list(_list(_NUMBER)), "description": "Rows of cells; above 0 speaks for it."},
        picture={**_TEXT, "description": "The picture with that lit, as a data: URI."},
    ),
)
_IMAGE = {
    "oneOf": [
        {**_TEXT, "description": "Base64, or a data: URI."},
        _object(("b64",), b64=_TEXT),
    ]
}
_ROW = {"oneOf": [{"type": "object"}, {"type": "array"}]}
_ASKED = {
    "oneOf": [
        _object(("image",), image=_IMAGE),
        _object(("url",), url=_TEXT),
        _object(("path",), path={**_TEXT, "description": "Over the Unix socket only."}),
        _object(("row",), row=_ROW),
        _object(("images",), images=_list(_IMAGE)),
        _object(("urls",), urls=_list(_TEXT)),
        _object(("rows",), rows=_list(_ROW)),
        _object(("instances",), instances=_list({})),
        _list({}),
        _object(("tasks", "label_config"), tasks=_list({}), label_config=_TEXT),
    ]
}
_ERRORS = {
    "400": "It cannot be read.",
    "401": "A token is asked for.",
    "403": "It may not be fetched.",
    "404": "There is no such model.",
    "413": "It is too large, or too many.",
    "422": "It is no picture, or no row, that can be used.",
    "429": "This client asks too often; see Retry-After.",
    "503": "The server has enough to do; see Retry-After.",
    "504": "The answer did not come in time.",
}


@functools.cache
def document(options: Options) -> dict[str, Any]:
    """The whole description."""
    from importlib.metadata import version

    parameters = [
        _query("model", _TEXT, "The model's name; default: the first."),
        _query("version", _WHOLE, "Its version; default: the highest."),
        _query("why", _YES, "Also where the picture speaks for its class."),
    ]
    predict: dict[str, Any] = {
        "summary": "Say what is on a picture, or on many, or answer rows of a table.",
        "parameters": parameters,
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {"schema": {**_TEXT, "format": "binary"}},
                "application/octet-stream": {"schema": {**_TEXT, "format": "binary"}},
                "multipart/form-data": {
                    "schema": _object(file=_list({**_TEXT, "format": "binary"}))
                },
                **_json(_ASKED),
            },
        },
        "responses": {
            "200": {
                "description": "The answer; for many, each with its own answer or error.",
                "content": _json({"oneOf": [_ref("Answer"), _ref("Answers")]}),
            },
            **_errors(),
        },
    }
    infer = {
        "summary": "Answer tensors with tensors (Open Inference Protocol; binary data too).",
        "parameters": [_path("name")],
        "requestBody": {"required": True, "content": _json({"type": "object"})},
        "responses": {"200": _answer("Output tensors."), **_errors()},
    }
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Tellapart",
            "version": version("tellapart"),
            "description": "Classifiers of pictures and rows, served.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/predict": {"post": {"operationId": "predict", **predict}},
            "/v1/models/{name}/predict": {
                "post": {
                    "operationId": "predict_with_model",
                    **predict,
                    "parameters": [_path("name"), *parameters[2:]],
                }
            },
            "/v1/models/{name}/versions/{version}/predict": {
                "post": {
                    "operationId": "predict_with_version",
                    **predict,
                    "parameters": [
                        _path("name"),
                        _path("version"),
                        *parameters[2:],
                    ],
                }
            },
            "/v1/models": _get("models", "What each model answers, and from what."),
            "/health": _get("health", "Whether the server lives, and its models."),
            "/ready": _get("ready", "Whether it answers predictions (503: not)."),
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "Figures for Prometheus.",
                    "responses": {"200": {"description": "Text.", "content": {"text/plain": {}}}},
                }
            },
            "/v2": _get("v2", "The server's name, version and extensions."),
            "/v2/health/live": _get("v2_live", "Whether it lives."),
            "/v2/health/ready": _get("v2_ready", "Whether it answers (503: not)."),
            "/v2/models/{name}": _get("v2_model", "A model's inputs and outputs.", "name"),
            "/v2/models/{name}/ready": _get("v2_model_ready", "Whether it answers.", "name"),
            "/v2/models/{name}/infer": {"post": {"operationId": "v2_infer", **infer}},
            "/v2/repository/index": _post("v2_index", "All models."),
            "/v2/repository/models/{name}/load": _post("v2_load", "Load all anew.", "name"),
            "/setup": _post("setup", "Label Studio: a project begins to use the server."),
            "/webhook": _post("webhook", "Label Studio: something was annotated.", status="201"),
            "/versions": _get("versions", "Label Studio: the models there are."),
        },
        "components": {
            "schemas": {
                "Error": _ERROR,
                "Prediction": _PREDICTION,
                "Answer": {"allOf": [_object(model=_TEXT, version=_WHOLE), _ref("Prediction")]},
                "Answers": _object(
                    ("model", "version", "predictions"),
                    model=_TEXT,
                    version=_WHOLE,
                    predictions=_list({"oneOf": [_ref("Prediction"), _ref("Error")]}),
                ),
            }
        },
    }
    if options.tokens:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return found


def _query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _answer(text: str) -> dict[str, Any]:
    return {"description": text, "content": _json({"type": "object"})}


def _errors() -> dict[str, Any]:
    return {
        status: {"description": text, "content": _json(_ref("Error"))}
        for status, text in _ERRORS.items()
    }


def _get(name: str, summary: str, *parts: str) -> dict[str, Any]:
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "parameters": [_path(part) for part in parts],
            "responses": {"200": _answer("JSON.")},
        }
    }


def _post(name: str, summary: str, *parts: str, status: str = "200") -> dict[str, Any]:
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "parameters": [_path(part) for part in parts],
            "requestBody": {"content": _json({"type": "object"})},
            "responses": {status: _answer("JSON."), **_errors()},
        }
    }
