"""What configure tells the network daemon (`/etc/node-agent/network.json`)."""

import json
from dataclasses import dataclass

PATH = "/etc/node-agent/network.json"
_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """`pod_subnet_mode`: pods live on secondary ENIs alone; `problem`: why the file was not used."""

    pod_subnet_mode: bool = False
    problem: str | None = None


def parse(text: str | None) -> Settings:
    """Return the settings; a missing file gives the defaults, and so does a bad one, with the reason."""
    if text is None:
        return Settings()
    try:
        body = json.loads(text)
    except ValueError:
        return Settings(problem=f"{PATH} is no JSON, so defaults are used")
    if not isinstance(body, dict) or body.get("schemaVersion") != _SCHEMA_VERSION:
        return Settings(problem=f"{PATH} is not of schemaVersion {_SCHEMA_VERSION}, so defaults are used")
    mode = body.get("podSubnetMode", False)
    if not isinstance(mode, bool):
        return Settings(problem=f"{PATH}: podSubnetMode is neither true nor false, so defaults are used")
    return Settings(pod_subnet_mode=mode)
