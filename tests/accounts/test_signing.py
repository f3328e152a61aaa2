"""Signed texts and the key behind them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.accounts import Signer
from tellapart.errors import InputError, RequestError, StorageError
from tellapart.settings import Settings
from tellapart.store.keys import Keys
from tests.accounts.scene import Clock

KEYED = Settings(home=Path("/nonexistent"), secret_key="k" * 40)
TEXT = Signer(KEYED, clock=lambda: 1000.0).sign("file", {"id": "r_1", "n": 3}, 60)


def _status(text: str, purpose: str = "file", at: float = 1000.0) -> int:
    with pytest.raises(RequestError) as caught:
        Signer(KEYED, clock=lambda: at).read(purpose, text)
    return caught.value.http_status


def test_what_was_signed_is_read_until_it_expires() -> None:
    assert Signer(KEYED, clock=lambda: 1059.9).read("file", TEXT) == {"id": "r_1", "n": 3}
    assert _status(TEXT, at=1060.0) == 410
    assert _status(TEXT, purpose="confirm") == 403
    assert TEXT.replace("-", "").replace("_", "").replace(".", "").isalnum()


@given(st.integers(0, len(TEXT) - 1), st.characters())
def test_one_letter_changed_is_forged(place: int, letter: str) -> None:
    changed = TEXT[:place] + letter + TEXT[place + 1 :]
    if changed != TEXT:
        assert _status(changed) == 403


@given(st.text(max_size=3000))
def test_any_text_is_forged(text: str) -> None:
    if text != TEXT:
        assert _status(text) == 403


@pytest.mark.parametrize("text", ["", ".", TEXT + "=", TEXT + " ", TEXT[:-1], TEXT + "." + TEXT])
def test_other_spellings_are_forged(text: str) -> None:
    assert _status(text) == 403


def test_another_servers_is_forged() -> None:
    other = Signer(replace(KEYED, secret_key="j" * 40), clock=lambda: 1000.0)
    assert _status(other.sign("file", {"id": "r_1", "n": 3}, 60)) == 403


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40) | st.integers(), max_size=5))
def test_any_data_comes_back(data: dict[str, str | int]) -> None:
    signer = Signer(KEYED)
    assert signer.read("any", signer.sign("any", data, 60)) == data


def test_what_does_not_fit_into_a_url_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="too long"):
        Signer(KEYED).sign("any", {"x": "y" * 2000}, 60)


class TestKey:
    def test_it_is_made_once_for_its_owner_alone(self, settings: Settings, clock: Clock) -> None:
        first = Keys(settings).derive("a")
        file = settings.home / "secret.key"
        if sys.platform != "win32":
            assert file.stat().st_mode & 0o777 == 0o600
        assert len(file.read_text().strip()) >= 43
        assert Keys(settings).derive("a") == first != Keys(settings).derive("b")
        assert [path.name for path in settings.home.iterdir() if "secret" in path.name] == [
            "secret.key"
        ]

    @pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
    def test_one_that_others_may_read_is_refused(self, settings: Settings) -> None:
        settings.home.mkdir(exist_ok=True)
        file = settings.home / "secret.key"
        file.write_text("x" * 44)
        file.chmod(0o644)
        with pytest.raises(StorageError, match="mode 644"):
            Keys(settings).derive("a")

    @pytest.mark.parametrize("key", ["short", "x" * 40 + ",short", ","])
    def test_a_short_one_is_refused_and_not_repeated(self, settings: Settings, key: str) -> None:
        with pytest.raises(InputError, match="32 characters") as caught:
            Keys(replace(settings, secret_key=key)).derive("a")
        assert "x" * 40 not in str(caught.value)
        assert "secret_key" not in repr(replace(settings, secret_key=key))

    def test_processes_that_begin_at_once_agree(self, home: Path) -> None:
        code = (
            "from tellapart.store.keys import Keys; from tellapart.settings import Settings; "
            "print(Keys(Settings.from_env()).derive('a')[0].hex())"
        )
        started = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ)
            for _ in range(4)
        ]
        said = {process.communicate()[0] for process in started}
        assert len(said) == 1 and len(said.pop()) == 65


@pytest.fixture
def settings(home: Path) -> Iterator[Settings]:
    home.mkdir()
    yield Settings.from_env()
