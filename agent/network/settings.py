"""What configure tells the network daemon (`/etc/node-agent/network.json`)."""

import json
from dataclasses import dataclass, replace

PATH = "/etc/node-agent/network.json"
_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """`pod_subnet_mode`: pods live on secondary ENIs alone; `problem`: why the file was not used."""

    pod_subnet_mode: bool = False
    problem: str | None = None


def parse(text: str | None, before: Settings) -> Settings:
    """Return the settings; a missing file gives the defaults, a bad one what was `before`, with the reason."""
    if text is None:
        return Settings()
    try:
        body = json.loads(text)
    except ValueError:
        return replace(before, problem=f"{PATH} is no JSON, so the mode stays as it was")
    if not isinstance(body, dict) or body.get("schemaVersion") != _SCHEMA_VERSION:
        return replace(before, problem=f"{PATH} is not of schemaVersion {_SCHEMA_VERSION}, so the mode stays as it was")
    mode = body.get("podSubnetMode", False)
    if not isinstance(mode, bool):
        return replace(before, problem=f"{PATH}: podSubnetMode is neither true nor false, so it stays as it was")
    return Settings(pod_subnet_mode=mode)
