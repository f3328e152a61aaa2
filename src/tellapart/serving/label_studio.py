"""What Label Studio asks of an ML backend: predictions for tasks, `/setup`, `/webhook`.

A task's picture is a URL or a `data:` URI. Pictures that were uploaded to Label Studio have an
address on its own server, which asks for its key: `LABEL_STUDIO_URL` and `LABEL_STUDIO_API_KEY`
name both. What a request says of itself (its `hostname`, its `access_token`) is not trusted: the
key would go wherever the request says.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from tellapart.errors import InputError, RequestError, TellapartError
from tellapart.serving import bodies
from tellapart.serving.bodies import Item
from tellapart.serving.jobs import Answer
from tellapart.serving.logs import Log
from tellapart.serving.models import ModelInfo
from tellapart.serving.predicting import Predictor
from tellapart.serving.request import Request, Response, json_response

_MOST_XML = 1_000_000
#: Label Studio sends as many tasks at once as it was told to, and waits longer than others do:
#: they are answered a part at a time, each with a deadline of its own.
_MOST_TASKS, _TOGETHER = 1000, 16


class Control(NamedTuple):
    """Where an answer goes: the names of the choices and of the picture, and the task's key."""

    from_name: str
    to_name: str
    key: str
    #: How the project spells each choice, by its spelling without case.
    choices: Mapping[str, str]


