"""Where the command line begins and ends: help, errors and exit codes, in-process and for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tellapart
from tellapart import errors
from tellapart.cli import entry, main


def out_of(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    out, err = capsys.readouterr()
    return code, out, err


def test_alone_it_names_three_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = out_of(capsys)
    assert code == 0 and err == ""
    assert sum(line.startswith("  tellapart ") for line in out.splitlines()) == 3


@pytest.mark.parametrize("argv", [("--version",), ("--version", "make")])
def test_the_version(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = out_of(capsys, *argv)
    assert (code, out) == (0, f"{tellapart.__version__}\n")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("tran",), "'train'"),
        (("curate",), "NAME"),
        (("predict", "x"), "PICTURE"),
        (("make", "a", "b", "--perclass", "3"), "--per-class"),
        (("make", "a", "b", "--set", "seed"), "KEY=VALUE"),
        (("make", "a", "b", "--set", "out=x"), "KEY=VALUE"),
        (("make", "a", "b", "--set", "name=Not A Name"), "name"),
        (("make", "a", "b", "--set", "seed=1", "--set", "seed.x=1"), "contradicts"),
        (("make", "a", "b", "--set", "seed=[1"), "not valid YAML"),
        (("clean", "a", "--all"), "one of the three"),
        (("clean", "--all"), "--yes"),
        (("train", "there/is/none"), "no file or folder 'there/is/none'"),
        (("recipe",), "tellapart recipe"),
    ],
)
def test_wrong_arguments_have_three_parts_in_both_forms(
    argv: tuple[str, ...], says: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = out_of(capsys, *argv)
    assert code == (3 if argv[0] == "train" else 2)
    assert out == ""
    assert says in err
    assert "expected: " in err and "do next:  " in err
    assert "error: \n" not in err
    code_json, out, _ = out_of(capsys, *argv, "--json")
    shape = json.loads(out.splitlines()[-1])["error"]
    assert code_json == code
    assert shape["what"] and shape["expected"] and shape["do"]
    assert not home.exists()


def test_an_option_without_its_value_leads_to_the_help_of_its_verb(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = out_of(capsys, "predict", "a", "b", "--why")
    assert code == 2
    assert "'--why'" in err and "`tellapart predict --help`" in err


def test_all_problems_of_a_command_are_said_at_once(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["make", "apple", "--per-class", "many", "--effort", "quik", "--source", "opnverse"]
    code, out, _ = out_of(capsys, *argv, "--set", "curate.min_sid=3", "--json")
    assert code == 2
    found = {p["path"]: p for p in json.loads(out)["error"]["problems"]}
    assert set(found) == {"classes", "per_class", "effort", "sources[0]", "curate.min_sid"}
    assert "'openverse'" in found["sources[0]"]["do"]
    assert "'min_side'" in found["curate.min_sid"]["do"]
    assert not home.exists()


def _families() -> list[type[errors.TellapartError]]:
    found = [errors.TellapartError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__ == "tellapart.errors"]


@pytest.mark.parametrize("kind", _families())
def test_every_error_ends_with_its_exit_code_and_shape(
    kind: type[errors.TellapartError],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(argv: list[str]) -> int:
        raise kind("It broke.", expected="a whole one", do="Mend it.")

    monkeypatch.setattr(entry, "_dispatch", fail)
    code, out, err = out_of(capsys, "any", "--json")
    assert code == kind.exit_code != 0
    assert json.loads(out)["error"]["code"] == kind.code
    assert "It broke." in err and "Mend it." in err
    assert out_of(capsys, "any")[1] == ""


def test_an_unforeseen_error_is_short_and_says_how_to_see_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(argv: list[str]) -> int:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(entry, "_dispatch", fail)
    monkeypatch.delenv("TELLAPART_DEBUG", raising=False)
    code, _, err = out_of(capsys, "any")
    assert code == 1
    assert "ZeroDivisionError: division by zero" in err
    assert "TELLAPART_DEBUG=1" in err and "Traceback" not in err
    monkeypatch.setenv("TELLAPART_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["any"])


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(argv: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "_dispatch", fail)
    code, _, err = out_of(capsys, "any")
    assert code == 130
    assert "Run the same command again" in err


def test_only_what_stands_before_two_dashes_is_an_option(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = out_of(capsys, "show", "--", "--json")
    assert code == 3 and out == "" and "'--json'" in err


def run(*argv: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tellapart", *argv],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **extra},
        stdin=subprocess.DEVNULL,
    )


def test_the_real_command_helps_and_makes_nothing(tmp_path: Path) -> None:
    result = run("--help", TELLAPART_HOME=str(tmp_path / "home"))
    assert result.returncode == 0
    assert "make" in result.stdout and result.stderr == ""
    assert not (tmp_path / "home").exists()


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tellapart", "recipe", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TELLAPART_HOME": str(tmp_path / "home")},
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == 1
    assert err == ""


def test_the_shell_can_complete_verbs(tmp_path: Path) -> None:
    extra = {"COMP_WORDS": "tellapart pre", "COMP_CWORD": "1"}
    result = run(_TELLAPART_COMPLETE="complete_bash", **extra)
    assert result.stdout.split() == ["predict"], result.stderr


def test_a_poor_terminal_still_gets_its_answer(tmp_path: Path) -> None:
    extra: dict[str, Any] = {"PYTHONIOENCODING": "ascii", "TELLAPART_HOME": str(tmp_path / "home")}
    result = run("show", "яблоко", **extra)
    assert result.returncode == 3
    assert "??????" in result.stderr
