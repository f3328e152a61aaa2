"""The example of a deck service, run as its first lines say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.standin import crowd
from tellapart import images
from tellapart.doors import DeckSource
from tellapart.errors import CredentialError
from tellapart.settings import Settings
from tests.deck_sources.conftest import Bench, everything, write_folder

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "deck_service.py"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    people = crowd(6, pictures=1)
    folder = write_folder(tmp_path / "flats", people)
    command = [sys.executable, str(EXAMPLE), str(folder), "--port", "0", "--token", "word-17"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            settings = Settings(home=tmp_path / "home", allow_hosts=(url.split("/")[2],))
            yield Bench("http", settings, {"url": url}, {"token": "word-17"})
        finally:
            process.kill()


def test_it_speaks_the_protocol(bench: Bench, tmp_path: Path) -> None:
    async def task(source: DeckSource) -> None:
        found = await everything(source, limit=4)
        assert len(found) == 6 and all(c.age and c.person is None for c in found)
        assert images.decode(await source.picture(found[0].pictures[0])).mode == "RGB"
        for key in ("a_1", "a_1"):  # what lies between may send it twice
            assert (await source.act(found[0].ref, "like", key)).state == "done"
        gone = await source.act("nobody", "pass", "a_2")
        assert gone.state == "refused" and gone.detail["reason"] == "gone"
        for ref, key, state in (
            (found[0].ref, "a_1", "done"),
            ("nobody", "a_2", "refused"),
            (found[1].ref, "a_3", "refused"),
        ):
            told = await source.has(ref, "like", key)
            assert told is not None and told.state == state
        late = await source.act(found[1].ref, "like", "a_3")
        assert late.state == "refused" and late.detail["reason"] == "void_key"
        assert await source.results() == []

    bench.work(task)
    assert len(bench.work(everything)) == 5
    acts = json.loads((tmp_path / "flats" / "acts.json").read_text())
    assert [key for key, act in acts.items() if act["answer"].get("state") == "done"] == ["a_1"]
    bench.secrets = {"token": "another-word"}
    with pytest.raises(CredentialError):
        bench.work(everything)
