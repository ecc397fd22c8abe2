"""The Kubernetes API: GET, PATCH, POST and WATCH as the node, or as a component that the node impersonates."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit

from agent import agent_version, loop
from agent.errors import FailedError, TemporaryError
from agent.host import files, tls
from agent.host.https import Connection, Request, Response

# Parsed JSON as the API server gives it: whoever receives one parses it into values of their own.
Object: TypeAlias = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"
# Lists of the API are merged by their keys, as conditions by their type.
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

# The API server takes objects of at most 1.5 MiB (etcd's limit); ours are far smaller.
_LIMIT = 4 << 20
_PATIENCE = 10.0
_REASON_LIMIT = 300


class ApiError(FailedError):
    """The API server refused a request; `status` is its HTTP status."""

    def __init__(self, message: str, status: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a kubeconfig says: where the API server is, whom to trust, the cluster's and this node's name."""

    server: str
    ca_file: str
    name: str
    node_name: str


def read_kubeconfig(path: Path) -> Cluster:
    """Read the kubelet's kubeconfig, which `configure` renders as JSON."""
    text = files.read_text(path)
    if text is None:
        raise TemporaryError(f"{path} is not there yet", hint="see `systemctl status node-agent-configure`")
    try:
        body = json.loads(text)
        cluster, user = body["clusters"][0]["cluster"], body["users"][0]
        arguments = user["user"]["exec"]["args"]
        return Cluster(
            server=str(cluster["server"]),
            ca_file=str(cluster["certificate-authority"]),
            name=str(arguments[arguments.index("--cluster") + 1]),
            node_name=str(user["name"]).removeprefix("system:node:"),
        )
    except (ValueError, LookupError, TypeError) as error:
        raise FailedError(
            f"{path} is not a kubeconfig of ours", hint="have `node-agent configure` render it"
        ) from error


class Kube:
    """A client of one API server; each request has a connection of its own."""

    def __init__(
        self,
        server: str,
        ca_file: str,
        token: Callable[[], str],
        impersonate: str | None = None,
        *,
        tick: tls.Tick = tls.no_tick,
    ) -> None:
        url = urlsplit(server)
        if url.scheme != "https" or not url.hostname:
            raise FailedError(f"the API server's address {server!r} is no https URL", hint="see kubernetes.api-server")
        self.host = url.hostname
        self._address = (url.hostname, url.port or 443)
        self._ca_file = ca_file
        self._token = token
        self._impersonate = impersonate
        self._waits = tls.Waits(tick, _PATIENCE)
        # The server's time when it answered last, as it wrote it.
        self.date: str | None = None

    def addresses(self) -> frozenset[str]:
        """Return the addresses that the API server's name has now."""
        return tls.addresses(self._address, self._waits)

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Object | None:
        """Return an object, or None where there is none."""
        try:
            return self._ask("GET", _target(path, parameters))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def patch(self, path: str, body: Object, content_type: str = MERGE_PATCH) -> Object:
        """Change an object, and return it as it is then."""
        return self._ask("PATCH", path, body, content_type)

    def post(self, path: str, body: Object) -> Object:
        """Make an object, and return it."""
        return self._ask("POST", path, body, "application/json")

    def watch(self, path: str, parameters: Mapping[str, str]) -> "Watch":
        """Open a watch of a collection; `timeoutSeconds` in the parameters bounds it."""
        target = _target(path, {**parameters, "watch": "1"})
        connection, response = self._opened(Request("GET", target, self._headers({})))
        if response.status == 401:
            connection.close()
            self._renew_token()
            connection, response = self._opened(Request("GET", target, self._headers({})))
        if response.status != 200:
            with connection:
                raise _refusal(
                    f"watch {path}", Response(response.status, response.headers, connection.read(limit=_LIMIT))
                )
        return Watch(connection)

    def _ask(self, method: str, target: str, body: Object | None = None, content_type: str = "") -> Object:
        response = self._send(method, target, body, content_type)
        if response.status == 401:
            self._renew_token()
            response = self._send(method, target, body, content_type)
        if not 200 <= response.status < 300:
            raise _refusal(f"{method} {target.partition('?')[0]}", response)
        return _parsed(response.body)

    def _send(self, method: str, target: str, body: Object | None, content_type: str) -> Response:
        headers = self._headers({"Content-Type": content_type} if content_type else {})
        data = None if body is None else json.dumps(body).encode()
        with self._connect() as connection:
            response = connection.exchange(Request(method, target, headers), data, limit=_LIMIT)
        self.date = response.headers.get("date")
        return response

    def _opened(self, request: Request) -> tuple[Connection, Response]:
        connection = self._connect()
        try:
            return connection, connection.begin(request)
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> Connection:
        # The CA is read anew: configure may have rendered another one since.
        try:
            context = tls.trusting(Path(self._ca_file))
        except OSError as error:
            hint = "see `systemctl status node-agent-configure`"
            raise TemporaryError(f"cannot read the cluster's CA {self._ca_file}: {error}", hint=hint) from error
        return Connection(tls.connect(self._address, tls.Way(context), self._waits))

    def _renew_token(self) -> None:
        # eks.TokenSource keeps its token; a plain function makes another by itself.
        drop = getattr(self._token, "drop", None)
        if drop is not None:
            drop()

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self._token()}",
            "Accept": "application/json",
            "User-Agent": f"node-agent/{agent_version()}",
            **more,
        }
        return {**headers, "Impersonate-User": self._impersonate} if self._impersonate else headers


class Watch:
    """An open watch: events as they come, for whoever selects on `fileno`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._held = b""

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        self._connection.close()

    def poll(self) -> list[Object] | None:
        """Return the events that have come since, without waiting; None where the watch has ended."""
        came = self._connection.poll()
        if came is None:
            return None
        *lines, self._held = (self._held + came).split(b"\n")
        return [_parsed(line) for line in lines if line]


def _target(path: str, parameters: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path


def _parsed(body: bytes) -> Object:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise TemporaryError("the API server's answer is not JSON") from error
    if not isinstance(found, dict):
        raise TemporaryError("the API server's answer is no object")
    return found


def _refusal(what: str, response: Response) -> TemporaryError | ApiError:
    said = _reason(response.body)
    message = f"{what}: {response.status} {said}".rstrip()
    if response.status == 429 or response.status >= 500:
        return TemporaryError(message, retry_after=loop.wish(response.headers.get("retry-after", "")))
    hints = {
        401: "map the node role to system:node:{{SessionName}} by an access entry of type EC2",
        403: "apply the RBAC objects: node-agent manifests | kubectl apply -f -",
        404: "apply the CustomResourceDefinition: node-agent manifests | kubectl apply -f -",
    }
    return ApiError(message, response.status, hint=hints.get(response.status, ""))


def _reason(body: bytes) -> str:
    try:
        said = json.loads(body)["message"]
    except (ValueError, LookupError, TypeError):
        said = body.decode(errors="replace")
    return " ".join(str(said).split())[:_REASON_LIMIT]
