"""Uploads: one PUT of a file to a pre-signed URL, streamed, to a peer that has been looked at first."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import TemporaryError
from agent.host import files, tls
from agent.host.https import Connection, Request, Response

CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_CHUNK = 1 << 17
# S3's errors have some 500 bytes; what a hostile server sends beyond this is not read.
_ANSWER_LIMIT = 16 << 10
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a file goes; `target` is path and query of the URL, and secret."""

    host: str
    port: int
    target: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Uploader:
    """Puts files; the CA bundle is read anew for each, as configure may have changed it."""

    tick: tls.Tick = tls.no_tick
    ca_bundle: Path = Path(CA_BUNDLE)

    def put(self, target: Target, source: Path, *, check_peer: tls.CheckPeer) -> Response:
        """Send the file once, and return the answer, whatever it is; redirects are not followed."""
        try:
            context = tls.trusting(self.ca_bundle)
        except OSError as error:
            hint = "see `systemctl status node-agent-configure`"
            raise TemporaryError(f"cannot read the CA bundle {self.ca_bundle}: {error}", hint=hint) from error
        waits = tls.Waits(self.tick, _PATIENCE)
        size = source.stat().st_size
        with Connection(tls.connect((target.host, target.port), context, waits, check_peer=check_peer)) as connection:
            request = Request("PUT", target.target)
            return connection.upload(request, _read(source), length=size, limit=_ANSWER_LIMIT)


def _read(source: Path) -> Iterator[bytes]:
    file = files.open_regular(source)
    if file is None:
        raise FileNotFoundError(source)
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
