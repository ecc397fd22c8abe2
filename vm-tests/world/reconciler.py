"""Loops that look at every object of one kind and put right what only EKS's own side would."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import requests

from world import namespaces
from world.kubeapi import CONNECT_TIMEOUT, WATCH_SECONDS, Api, Object

RETRY_SECONDS = 1.0


class RefusalError(Exception):
    """An object is left as it is, and why."""


class Reconciler:
    """A thread in the control plane's namespace; what it refuses or must try again is in its log."""

    def __init__(self, path: str, reconcile: Callable[[Api, Object], None], *, log: Path) -> None:
        self._path = path
        self._reconcile = reconcile
        self._log = log
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, netns: str, connect: Callable[[], Api]) -> None:
        self._thread = threading.Thread(target=self._run, args=(netns, connect), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; it does so when its connection does."""
        self._stopped.set()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join(WATCH_SECONDS + 2 * CONNECT_TIMEOUT)

    def _run(self, netns: str, connect: Callable[[], Api]) -> None:
        with namespaces.entered(netns):
            api = connect()
            while not self._stopped.is_set():
                try:
                    self._pass(api)
                except requests.RequestException as error:
                    self._note(f"will try again: {error}")
                    self._stopped.wait(RETRY_SECONDS)

    def _pass(self, api: Api) -> None:
        for item in api.follow(self._path):
            if self._stopped.is_set():
                return
            try:
                self._reconcile(api, item)
            except RefusalError as refusal:
                self._note(f"{item['metadata']['name']}: {refusal}")

    def _note(self, line: str) -> None:
        with self._log.open("a") as log:
            log.write(line + "\n")
