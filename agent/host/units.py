"""Instances of a template unit: each runs one capture, in a sandbox of its own, and outlives the daemon that asked."""

from contextlib import suppress

from agent.errors import FailedError
from agent.host import systemd


class Template:
    """The instances of `NAME@.service`; `patient` waits for the end of one that is stopped."""

    def __init__(self, name: str, *, patient: bool) -> None:
        self._name = name
        self._patient = patient

    def start(self, instance: str) -> None:
        systemd.start(self._unit(instance), wait=False)

    def stop(self, instance: str) -> None:
        # One that blocks in the kernel may not end in time: it goes on alone, and its folder is removed.
        with suppress(FailedError):
            systemd.stop(self._unit(instance), wait=self._patient)

    def trouble(self, instance: str) -> str | None:
        """Return None while it is under way, else how it ended."""
        found = systemd.properties(self._unit(instance), "ActiveState", "Job", "Result", "ExecMainStatus")
        state = found.get("ActiveState", "active")
        if state not in {"inactive", "failed"} or found.get("Job", "0") not in {"", "0"}:
            return None
        return f"{state}, result {found.get('Result')}, exit status {found.get('ExecMainStatus')}"

    def _unit(self, instance: str) -> str:
        return f"{self._name}@{instance}.service"
