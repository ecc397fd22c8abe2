"""kubectl as the way to the API server: one `kubectl proxy` on a private socket, and HTTP through it.

kubectl brings the user's kubeconfig, exec plug-ins, client certificates and proxies. A child for each request would
log in anew each time (`aws eks get-token` takes a second, and some ask for a code), for hundreds of nodes.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from agent.errors import FailedError, TemporaryError
from agent.redaction import redact

# The first request may wait for a person who logs in.
_LOGIN_SECONDS = 300.0
_START_SECONDS = 20.0
_ANSWER_SECONDS = 45.0
_MOST_BYTES = 64 << 20
_MOST_WORDS = 1000
# Descriptor 3 ends with us, however we end: kubectl never stays behind.
_SCRIPT = '( read -r _ <&"$LIFELINE"; kill $$ 2>/dev/null ) & exec kubectl proxy "$@"'
# What the proxy lets through, should anybody else ever reach its socket.
_PATHS = "^/version$,^/api/v1/nodes,^/apis/eks.amazonaws.com/v1alpha1/nodediagnostics"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server answered."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        found = json.loads(self.body)
        if not isinstance(found, dict):
            raise FailedError("the API server's answer is no JSON object", hint="look at kubectl's context")
        return found


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that is read piece by piece."""

    response: http.client.HTTPResponse
    what: str

    def read(self, size: int) -> bytes:
        """Return the next piece; nothing at the end."""
        with _as_temporary(self.what):
            return self.response.read(size)

    def lines(self, limit: int) -> Iterator[bytes]:
        """Yield the lines as they come; one longer than `limit` is cut into several."""
        while True:
            with _as_temporary(self.what):
                line = self.response.readline(limit)
            if not line:
                return
            yield line


