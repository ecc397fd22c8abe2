"""What of the node speaks to the EC2 console, and how often: settings in, the console's file and its timer out."""

import json

from agent.configure.settings import Settings
from agent.configure.system import UNITS
from agent.model import FileSpec

PATH = "/etc/node-agent/console.json"
TIMER = f"{UNITS}/node-agent-console.timer.d/50-node-agent.conf"
# Whatever starts the timer anew counts from then; it is started at boot, long before this file is there.
_LINES = "# An empty value first: further ones would add to the unit's own.\n[Timer]\nOnActiveSec=\n"


def files(settings: Settings) -> list[FileSpec]:
    chosen = settings.console
    sections = None if chosen.sections is None else list(chosen.sections)
    body = {"enabled": chosen.enabled, "schemaVersion": 1, "sections": sections}
    shown = FileSpec(PATH, (json.dumps(body, indent=2) + "\n").encode())
    if chosen.interval is None:
        return [shown]
    drop_in = f"{_LINES}OnActiveSec={chosen.interval}\nOnUnitActiveSec={chosen.interval}\n"
    return [shown, FileSpec(TIMER, drop_in.encode())]
