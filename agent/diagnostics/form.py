"""A pre-signed POST: the form of a chunk's upload, its object's key, and how long its policy holds."""

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agent.diagnostics import destination
from agent.diagnostics.destination import Destination
from agent.errors import SettingsError

FILENAME = "${filename}"
# What names no secret: the object's key is where the operator looks for it.
_OPEN_FIELDS = frozenset({"key", "bucket", "acl", "content-type", "success_action_status", "x-amz-algorithm"})
_REDIRECTS = frozenset({"success_action_redirect", "redirect"})


@dataclass(frozen=True, slots=True)
class Form:
    """A checked POST; its URL and fields are secrets but for the host."""

    target: Destination
    fields: Mapping[str, str] = field(repr=False)
    expires: datetime | None = None

    def secrets(self) -> frozenset[str]:
        closed = {value for name, value in self.fields.items() if name.lower() not in _OPEN_FIELDS}
        return self.target.secrets() | closed

    @property
    def overwrites(self) -> bool:
        """Whether every chunk goes to the same object."""
        return FILENAME not in self.fields["key"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands before and after a file in a multipart form."""

    content_type: str
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)


def parse(url: str, fields: Mapping[str, str], plain_to: Collection[str] = ()) -> Form:
    """Check a form before anything is captured for it."""
    target = destination.parse(url, plain_to)
    if "key" not in fields:
        raise SettingsError("upload.fields has no key", hint="give the fields of a pre-signed POST")
    if redirects := sorted(_REDIRECTS & {name.lower() for name in fields}):
        raise SettingsError(f"upload.fields has {redirects[0]}, and redirects are not followed", hint="leave it out")
    if "file" in fields:
        raise SettingsError("upload.fields has a field named file", hint="that is what the agent uploads")
    return Form(target, dict(fields), _expiry(fields))


def envelope(form: Form, capture_id: str, name: str, boundary: str) -> Envelope:
    """Return the form around a chunk: the key first, the others by name, the file last, as S3 wants it."""
    values = {**form.fields, "key": key(form.fields["key"], capture_id, name)}
    order = ["key", *sorted(set(values) - {"key"})]
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(at)}"\r\n\r\n{values[at]}' for at in order
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{_quoted(name)}"\r\n'
        "Content-Type: application/gzip\r\n\r\n"
    )
    return Envelope(
        content_type=f"multipart/form-data; boundary={boundary}",
        before="\r\n".join(parts).encode(),
        after=f"\r\n--{boundary}--\r\n".encode(),
    )


def key(pattern: str, capture_id: str, name: str) -> str:
    """Return the object's key, with the capture's ID before the file's name, as the peer has it."""
    return pattern.replace(FILENAME, f"{capture_id}/{name}")


def _quoted(text: str) -> str:
    """Return a field's name as HTML's forms write it (https://html.spec.whatwg.org/#multipart-form-data)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _expiry(fields: Mapping[str, str]) -> datetime | None:
    """Return when the policy ends, as it says itself."""
    policy = next((value for name, value in fields.items() if name.lower() == "policy"), "")
    try:
        text = str(json.loads(base64.b64decode(policy, validate=True))["expiration"])
        found = datetime.fromisoformat(text)
    except (binascii.Error, ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
