"""Resident models answer as `serve` does, make room for one another, and go when nobody asks."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tellapart.errors import NotFoundError, OverloadedError, TellapartError
from tellapart.runtime.residents import Residents
from tellapart.serving.pool import Pool
from tellapart.settings import Settings


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of rows, which needs no backbone."""
    import tellapart

    folder = tmp_path_factory.mktemp("rows")
    table = folder / "rows.csv"
    lines = [f"{n % 7},{n % 2 * 5 + n % 3},{'ab'[n % 2]}" for n in range(60)]
    table.write_text("\n".join(["x,y,label", *lines]) + "\n")
    settings = Settings(home=folder / "home")
    return tellapart.train(table, target="label", name="rows", settings=settings).bundle


ROW = json.dumps({"row": {"x": 1, "y": 6}}).encode()


def test_they_answer_make_room_and_go(bundle: Path, settings: Settings, tmp_path: Path) -> None:
    copies = [bundle]
    for n in range(2):
        copies.append(tmp_path / f"copy-{n}.zip")
        shutil.copy(bundle, copies[-1])

    async def story() -> None:
        residents = Residents(settings, most=2, idle=600)
        answers = await asyncio.gather(
            *(
                residents.predict(copies[n % 2], ROW, content_type="application/json")
                for n in range(12)
            )
        )
        assert {status for status, _ in answers} == {200}
        assert all(json.loads(body)["label"] == "b" for _, body in answers)
        assert sorted(residents.resident()) == sorted(copies[:2])
        status, body = await residents.predict(copies[1], b"no picture, no row")
        assert status == 422 and json.loads(body)["error"]["do"]
        status, _ = await residents.predict(copies[1], ROW, query={"what": "1"})
        assert status == 422
        # The one asked longest ago makes room.
        assert (await residents.predict(copies[2], ROW, content_type="application/json"))[0] == 200
        assert residents.resident() == [copies[1], copies[2]]
        residents.idle = 0.2
        end = asyncio.get_running_loop().time() + 60
        assert residents._watch is not None
        residents._watch.cancel()
        residents._watch = asyncio.ensure_future(residents._look())
        while residents.resident() and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.1)
        assert residents.resident() == []
        await residents.close()

    asyncio.run(story())


def test_what_cannot_be_loaded_is_said_and_not_kept(
    bundle: Path, settings: Settings, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(bundle.read_bytes()[:-2000])

    async def story() -> None:
        residents = Residents(settings, most=1)
        with pytest.raises(NotFoundError):
            await residents.predict(tmp_path / "none.zip", ROW)
        with pytest.raises(TellapartError):
            await residents.predict(broken, ROW)
        assert residents.resident() == []
        asking = asyncio.ensure_future(
            residents.predict(bundle, ROW, content_type="application/json")
        )
        await asyncio.sleep(0.1)
        with pytest.raises(OverloadedError):  # the only place is taken by one that loads
            await residents.predict(broken, ROW)
        assert (await asking)[0] == 200
        await residents.close()

    asyncio.run(story())


def test_a_load_that_fails_of_the_machine_is_tried_again(
    bundle: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Pool) -> None:
        raise OSError("no memory")

    drained: list[Pool] = []
    drain = Pool.drain

    async def note(self: Pool, seconds: float) -> bool:
        drained.append(self)
        return await drain(self, seconds)

    async def story() -> None:
        residents = Residents(settings, most=1)
        monkeypatch.setattr(Pool, "drain", note)
        with monkeypatch.context() as small:
            small.setattr(Pool, "start", fail)
            with pytest.raises(OSError, match="no memory"):
                await residents.predict(bundle, ROW, content_type="application/json")
        answer = await residents.predict(bundle, ROW, content_type="application/json")
        assert answer[0] == 200
        await residents.close()
        assert len(drained) == 2  # nothing of the first is left

    asyncio.run(story())
