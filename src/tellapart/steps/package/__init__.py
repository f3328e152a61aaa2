"""Package: write everything into one zip that describes, proves and runs itself; verify it.

A bundle that fails its own verification is not left behind. The same content keeps its version.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tellapart.bundle.manifest import sha256, sums_text
from tellapart.bundle.verify import verify
from tellapart.bundle.write import Content, Copy, file_sha256, write_zip
from tellapart.catalog import Version
from tellapart.errors import DataError, NotFoundError
from tellapart.steps import Progress, StepContext
from tellapart.steps.package.content import Plan, describe, plan
from tellapart.store.files import FileStore

STEP = "package"
FOLDER = "versions"


def run(context: StepContext) -> dict[str, Any]:
    """Write `versions/NAME-VERSION.zip`; return version, file, its hash and what is in it.

    Where nothing has changed since the latest version, that one stays, and its file is written
    again only if it is missing or damaged. Raises `NotFoundError` where a step before this one
    has not run, `VerificationError` where the written bundle does not pass.
    """
    planned = _plan(context)
    # Everything that goes in but the version's number decides whether there is a new one.
    fingerprint = _fingerprint(describe(planned, version=1))
    latest = context.catalog.latest_version()
    same = latest is not None and latest.fingerprint == fingerprint
    version = _number(latest, same)
    name = f"{context.recipe.name}-{version}.zip"
    target = context.folder / FOLDER / name
    done = context.catalog.finished(STEP, fingerprint) if same else None
    if done is not None and target.is_file() and file_sha256(target) == done["sha256"]:
        return done
    result = _write(context, planned, version, target)
    if not same:
        context.catalog.save_version(version, fingerprint, name, planned.facts["metrics"])
    context.catalog.finish(STEP, fingerprint, result)
    return result


def _number(latest: Version | None, same: bool) -> int:
    if latest is None:
        return 1
    return latest.version if same else latest.version + 1


def _plan(context: StepContext) -> Plan:
    """What goes in, by the kind of model."""
    if context.recipe.model_kind == "head":
        _require(context, "head.safetensors")
        return plan(context)
    from tellapart.learn import outcome
    from tellapart.steps.package import learned

    own = outcome.NETWORK if context.recipe.model_kind == "network" else outcome.TABLE
    _require(context, own)
    return learned.plan(context)


def _require(context: StepContext, trained: str) -> None:
    for name, step in (
        (trained, "train"),
        ("metrics.json", "evaluate"),
        ("model.onnx", "compile"),
    ):
        if not (context.work / name).is_file():
            raise NotFoundError(
                f"There is no {name} to package.",
                expected=f"the step {step} to have run",
                do=f"Run `tellapart {step}` for this project first.",
            )


def _fingerprint(files: Mapping[str, Content]) -> str:
    sums = {}
    for name, content in files.items():
        if isinstance(content, Copy):
            sums[name] = content.sha256
        else:
            sums[name] = sha256(content) if isinstance(content, bytes) else file_sha256(content)
    return sha256(sums_text(sums))


def _drop_altered(context: StepContext, files: Mapping[str, Content]) -> None:
    """Remove downloaded pictures that are not what their names say: collect fetches them again."""
    store = FileStore(context.settings.files_dir)
    copies = [content for content in files.values() if isinstance(content, Copy)]
    for sha, path in [(c.sha256, c.path) for c in copies if c.path == store.path(c.sha256)]:
        if path.is_file() and file_sha256(path) != sha:
            store.remove(sha)


def _write(context: StepContext, planned: Plan, version: int, target: Path) -> dict[str, Any]:
    """Write, verify, and only then put the bundle where others look for it."""
    files = describe(planned, version=version)
    context.progress(Progress(STEP, 0, len(files), "writing"))
    aside = target.parent / ".unverified"
    shutil.rmtree(aside, ignore_errors=True)  # of a run that was killed
    try:
        whole = write_zip(aside / target.name, files)
        context.progress(Progress(STEP, len(files), len(files), "verifying"))
        report = replace(verify(aside / target.name), path=target.name)
        size = (aside / target.name).stat().st_size
        (aside / target.name).replace(target)
    except DataError:
        _drop_altered(context, files)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    data = planned.facts["data"]
    return {
        "version": version,
        "file": target.name,
        "sha256": whole,
        "bytes": size,
        "files": report.files + 1,
        "golden": report.golden,
        "pictures": {"included": data["included"], "withheld": data["withheld"]},
        "notes": planned.notes,
    }