class LabelStudio:
    """The routes that Label Studio calls."""

    def __init__(
        self, predictor: Predictor, log: Log, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._predictor = predictor
        self._log = log
        self._home = environ.get("LABEL_STUDIO_URL", "").rstrip("/")
        self._key = environ.get("LABEL_STUDIO_API_KEY", "")

    async def setup(self, request: Request) -> Response:
        """A project begins to use this server: say which model answers."""
        value = await self._json(request)
        info = self._predictor.pool.models.default
        schema = value.get("schema")
        if isinstance(schema, str) and schema.strip():
            control = find_control(schema)
            strange = [label for label in info.labels if _choice(label, control) is None]
            self._log.event("label_studio_setup", model=info.name, labels_not_among_choices=strange)
        return json_response({"model_version": _version(info)})

    async def versions(self, request: Request) -> Response:
        if request.method == "POST":
            await self._predictor.body(request)
        models = self._predictor.pool.models
        return json_response({"versions": [_version(info) for info in models]})

    async def webhook(self, request: Request) -> Response:
        """Something was annotated: noted, nothing else. Training is another program's."""
        value = await self._json(request)
        action = value.get("action")
        self._log.event("webhook", action=action if isinstance(action, str) else None)
        return json_response({"status": "ok"}, 201)

    async def predict(
        self,
        request: Request,
        value: dict[str, Any],
        deadline: float,
        name: str = "",
        version: int | None = None,
    ) -> Response:
        """Predictions for tasks; `value` is the JSON of a `/predict` that has `tasks`.

        `name`, `version`: the model that the address names.
        """
        info = self._model(value.get("model_version"), name, version)
        request.model = info.name
        tasks, config = value["tasks"], value.get("label_config")
        if not isinstance(tasks, list) or not isinstance(config, str):
            raise InputError(
                "The request has no list of tasks, or no label_config.",
                expected='{"tasks": […], "label_config": "<View>…</View>"}',
                do="Send what Label Studio sends.",
            )
        if len(tasks) > _MOST_TASKS:
            raise bodies.too_many(len(tasks), _MOST_TASKS)
        control = find_control(config)
        results: list[dict[str, Any]] = []
        for at in range(0, len(tasks), _TOGETHER):
            part = tasks[at : at + _TOGETHER]
            deadline = self._predictor.deadline() if at else deadline
            request.got = 0  # each part may be as large as a body
            items = await asyncio.gather(
                *(self._item(request, task, control, deadline) for task in part)
            )
            contents = await self._predictor.contents(request, items, deadline)
            # Other bundles may have been loaded while the pictures came.
            info = self._model(value.get("model_version"), name, version)
            found = await self._predictor.run(request, info, contents, deadline)
            results += [_result(info, one, control) for one in found]
        return json_response({"results": results, "model_version": _version(info)})

    async def _item(
        self, request: Request, task: Any, control: Control, deadline: float
    ) -> Item | TellapartError:
        data = task.get("data") if isinstance(task, dict) else None
        address = data.get(control.key) if isinstance(data, dict) else None
        if not isinstance(address, str):
            return InputError(
                f"A task has no picture under {control.key!r}.",
                expected=f'{{"data": {{"{control.key}": "https://…"}}}}',
                do="Check the tasks and the labeling configuration.",
            )
        try:
            return await self._located(request, address, deadline)
        except InputError as error:
            return error

    async def _located(self, request: Request, address: str, deadline: float) -> Item:
        """The picture at an address; one on Label Studio's own server is got with its key."""
        if address.startswith("/") and not self._home:
            raise InputError(
                f"The task's picture is at {address[:200]!r}, on Label Studio's own server.",
                expected="LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY in this server's environment",
                do="Set both and start the server again.",
            )
        full = urljoin(f"{self._home}/", address) if self._home else address
        if not self._key or not self._is_upload(full):
            return bodies.address(full)
        headers = {"Authorization": f"Token {self._key}"}
        got = await self._predictor.elsewhere.get(full, deadline=deadline, headers=headers)
        if isinstance(got, TellapartError):
            raise InputError(got.what, expected=got.expected, do=got.do)
        request.hold(len(got), self._predictor.budget)
        return Item("picture", got)

    def _is_upload(self, address: str) -> bool:
        """Whether the key may be lent: for files on Label Studio's own server, nothing else."""
        home, asked = urlsplit(self._home), urlsplit(address)
        path = unquote(asked.path)
        below = path.removeprefix(home.path)
        return (
            bool(self._home)
            and asked[:2] == home[:2]
            and path.startswith(home.path)
            and below.startswith(("/data/", "/storage-data/"))
            and ".." not in path.split("/")
        )

    async def _json(self, request: Request) -> dict[str, Any]:
        value = bodies.parse(await self._predictor.body(request))
        if not isinstance(value, dict):
            raise InputError(
                "The request is no JSON object.", expected="an object", do="Send an object."
            )
        return value

    def _model(self, told: Any, name: str = "", version: int | None = None) -> ModelInfo:
        """The model of `NAME-VERSION` as `setup` told it, where it is one that the address names;
        for anything else that one, or the default."""
        models = self._predictor.pool.models
        for info in models:
            named = name in ("", info.name) and version in (None, info.version)
            if named and told == _version(info):
                return info
        return models.find(name, version)


def find_control(config: str) -> Control:
    """The choices of a labeling configuration that are about a picture. Raises `InputError`."""
    # Entities are what makes XML explode; a labeling configuration has none.
    if len(config) > _MOST_XML or "<!" in config.replace("<!--", ""):
        raise _no_control("it is too large, or declares entities")
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(config)  # noqa: S314 - no entities, see above
    except (ElementTree.ParseError, ValueError) as error:
        raise _no_control(f"it is not XML ({error})") from None
    pictures = {
        one.get("name", ""): one.get("value", "").removeprefix("$") for one in root.iter("Image")
    }
    for control in root.iter("Choices"):
        target = control.get("toName", "")
        if pictures.get(target) and control.get("name"):
            values = [one.get("value", "") for one in control.iter("Choice")]
            choices = {value.casefold(): value for value in values} | {v: v for v in values}
            return Control(control.get("name", ""), target, pictures[target], choices)
    raise _no_control("it has no Choices for an Image")


def _no_control(why: str) -> InputError:
    return RequestError(
        f"The labeling configuration cannot be used: {why}.",
        expected='<View><Image name="image" value="$image"/><Choices name="choice" '
        'toName="image">…</Choices></View>',
        do="Use such a configuration in the project.",
        status=422,
    )


def _choice(label: str, control: Control) -> str | None:
    """How the project spells a label; None where it does not have it."""
    return control.choices.get(label) or control.choices.get(label.casefold())


def _result(info: ModelInfo, found: Answer | TellapartError, control: Control) -> dict[str, Any]:
    """One task's prediction; without a result where the model abstains or sees no picture."""
    shape: dict[str, Any] = {"model_version": _version(info), "score": 0.0, "result": []}
    if isinstance(found, TellapartError):
        return {**shape, **found.to_dict()}
    if found.error is not None:
        return {**shape, "error": found.error}
    score = round(max(found.probabilities), 6)
    shape["score"] = score
    if found.label is not None:
        value = {"choices": [_choice(found.label, control) or found.label]}
        shape["result"] = [
            {
                "from_name": control.from_name,
                "to_name": control.to_name,
                "type": "choices",
                "value": value,
                "score": score,
            }
        ]
    return shape


def _version(info: ModelInfo) -> str:
    return f"{info.name}-{info.version}"