class Kubectl:
    """Requests to the API server in the user's name; threads may share it. Leaving the context ends kubectl."""

    def __init__(self, options: Sequence[str]) -> None:
        self._options = tuple(options)
        self._stack = contextlib.ExitStack()
        self._said: deque[bytes] = deque(maxlen=20)
        self._logged_in = threading.Event()
        self._lock = threading.Lock()
        self._streams: set[socket.socket] = set()
        self._interrupted = False
        self._socket = Path()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kubectl-", ignore_cleanup_errors=True))
            self._socket = Path(folder, "api")
            process = stack.enter_context(self._started())
            self._wait_listening(process)
            self._check(self._ask("GET", "/version", None, _LOGIN_SECONDS), "the API server's version")
            self._logged_in.set()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def get(self, path: str, what: str) -> dict[str, Any] | None:
        """Read an object; None where there is none."""
        answer = self._ask("GET", path)
        return None if answer.status == 404 else self._check(answer, what).json()

    def create(self, path: str, body: Mapping[str, Any], what: str) -> dict[str, Any] | None:
        """Create an object; None where one of its name exists."""
        answer = self._ask("POST", path, body)
        return None if answer.status == 409 else self._check(answer, what).json()

    def delete(self, path: str, options: Mapping[str, Any], what: str) -> None:
        """Delete an object; one that is gone, or that the preconditions spare, is fine."""
        answer = self._ask("DELETE", path, options)
        if answer.status not in {404, 409}:
            self._check(answer, what)

    @contextlib.contextmanager
    def stream(self, path: str, what: str, *, silence: float) -> Iterator["Stream"]:
        """Give an answer to be read piece by piece, with at most `silence` seconds between two; `interrupt` ends it."""
        connection = _Connection(self._socket, silence)
        with contextlib.closing(connection):
            with _as_temporary(what):
                connection.connect()
            with self._interruptible(connection.sock, what):
                with _as_temporary(what):
                    connection.request("GET", path)
                    response = connection.getresponse()
                    if response.status != 200:
                        self._check(Answer(response.status, response.read(_MOST_BYTES)), what)
                yield Stream(response, what)

    def interrupt(self) -> None:
        """End every stream, now and from now on; short requests go on."""
        with self._lock:
            self._interrupted = True
            for sock in self._streams:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _interruptible(self, sock: socket.socket, what: str) -> Iterator[None]:
        with self._lock:
            if self._interrupted:
                raise TemporaryError(f"{what}: interrupted")
            self._streams.add(sock)
        try:
            yield
        finally:
            with self._lock:
                self._streams.discard(sock)

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, timeout: float = _ANSWER_SECONDS
    ) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        connection = _Connection(self._socket, timeout)
        with contextlib.closing(connection), _as_temporary("the API server"):
            connection.request(method, path, content, {"Content-Type": "application/json"} if content else {})
            response = connection.getresponse()
            return Answer(response.status, response.read(_MOST_BYTES))

    def _check(self, answer: Answer, what: str) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        words = f"{what}: {self._words(answer)}"
        if answer.status in {408, 429} or answer.status >= 500:
            raise TemporaryError(words, hint="is the API server reachable? try: kubectl get nodes")
        raise FailedError(words, hint=_HINTS.get(answer.status, "try the same with kubectl"))

    def _words(self, answer: Answer) -> str:
        """Return what the API server says is wrong, else what kubectl said itself."""
        try:
            text = str(json.loads(answer.body)["message"])
        except (ValueError, KeyError, TypeError):
            text = answer.body.decode(errors="replace")
        if answer.status == 502 and self._said:
            text = b"".join(self._said).decode(errors="replace")
        return redact(" ".join(text.split()))[:_MOST_WORDS] or f"HTTP status {answer.status}"

    @contextlib.contextmanager
    def _started(self) -> Iterator[subprocess.Popen[bytes]]:
        arguments = [f"--unix-socket={self._socket}", f"--accept-paths={_PATHS}", *self._options]
        ours, lifeline = os.pipe()
        try:
            process = subprocess.Popen(
                ["sh", "-c", _SCRIPT, "sh", *arguments],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(ours,),
                env={**os.environ, "LIFELINE": str(ours)},
                start_new_session=True,  # Ctrl-C is for us: kubectl must outlive it until our objects are deleted
            )
        except OSError:
            os.close(lifeline)
            raise
        finally:
            os.close(ours)
        relay = threading.Thread(target=self._relay, args=(process,), daemon=True)
        relay.start()
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            os.close(lifeline)
            process.wait()
            relay.join(_START_SECONDS)

    def _relay(self, process: subprocess.Popen[bytes]) -> None:
        """Show what kubectl says while it logs in; keep the end of what it says later."""
        assert process.stderr is not None  # noqa: S101 - PIPE was asked for
        with process.stderr as pipe:
            while chunk := os.read(pipe.fileno(), 4096):
                self._said.append(chunk)
                if not self._logged_in.is_set():
                    sys.stderr.write(redact(chunk.decode(errors="replace")))
                    sys.stderr.flush()

    def _wait_listening(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        pause = threading.Event()
        while not self._listens():
            if process.poll() is not None or time.monotonic() > deadline:
                raise FailedError("kubectl proxy did not start", hint="is kubectl on PATH? try: kubectl get nodes")
            pause.wait(0.02)

    def _listens(self) -> bool:
        # The file is there a moment before anybody listens.
        with contextlib.closing(_Connection(self._socket, _ANSWER_SECONDS)) as connection:
            try:
                connection.connect()
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            return True


_HINTS = {
    401: "log in again; try: kubectl get nodes",
    403: "ask for the rights that docs/kubectl-node-diagnostic.md lists",
    404: "is the agent's CustomResourceDefinition there? node-agent manifests | kubectl apply -f -",
}


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@contextlib.contextmanager
def _as_temporary(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise TemporaryError(
            f"{what}: the connection broke: {str(error) or type(error).__name__}", hint="try the same again"
        ) from error
