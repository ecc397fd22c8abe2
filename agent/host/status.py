"""Status files: what each daemon last did, as /run/node-agent/<daemon>.json for people and for the doctor."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent import agent_version, redacted_json
from agent.host import files
from agent.model import FileSpec

FOLDER = Path("/run/node-agent")
# A file here for each daemon that has said something new; while there is one the console is due.
NEWS = FOLDER / "news"
_SCHEMA_VERSION = 1
_LIMIT = 1 << 20


def write(daemon: str, state: str, message: str = "", *, root: Path = Path("/"), **details: object) -> None:
    """Publish the state of a daemon (`ok`, `waiting`, `failed`, …), why in a sentence, and details of its own.

    A status that says the same as before is left as it is, its time too. Secrets are cut here.
    """
    if _published(daemon, state, message, root=root, **details):
        files.write_file(FileSpec(str(NEWS / daemon), b""), root=root)


def write_quietly(daemon: str, state: str, message: str = "", *, root: Path = Path("/"), **details: object) -> None:
    """Do the same, and make no news of it: the console shows the news, and has none of its own."""
    _published(daemon, state, message, root=root, **details)


def take_news(*, root: Path = Path("/")) -> None:
    """Take what news there is: whoever reads the statuses from now on sees what it was about."""
    for path in files.below(root, str(NEWS)).glob("[!.]*"):
        files.remove_file(str(NEWS / path.name), root=root)


def _published(daemon: str, state: str, message: str, *, root: Path, **details: object) -> bool:
    """Write a status, and return whether it says something new."""
    before = read(daemon, root=root)
    said = {"daemon": daemon, "state": state, "message": message, **details}
    text = redacted_json.dumps({"schemaVersion": _SCHEMA_VERSION, "agentVersion": agent_version(), **said})
    body = json.loads(text)
    if before is not None and {**before, "updatedAt": None} == {**body, "updatedAt": None}:
        return False
    body["updatedAt"] = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    published = json.dumps(body, indent=2, sort_keys=True) + "\n"
    return files.write_file(FileSpec(str(FOLDER / f"{daemon}.json"), published.encode()), root=root)


def read(daemon: str, *, root: Path = Path("/")) -> dict[str, Any] | None:
    """Return the last status of a daemon, or None where there is none that can be read."""
    text = files.read_text(files.below(root, str(FOLDER / f"{daemon}.json")), limit=_LIMIT)
    if text is None:
        return None
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def read_all(*, root: Path = Path("/")) -> dict[str, Mapping[str, Any]]:
    """Return the last status of every daemon, by name."""
    folder = files.below(root, str(FOLDER))
    names = sorted(path.stem for path in folder.glob("*.json"))
    statuses = ((name, read(name, root=root)) for name in names)
    return {name: status for name, status in statuses if status is not None and status.get("daemon") == name}
