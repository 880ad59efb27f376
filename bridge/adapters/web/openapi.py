"""The OpenAPI description of the API, made from the table of actions."""

from bridge.app.actions import Action, Actions

Json = dict[str, object]
_RESULT: Json = {
    "type": "object",
    "properties": {"ok": {"const": True}, "result": {}},
    "required": ["ok", "result"],
}
_ERROR: Json = {
    "type": "object",
    "properties": {"ok": {"const": False}, "error": {"type": "string"}},
    "required": ["ok", "error"],
}
_PLAIN = {"healthz": "Whether it is alive.", "readyz": "Whether it can read and store."}


def openapi(actions: Actions, *, token: str | None) -> Json:
    """Return the OpenAPI 3.1 document; `token` only says whether one is needed."""
    out: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "chip-bridge",
            "version": "1",
            "description": "Every answer is JSON with `ok`; errors are one sentence in `error`.",
        },
        "paths": {
            **{f"/api/v1/{action.name}": _path(action) for action in actions.values()},
            **{f"/{name}": _probe(name, text) for name, text in _PLAIN.items()},
        },
    }
    if token is not None:
        out["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        out["security"] = [{"token": []}]
    return out


def _probe(name: str, text: str) -> Json:
    answers: Json = {"200": {"description": "Yes."}}
    if name == "readyz":
        answers["503"] = {"description": "No; the text says why."}
    return {"get": {"summary": text, "operationId": name, "security": [], "responses": answers}}


def _path(action: Action) -> Json:
    operation: Json = {
        "summary": action.summary,
        "operationId": action.name.replace("/", "_"),
        "responses": {
            "200": _answer("Done.", _RESULT),
            "400": _answer("The request must be changed; `error` says how.", _ERROR),
            "401": _answer("The token is missing or wrong.", _ERROR),
            "404": _answer("Nothing by that name; `error` says what there is.", _ERROR),
        },
    }
    if action.changes:
        properties = {name: {"description": text} for name, text in action.takes.items()}
        schema = {"type": "object", "properties": properties, "additionalProperties": False}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
        return {"post": operation}
    operation["parameters"] = [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in action.takes.items()
    ]
    return {"get": operation}


def _answer(text: str, schema: Json) -> Json:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
