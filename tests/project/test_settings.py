"""Settings as an object: what it shows of itself."""

from __future__ import annotations

from tellapart.settings import Settings


def test_a_token_is_never_shown() -> None:
    settings = Settings.from_env({"TELLAPART_OPENVERSE_TOKEN": " xyzzy "})
    assert settings.openverse_token == "xyzzy"
    assert "xyzzy" not in repr(settings) and "openverse_url" in repr(settings)
