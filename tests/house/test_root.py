"""The public names: few, documented, loaded on first use."""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import tellapart
from tellapart import errors
from tellapart.settings import Settings

HEAVY = ("numpy", "PIL", "sqlalchemy", "pydantic", "onnxruntime", "sklearn", "typer", "httpx")


def test_every_public_name_loads_and_is_documented() -> None:
    assert len(tellapart.__all__) <= 30
    for name in tellapart.__all__:
        value = getattr(tellapart, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{name} has no docstring"
        if inspect.isclass(value):
            for attribute, member in vars(value).items():
                if inspect.isfunction(member) and not attribute.startswith("_"):
                    assert inspect.getdoc(member), f"{name}.{attribute} has no docstring"


def test_importing_costs_and_changes_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, os; before = dict(os.environ); import tellapart; "
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]; "
        "import logging; "
        "print(loaded, dict(os.environ) == before, logging.root.handlers)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TELLAPART_HOME": str(tmp_path / "home")},
        timeout=60,
    )
    assert result.stdout.strip() == "[] True []", result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = tellapart.nonsense  # type: ignore[attr-defined]


def _families() -> list[type[errors.TellapartError]]:
    found = [errors.TellapartError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return found


@pytest.mark.parametrize("kind", _families())
def test_errors_keep_their_parts_across_a_pipe(kind: type[errors.TellapartError]) -> None:
    error = pickle.loads(pickle.dumps(kind("It broke.", expected="a whole one", do="Mend it.")))
    assert type(error) is kind
    shape = error.to_dict()["error"]
    assert {"code", "what", "expected", "do"} <= set(shape)
    assert "Mend it." in str(error)


def test_each_direct_family_has_its_own_exit_code_and_json_code() -> None:
    direct = errors.TellapartError.__subclasses__()
    ours = [kind for kind in direct if kind.__module__ == "tellapart.errors"]
    assert len({kind.exit_code for kind in ours}) == len(ours)
    assert len({kind.code for kind in ours}) == len(ours)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELLAPART_THREADS", "many"),
        ("TELLAPART_THREADS", "-1"),
        ("TELLAPART_FETCH_TIMEOUT", "0"),
        ("TELLAPART_FETCH_TIMEOUT", "inf"),
        ("TELLAPART_TRUST_PROXIES", "perhaps"),
    ],
)
def test_a_wrong_setting_says_which_and_what_is_expected(name: str, value: str) -> None:
    with pytest.raises(errors.InputError) as caught:
        Settings.from_env({name: value})
    assert name in caught.value.what
    assert repr(value) in caught.value.what


def test_settings_read_lists_paths_and_defaults(tmp_path: Path) -> None:
    settings = Settings.from_env(
        {"TELLAPART_HOME": str(tmp_path), "TELLAPART_ALLOW_HOSTS": "127.0.0.1:9000, A.example:80"}
    )
    assert settings.home == tmp_path
    assert settings.allow_hosts == ("127.0.0.1:9000", "a.example:80")
    assert settings.worker_threads >= 1
