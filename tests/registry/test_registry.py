"""The registry finds built-ins and strangers, and says plainly what is wrong with a stranger."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from tellapart import doors, registry
from tellapart.errors import InputError, MissingExtraError


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages that this process sees."""
    monkeypatch.syspath_prepend(tmp_path)
    registry._strangers.cache_clear()
    yield tmp_path
    registry._strangers.cache_clear()


def _install(site: Path, package: str, module: str, code: str, points: str) -> None:
    (site / f"{module}.py").write_text(code)
    info = site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


_GOOD = """
from tellapart.doors import Analyzer
class Sharp(Analyzer):
    name = "sharp"
    def measure(self, picture):
        return {"sharp": 1.0}
"""


def test_every_door_has_its_built_ins_and_they_extend_its_contract() -> None:
    assert set(registry.BUILT_IN) == set(get_args(registry.Door)) == set(registry._CONTRACTS)
    for door, table in registry.BUILT_IN.items():
        assert table
        for name in table:
            found = registry.load(door, name)  # type: ignore[call-overload]
            assert issubclass(found, registry._CONTRACTS[door])
            assert found.name == name


def test_a_strangers_plug_in_is_listed_after_ours_and_loads(site: Path) -> None:
    _install(
        site, "sharp-pictures", "sharpmod", _GOOD, "[tellapart.analyzers]\nsharp = sharpmod:Sharp\n"
    )
    assert registry.names("analyzer") == (*registry.BUILT_IN["analyzer"], "sharp")
    assert "sharpmod" not in sys.modules
    loaded = registry.load("analyzer", "sharp")
    assert issubclass(loaded, doors.Analyzer)
    assert loaded.name == "sharp"


def test_a_built_in_wins_over_a_stranger_of_its_name(site: Path) -> None:
    _install(site, "impostor", "impmod", _GOOD, "[tellapart.analyzers]\nbasic = impmod:Sharp\n")
    assert registry.names("analyzer") == tuple(registry.BUILT_IN["analyzer"])
    assert registry.load("analyzer", "basic").__module__ == "tellapart.plugins.analyzers.basic"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError"),
        ("raise RuntimeError('bad day')", "RuntimeError: bad day"),
        ("x = ", "SyntaxError"),
        ("", "AttributeError"),
    ],
)
def test_a_broken_plug_in_names_its_package(site: Path, code: str, said: str) -> None:
    module = f"broken_{abs(hash(code)) % 10**8}"
    _install(site, "broken-pack", module, code, f"[tellapart.sources]\nbroken = {module}:Thing\n")
    with pytest.raises(InputError) as caught:
        registry.load("source", "broken")
    assert "broken-pack" in caught.value.what
    assert said in caught.value.what
    assert "pip uninstall broken-pack" in caught.value.do


def test_a_plug_in_that_does_not_keep_the_contract_is_refused(site: Path) -> None:
    _install(site, "odd-pack", "oddmod", _GOOD, "[tellapart.sources]\nodd = oddmod:Sharp\n")
    with pytest.raises(InputError, match="odd-pack") as caught:
        registry.load("source", "odd")
    assert "tellapart.doors.Source" in caught.value.expected


def test_two_packages_of_one_name_are_both_named(site: Path) -> None:
    for package in ("one-pack", "two-pack"):
        _install(
            site,
            package,
            package[:3] + "mod",
            _GOOD,
            f"[tellapart.analyzers]\nsharp = {package[:3]}mod:Sharp\n",
        )
    with pytest.raises(InputError, match="one-pack, two-pack"):
        registry.load("analyzer", "sharp")


def test_an_unknown_name_is_guessed() -> None:
    with pytest.raises(InputError) as caught:
        registry.load("source", "openvers")
    assert "Did you mean 'openverse'?" in caught.value.what
    assert "commons" in caught.value.expected


def test_an_unknown_door_is_refused() -> None:
    with pytest.raises(InputError, match="no door 'window'"):
        registry.names("window")  # type: ignore[arg-type]


def test_importing_the_registry_imports_no_plug_in() -> None:
    code = (
        "import sys, tellapart.registry as r; r.names('source');"
        "print([m for m in sys.modules if m.startswith('tellapart.plugins')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_one_with_an_extra_is_ours_even_where_the_extra_is_not_installed(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        registry.OPTIONAL, "analyzer", {"sharp": ("sharpmod:Sharp", "sharp", "no_such_module")}
    )
    _install(site, "sharp", "othermod", _GOOD, "[tellapart.analyzers]\nsharp = othermod:Sharp\n")
    assert registry.names("analyzer") == tuple(registry.BUILT_IN["analyzer"])
    with pytest.raises(MissingExtraError, match="not installed") as caught:
        registry.load("analyzer", "sharp")
    assert "pip install 'tellapart[sharp]'" in caught.value.do
    monkeypatch.setitem(
        registry.OPTIONAL, "analyzer", {"sharp": ("othermod:Sharp", "sharp", "othermod")}
    )
    assert registry.names("analyzer")[-1] == "sharp"
    assert registry.load("analyzer", "sharp").name == "sharp"


def test_a_strangers_deck_source_comes_through_the_same_door(site: Path) -> None:
    code = """
from tellapart.doors import ActAnswer, Candidate, DeckSource
class Pets(DeckSource):
    name = "pets"
    async def next(self, limit):
        return [Candidate("rex")]
    async def act(self, ref, action, key):
        return ActAnswer("done")
"""
    _install(site, "pets", "petsmod", code, "[tellapart.decks]\npets = petsmod:Pets\n")
    assert "pets" in registry.names("deck")
    assert issubclass(registry.load("deck", "pets"), doors.DeckSource)
