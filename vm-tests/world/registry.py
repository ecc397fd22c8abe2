"""A private container registry: a real one, whose certificate only its own authority vouches for."""

from __future__ import annotations

import base64
import http.client
import json
import re
import secrets
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from world import namespaces, oci, pki
from world.processes import Process, run, spawn
from world.site import wait_listening

HOST = "registry.corp.example"
PORT = 443
USER = "puller"
# The registry writes the common log format of web servers.
ACCESS = re.compile(r'(?P<source>\S+) - \S+ \[[^]]+\] "(?P<method>\S+) (?P<path>\S+) [^"]*" (?P<status>\d{3})')


@dataclass(frozen=True)
class Request:
    """One request that it answered."""

    source: str
    method: str
    path: str
    status: int


class Registry:
    """The registry on an address of its namespace; anonymous requests get nothing but a challenge."""

    def __init__(self, folder: Path, *, netns: str, address: str) -> None:
        self.authority = pki.authority("Private registry CA")
        self.password = secrets.token_urlsafe(18)
        self.address = address
        self._folder = folder
        self._netns = netns
        self._log = folder / "registry.log"
        folder.mkdir()
        self._process = self._start()

    @property
    def certificate(self) -> bytes:
        """The authority that a client must trust."""
        return self.authority.certificate

    @property
    def login(self) -> str:
        """Settings with which a node may pull."""
        lines = [
            "[[settings.container-registry.credentials]]",
            f'registry = "{HOST}"',
            f'username = "{USER}"',
            f'password = "{self.password}"',
        ]
        return "\n".join(lines) + "\n"

    def stop(self) -> None:
        self._process.stop()

    def push(self, name: str, image: oci.Image) -> str:
        """Store an image under a name with its tag, and return the reference by which it is pulled."""
        repository, _, tag = name.partition(":")
        for blob in (image.layer, image.config):
            started = self._ask("POST", f"/v2/{repository}/blobs/uploads/")
            where = str(started.getheader("Location")).partition(HOST)[2]
            self._ask("PUT", f"{where}&digest={blob.digest}", blob)
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", image.manifest)
        return f"{HOST}/{name}"

    def requests(self) -> list[Request]:
        """Return every request so far, oldest first."""
        found = [match for line in self._log.read_text().splitlines() if (match := ACCESS.match(line))]
        return [Request(match["source"], match["method"], match["path"], int(match["status"])) for match in found]

    def _start(self) -> Process:
        server = self.authority.server(HOST, names=[HOST, self.address])
        certificate, key = server.write(self._folder, "registry")
        users, settings = self._folder / "users", self._folder / "config.json"
        users.write_text(f"{USER}:{_hash(self.password)}\n")
        http_settings = {
            "addr": f"{self.address}:{PORT}",
            "host": f"https://{HOST}",
            "tls": {"certificate": str(certificate), "key": str(key)},
        }
        body = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "storage")}},
            "auth": {"htpasswd": {"realm": "corp", "path": str(users)}},
            "http": http_settings,
        }
        settings.write_text(json.dumps(body))  # JSON, which every reader of YAML takes
        process = spawn(
            ["docker-registry", "serve", settings],
            log=self._log,
            netns=self._netns,
            environment={"OTEL_TRACES_EXPORTER": "none"},
            tools_root=True,
            binds=[self._folder],
        )
        wait_listening(process, self._netns, self.address, PORT)
        return process

    def _ask(self, method: str, path: str, blob: oci.Blob | None = None) -> http.client.HTTPResponse:
        with namespaces.entered(self._netns):
            raw = socket.create_connection((self.address, PORT), timeout=10)
        context = ssl.create_default_context(cadata=self.certificate.decode())
        connection = http.client.HTTPSConnection(HOST)
        connection.sock = context.wrap_socket(raw, server_hostname=HOST)
        login = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Length": "0"}
        if blob is not None:
            headers |= {"Content-Type": blob.media_type, "Content-Length": str(len(blob.content))}
        connection.request(method, path, blob and blob.content, headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status >= 300:
            raise OSError(f"{method} {path}: {response.status} {answer.decode(errors='replace')}")
        return response


def _hash(password: str) -> str:
    """Hash a password the only way that the registry takes: bcrypt, here with few rounds."""
    return run(["mkpasswd", "--method=bcrypt", "--rounds=4", "--stdin"], stdin=password, tools_root=True).strip()
