"""A place to drop or choose files, which the browser sends to REST by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nicegui.events import GenericEventArguments

from tellapart.web import texts
from tellapart.web.elements import Notice, new_id, set_attribute, tag

#: Where uploads go, and the script that a page with a `Drop` loads.
ADDRESS, SCRIPT = "/api/v1/uploads", "upload.js"


class Drop:
    """One upload at a time; `got` is what REST said of the last good one, None before.

    `folder`: a dropped folder, or several files, become one upload; `choose_folder` adds a second
    button for choosing one.
    """

    def __init__(
        self,
        label: str,
        hint: str,
        *,
        accept: str,
        folder: bool = False,
        on_begin: Callable[[], None] | None = None,
        on_done: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.got: Mapping[str, Any] | None = None
        self.busy = False
        self._on_begin, self._on_done = on_begin, on_done
        hinted = new_id("drop")
        with tag("div", classes="drop"):
            nothing = texts.NOTHING_DROPPED
            with tag(
                "div",
                classes="dropzone",
                data_upload=ADDRESS,
                data_folder=folder,
                data_nothing=nothing,
            ) as self.zone:
                tag("strong", label)
                tag("span", hint, classes="hint", id=hinted)
                tag(
                    "input",
                    type="file",
                    accept=accept,
                    aria_label=label,
                    aria_describedby=hinted,
                )
            if folder:
                with tag(
                    "div",
                    classes="choose",
                    data_upload=ADDRESS,
                    data_folder=True,
                    data_nothing=nothing,
                ) as other:
                    tag("span", texts.CHOOSE_FOLDER, aria_hidden=True)
                    tag("input", type="file", webkitdirectory=True, aria_label=texts.CHOOSE_FOLDER)
                self._listen(other)
            with tag(
                "div",
                classes="bar hidden",
                role="progressbar",
                aria_label=texts.SENDING,
                aria_valuemin=0,
                aria_valuemax=100,
            ) as self.bar:
                tag("i")
            self.said = Notice()
        self._listen(self.zone)

    def _listen(self, zone: Any) -> None:
        for name in ("began", "finished", "refused"):
            zone.on(name, getattr(self, f"_{name}"), js_handler="(e) => emit(e.detail)")

    def _began(self, event: GenericEventArguments) -> None:
        self.got, self.busy = None, True
        if self._on_begin is not None:
            self._on_begin()
        self.bar.classes(replace="bar")
        count = int(event.args.get("count", 1))
        name = str(event.args.get("name", ""))[:120]
        self.said.say(
            texts.SENDING_FILES.format(n=f"{count:,}")
            if count > 1
            else texts.SENDING_FILE.format(name=name)
        )

    def _finished(self, event: GenericEventArguments) -> None:
        self.bar.classes(replace="bar hidden")
        self.got, self.busy = dict(event.args), False
        self.said.hide()
        if self._on_done is not None:
            self._on_done(self.got)

    def _refused(self, event: GenericEventArguments) -> None:
        self.bar.classes(replace="bar hidden")
        self.busy = False
        self.said.refuse(event.args or {})

    def forget(self) -> None:
        """As if nothing had been sent."""
        self.got = None
        self.said.hide()
        set_attribute(self.zone, "aria_busy", None)
