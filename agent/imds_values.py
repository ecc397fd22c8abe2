"""The documents of IMDS as frozen values: the instance's identity and its role's credentials."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from agent.eks_token import Credentials
from agent.errors import FailedError, TemporaryError
from agent.model import Instance

# Each becomes part of a file or a host name, so it is checked here, once.
_REGION = r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+"
_RULES = {
    "instanceId": re.compile(r"i-[0-9a-f]{8}(?:[0-9a-f]{9})?"),
    "region": re.compile(_REGION),
    # A Local Zone's name goes on after the region: us-west-2-lax-1a.
    "availabilityZone": re.compile(_REGION + r"(?:-[a-z]+-[0-9]+)?[a-z]"),
    "instanceType": re.compile(r"[a-z0-9][a-z0-9.-]*"),
    "accountId": re.compile(r"[0-9]{12}"),
    "imageId": re.compile(r"ami-[0-9a-f]{8,17}"),
}
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_COMPARE = "compare it with curl on the node"


def instance(document: bytes, *, local_ipv4: str | None, ipv6: str | None, domain: str) -> Instance:
    """Return the identity that the document (`dynamic/instance-identity/document`) and three values tell."""
    body = _json(document, "identity document")
    values = {name: _checked(name, body.get(name), rule) for name, rule in _RULES.items()}
    try:
        return Instance(
            instance_id=values["instanceId"],
            region=values["region"],
            availability_zone=values["availabilityZone"],
            instance_type=values["instanceType"],
            account_id=values["accountId"],
            image_id=values["imageId"],
            local_ipv4=None if local_ipv4 is None else str(IPv4Address(local_ipv4)),
            ipv6=None if ipv6 is None else str(IPv6Address(ipv6)),
            domain=_checked("domain", domain, _DOMAIN),
        )
    except ValueError as error:
        raise FailedError(f"IMDS gives an address that is none: {error}", hint=_COMPARE) from error


def role(listing: str) -> str:
    """Return the instance role's name: the first line of the listing of credentials."""
    return _checked("role name", listing.partition("\n")[0], _ROLE)


def credentials(document: bytes, role_name: str) -> Credentials:
    """Return the role's credentials, or raise TemporaryError where EC2 could not get any."""
    body = _json(document, "credentials")
    if body.get("Code") != "Success":
        raise TemporaryError(
            f"IMDS has no credentials of the role {role_name}: {body.get('Code', 'no code')}",
            hint="see that the role of the instance profile exists and that ec2.amazonaws.com may assume it",
        )
    key, secret, token, expiration = (
        str(body.get(name, "")) for name in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")
    )
    try:
        expires = datetime.fromisoformat(expiration)
    except ValueError as error:
        raise FailedError("IMDS's credentials do not say when they expire", hint=_COMPARE) from error
    if not (key and secret and token and expires.tzinfo):
        raise FailedError(f"IMDS's credentials of the role {role_name} are incomplete", hint=_COMPARE)
    return Credentials(key, secret, token, expires)


def _json(document: bytes, what: str) -> Mapping[str, Any]:
    try:
        body = json.loads(document)
    except ValueError:
        # No cause: json's error carries the document, which may be secret.
        raise FailedError(f"IMDS's {what} is not JSON", hint=_COMPARE) from None
    if not isinstance(body, dict):
        raise FailedError(f"IMDS's {what} is no JSON object", hint=_COMPARE)
    return body


def _checked(name: str, value: object, rule: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not rule.fullmatch(value):
        raise FailedError(f"IMDS gives {str(value)[:100]!r} as {name}", hint=_COMPARE)
    return value
