"""The Security Token Service's GetCallerIdentity, for tokens made of pre-signed requests."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from world.facts import ACCOUNT, REGION
from world.listener import Listener
from world.roles import Credentials, Roles
from world.sigv4 import RefusedError, SignedRequest, signed_headers, verify

HOST = f"sts.{REGION}.amazonaws.com"
PORT = 443
CLUSTER_HEADER = "x-k8s-aws-id"

Answer = Mapping[str, "str | Mapping[str, str]"]


class Service:
    """STS on a listening socket, with a certificate and key for its host name."""

    def __init__(self, listening: socket.socket, certificate: Path, key: Path, roles: Roles) -> None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        self._mood = Mood()
        handler = type("BoundHandler", (Handler,), {"roles": roles, "mood": self._mood})
        self._listener = Listener(listening, handler, tls)

    def start(self) -> None:
        self._listener.start()

    def stop(self) -> None:
        self._listener.stop()

    @contextlib.contextmanager
    def refusing(self, code: str, message: str) -> Iterator[Mood]:
        """Refuse every token while the context lasts, whoever signed it; the mood counts them."""
        self._mood.refused, self._mood.refusal = 0, RefusedError(code, message)
        try:
            yield self._mood
        finally:
            self._mood.refusal = None


@dataclass
class Mood:
    """How the service answers now, and how many requests it refused in this mood."""

    refusal: RefusedError | None = None
    refused: int = 0


class Handler(BaseHTTPRequestHandler):
    """Answer one request: who signed it."""

    protocol_version = "HTTP/1.1"
    server_version = "STS"
    sys_version = ""
    timeout = 30
    wbufsize = 65536
    roles: Roles
    mood: Mood

    def do_GET(self) -> None:
        try:
            self._send(200, "GetCallerIdentityResponse", _identity(self._verified()))
        except RefusedError as refused:
            error = {"Type": "Sender", "Code": refused.code, "Message": str(refused)}
            self._send(403, "ErrorResponse", {"Error": error})

    def _verified(self) -> Credentials:
        if self.mood.refusal is not None:
            self.mood.refused += 1
            raise self.mood.refusal
        parts = urlsplit(self.path)
        headers = {name.lower(): text for name, text in self.headers.items()}
        if dict(parse_qsl(parts.query)).get("Action") != "GetCallerIdentity":
            raise RefusedError("InvalidAction", "Only GetCallerIdentity is simulated.")
        if CLUSTER_HEADER in headers and CLUSTER_HEADER not in signed_headers(parts.query):
            raise RefusedError("SignatureDoesNotMatch", f"{CLUSTER_HEADER} is sent but not signed.")
        request = SignedRequest(self.command, parts.path, parts.query, headers)
        return verify(request, "sts", self.roles.find, datetime.now(UTC))

    def _send(self, status: int, root: str, answer: Answer) -> None:
        """Answer in JSON where it is asked for, else in XML as the Query API does."""
        if "application/json" in self.headers.get("Accept", ""):
            body, kind = json.dumps({root: answer} if status == 200 else answer), "application/json"
        else:
            body, kind = _xml({root: answer}), "text/xml"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_words: object) -> None:
        """Nothing to the terminal: a request line holds a token."""


def _identity(credentials: Credentials) -> Answer:
    user = f"AROA{'EXAMPLENODEROLE':0<17}:{credentials.instance_id}"
    return {
        "GetCallerIdentityResult": {"Account": ACCOUNT, "Arn": credentials.arn, "UserId": user},
        "ResponseMetadata": {"RequestId": secrets.token_hex(16)},
    }


def _xml(answer: Mapping[str, str | Answer]) -> str:
    return "".join(
        f"<{name}>{escape(value) if isinstance(value, str) else _xml(value)}</{name}>" for name, value in answer.items()
    )
