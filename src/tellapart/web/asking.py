"""What is asked beside the pictures: where the mail goes, a picture to try, the effort."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tellapart.web import texts
from tellapart.web.elements import Field, button, choices, link, tag
from tellapart.web.uploading import Drop
from tellapart.web.visit import Visit

_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+|[^@\s,;<>]+@localhost")
#: As a recipe has it.
_MAX_WITHOUT = 60


@dataclass(frozen=True)
class Asked:
    """The form's lower half, read."""

    effort: str
    email: str
    #: A URL, or `upload:ID`; None: none.
    picture: str | None = field(repr=False)
    per_class: int | None
    #: What none of the words is.
    without: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Differs where anything differs: the same form sent twice is one run."""
        plain = {**asdict(self), "picture": str(self.picture)[:200]}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


class Extras:
    """The lower half of the start page's forms."""

    def __init__(self, visit: Visit, *, effort: bool = True, per_class: bool = False) -> None:
        self.visit = visit
        self.email: Field | None = None
        self.count: Field | None = None
        self.without: Field | None = None
        if effort:
            choices(texts.EFFORT, "effort", texts.EFFORTS, "quick")
        with tag("div", classes="pair"):
            self._mail()
            self._picture()
        if per_class:
            with tag("details"):
                tag("summary", texts.MORE_OPTIONS)
                self.count = Field(
                    texts.PER_CLASS,
                    "per_class",
                    kind="number",
                    hint=texts.PER_CLASS_HINT,
                    value="100",
                    min=10,
                    max=10_000,
                    inputmode="numeric",
                )
                self.without = Field(
                    texts.WITHOUT,
                    "without",
                    hint=texts.WITHOUT_HINT,
                    placeholder=texts.WITHOUT_EXAMPLE,
                    autocomplete="off",
                    autocapitalize="none",
                    maxlength=500,
                )

    def _picture(self) -> None:
        with tag("div", classes="stack stack-s"):
            self.url = Field(
                texts.TEST,
                "picture_url",
                kind="url",
                hint=texts.TEST_HINT,
                placeholder="https://",
                autocomplete="off",
                inputmode="url",
            )
            self.file = Drop(
                texts.TEST_FILE,
                texts.TEST_FILE_HINT,
                accept="image/*",
                on_begin=self._chosen_no_more,
                on_done=self._chosen,
            )
            self.chosen = tag("div", classes="row small hidden", role="status")

    def _chosen(self, got: Mapping[str, Any]) -> None:
        if got.get("kind") != "picture":
            self.file.forget()
            self.file.said.say(texts.TEST_NO_PICTURE, kind="bad")
            return
        self.chosen.clear()
        self.chosen.classes(remove="hidden")
        with self.chosen:
            tag("span", texts.TEST_CHOSEN.format(name=str(got.get("name", ""))[:80]))
            button(texts.TEST_REMOVE, self._forget, classes="link small")

    def _chosen_no_more(self) -> None:
        self.chosen.classes(add="hidden")

    def _forget(self) -> None:
        self.file.forget()
        self._chosen_no_more()

    def _mail(self) -> None:
        visit, account = self.visit, self.visit.visitor.account
        if not visit.house.desks.settings.mail_url:
            with tag("div", classes="field"):
                tag("span", texts.EMAIL, classes="label")
                tag("p", texts.NO_MAIL, classes="hint")
        elif visit.single_user or account is None:
            self.email = Field(
                texts.EMAIL,
                "email",
                kind="email",
                hint=texts.EMAIL_HINT,
                value=account.email if account else "",
                autocomplete="email",
                placeholder="ada@example.org",
            )
        elif not account.confirmed:
            with tag("div", classes="field"):
                tag("span", texts.EMAIL, classes="label")
                tag("p", texts.EMAIL_NOT_CONFIRMED, classes="hint")
                link(texts.NAV_ACCOUNT, "/account", classes="small")
        else:
            with tag("div", classes="field"):
                tag("span", texts.EMAIL, classes="label")
                tag("p", texts.EMAIL_OWN.format(email=account.email), classes="hint")
                with tag("label", classes="check"):
                    tag(
                        "input",
                        type="checkbox",
                        name="email",
                        value=account.email,
                        defaultChecked=True,
                    )
                    tag("span", texts.EMAIL_SEND)

    def read(self, given: dict[str, list[str]]) -> Asked | None:
        """What was filled in; None where something is wrong, which is said at its field."""
        email = given.get("email", [""])[0].strip()
        url = given.get("picture_url", [""])[0].strip()
        per_class = given.get("per_class", [""])[0].strip()
        good = True
        if self.count is not None:
            fits = per_class.isdecimal() and 10 <= int(per_class) <= 10_000
            self.count.error("" if fits else texts.PER_CLASS_WRONG, focus=not fits)
            good &= fits
        without = [part.strip() for part in re.split(r"[,;\n]", given.get("without", [""])[0])]
        if self.without is not None:
            fits = all(len(word) <= _MAX_WITHOUT and re.search(r"\w|^$", word) for word in without)
            self.without.error("" if fits else texts.WITHOUT_WRONG, focus=not fits)
            good &= fits
        url_fits = not url or re.match(r"(https?://\S+|data:image/)", url) is not None
        self.url.error("" if url_fits else texts.TEST_WRONG, focus=not url_fits)
        if self.email is not None:
            fits = not email or _EMAIL.fullmatch(email) is not None
            self.email.error("" if fits else texts.EMAIL_WRONG, focus=not fits)
            good &= fits
        if self.file.busy:
            self.file.said.say(texts.TEST_SENDING, kind="warn", focus=good and url_fits)
            return None
        if not (good and url_fits):
            return None
        if self.file.got is not None and self.file.got.get("kind") == "picture":
            url = f"upload:{self.file.got['id']}"
        return Asked(
            effort=given.get("effort", ["quick"])[0],
            email=email,
            picture=url or None,
            per_class=int(per_class) if self.count is not None else None,
            without=tuple(filter(None, without)) if self.without is not None else (),
        )
