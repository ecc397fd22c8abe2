"""Bundles at work: made of the real host, for a capture or for a person; and the catalogue.

A process of its own beside `serving`: it has no network and loads no TLS.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent import agent_version, log
from agent.diagnostics import api, bundle, capture, catalogue, listing, manifest
from agent.diagnostics.capture import Capture, Made
from agent.diagnostics.manifest import About
from agent.diagnostics.pulse import now, now_text
from agent.errors import FailedError, SettingsError
from agent.host import files, imds, status
from agent.host.archive import Archive
from agent.host.gather import Gatherer
from agent.host.spool import FOLDER as SPOOL
from agent.host.spool import Spool

_METADATA_SECONDS = 3.0


def collect(capture_id: str, *, root: Path = Path("/")) -> None:
    """Make the bundle of one capture in its folder of the spool, or leave there why there is none."""
    store = Spool(files.below(root, SPOOL))
    run = _request(store, capture_id)
    folder = store.place(capture_id)
    about = About(
        agent_version=agent_version(),
        node=run.name,
        categories=run.categories,
        started_at=run.started_at,
        capture_id=run.capture_id,
        uid=run.uid,
        generation=run.generation,
    )
    try:
        made = _make(_Place(folder / capture.BUNDLE, folder, root), about, run.deadline_seconds, lambda _: None)
    except FailedError as error:
        # What is there of the bundle gives way to the reason.
        (folder / capture.BUNDLE).unlink(missing_ok=True)
        store.write(capture_id, capture.RESULT, Made(0, "", 0, (), error=str(error)).dump())
        raise
    store.write(capture_id, capture.RESULT, made.dump())
    log.get("collect").info("bundle made", capture=capture_id, bytes=made.size, failed=len(made.failed) + made.more)


def diagnose(categories: Sequence[str], output: Path) -> None:
    """Make the same bundle at `output`, without the API server, and say what is in it."""
    if unknown := sorted(set(categories) - {*api.CATEGORIES, api.ALL}):
        raise SettingsError(
            f"no such category: {', '.join(unknown)}", hint=f"choose from All, {', '.join(api.CATEGORIES)}"
        )
    configured = status.read("configure") or {}
    about = About(
        agent_version=agent_version(),
        node=str(configured.get("nodeName") or os.uname().nodename),
        categories=api.expand(tuple(categories)),
        started_at=now_text(),
    )
    try:
        with tempfile.TemporaryDirectory(prefix=".node-agent-", dir=output.parent) as folder:
            half = Path(folder) / output.name
            made = _make(_Place(half, Path(folder), Path("/")), about, capture.DEADLINE_SECONDS, _progress())
            half.replace(output)
    except OSError as error:
        raise FailedError(f"cannot write {output}: {error.strerror}", hint="give a writable folder") from error
    lines = [f"{output}: {made.size} bytes, {made.outputs} outputs", *(f"not whole: {path}" for path in made.failed)]
    lines += [f"not whole: {made.more} more, see {manifest.ERRORS_PATH} in it"] if made.more else []
    sys.stdout.write("\n".join(lines) + "\n")


def list_catalogue(*, as_json: bool) -> None:
    """Print the catalogue of outputs."""
    sys.stdout.write(listing.as_json() if as_json else listing.as_text())


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a bundle is made: the archive, the folder for what is on its way there, the root that is read."""

    archive: Path
    scratch: Path
    root: Path


def _request(store: Spool, capture_id: str) -> Capture:
    if not capture.is_capture_id(capture_id):
        raise FailedError(f"{capture_id!r} is no capture ID", hint="the diagnostics daemon starts this command")
    content = store.read(capture_id, capture.REQUEST)
    if content is None:
        raise FailedError(f"the spool holds no request {capture_id}", hint="the diagnostics daemon writes it")
    return capture.parse(content)


def _make(place: _Place, about: About, seconds: float, progress: Callable[[str], None]) -> Made:
    gatherer = Gatherer(place.scratch, metadata=imds.connect(deadline=_METADATA_SECONDS).get, root=place.root)
    tools = bundle.Means(
        gather=lambda output, limit, left: gatherer.gather(output, limit=limit, seconds=left),
        clock=time.monotonic,
        room=lambda: files.free_bytes(place.scratch),
        now=lambda: (now_text(), now().timestamp()),
        progress=progress,
    )
    try:
        with Archive(place.archive) as archive:
            outcomes = bundle.make(catalogue.select(about.categories), archive, tools, about, seconds=seconds)
            sealed = archive.seal()
    except OSError as error:
        message = f"cannot write the bundle below {place.scratch}: {error.strerror}"
        raise FailedError(message, hint="see whether the data volume is full or broken") from error
    return capture.made(sealed.size, sealed.sha256, len(outcomes), manifest.failed(outcomes))


def _progress() -> Callable[[str], None]:
    def show(path: str) -> None:
        sys.stderr.write(f"\r\033[K{path}")
        sys.stderr.flush()

    return show if sys.stderr.isatty() else lambda _: None
