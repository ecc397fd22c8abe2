"""The instance role's temporary credentials: issued to the metadata service, known to STS."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from world.facts import ACCOUNT, NODE_ROLE

LIFETIME = timedelta(hours=6)


@dataclass(frozen=True)
class Credentials:
    """One set of credentials; the session's name is the instance's ID, as in EC2."""

    instance_id: str
    access_key_id: str
    secret_access_key: str
    session_token: str
    issued: datetime
    expires: datetime
    role: str = NODE_ROLE

    @property
    def arn(self) -> str:
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.role}/{self.instance_id}"

    def document(self) -> str:
        """Return the JSON that the metadata service answers."""
        return json.dumps(
            {
                "Code": "Success",
                "LastUpdated": _stamp(self.issued),
                "Type": "AWS-HMAC",
                "AccessKeyId": self.access_key_id,
                "SecretAccessKey": self.secret_access_key,
                "Token": self.session_token,
                "Expiration": _stamp(self.expires),
            },
            indent=2,
        )


class Roles:
    """All credentials issued so far."""

    def __init__(self) -> None:
        self._issued: dict[str, Credentials] = {}
        self._guard = threading.Lock()

    def issue(self, instance_id: str, lifetime: timedelta = LIFETIME, *, role: str = NODE_ROLE) -> Credentials:
        now = datetime.now(UTC).replace(microsecond=0)
        credentials = Credentials(
            instance_id=instance_id,
            access_key_id="ASIA" + base64.b32encode(secrets.token_bytes(10)).decode(),
            secret_access_key=base64.b64encode(secrets.token_bytes(30)).decode(),
            session_token=base64.b64encode(secrets.token_bytes(240)).decode(),
            issued=now,
            expires=now + lifetime,
            role=role,
        )
        with self._guard:
            self._issued[credentials.access_key_id] = credentials
        return credentials

    def find(self, access_key_id: str) -> Credentials | None:
        with self._guard:
            return self._issued.get(access_key_id)


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
