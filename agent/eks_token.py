"""The EKS bearer token: a pre-signed STS GetCallerIdentity request (SigV4 in the query), and kubelet's ExecCredential.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from agent.errors import FailedError

# The server takes a token for 15 minutes from X-Amz-Date; a minute is left for clocks that differ.
LIFETIME = timedelta(minutes=14)
# aws-iam-authenticator's clients sign for 60 s; the server looks at X-Amz-Date only.
_EXPIRES = "60"
_EMPTY = hashlib.sha256(b"").hexdigest()
_API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The temporary credentials of the instance role; what is secret is in no repr."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str = field(repr=False)
    expiration: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token for the API server, and until when it holds."""

    value: str = field(repr=False)
    expires: datetime


def mint(credentials: Credentials, cluster: str, region: str, domain: str, *, now: datetime) -> Token:
    """Make a token that holds for 14 minutes, or until the credentials expire where that is sooner."""
    return Token(presign(credentials, cluster, region, domain, now=now), min(now + LIFETIME, credentials.expiration))


def presign(credentials: Credentials, cluster: str, region: str, domain: str, *, now: datetime) -> str:
    """Return the token: who holds it can prove to the cluster, and only to it, to be the instance role."""
    host = f"sts.{region}.{domain}"
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/sts/aws4_request"
    parameters = {
        "Action": "GetCallerIdentity",
        "Version": "2011-06-15",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": _EXPIRES,
        "X-Amz-SignedHeaders": "host;x-k8s-aws-id",
        "X-Amz-Security-Token": credentials.token,
    }
    query = _encode(dict(sorted(parameters.items())))
    canonical = f"GET\n/\n{query}\nhost:{host}\nx-k8s-aws-id:{cluster}\n\nhost;x-k8s-aws-id\n{_EMPTY}"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(_signing_key(credentials.secret_access_key, scope), to_sign.encode(), hashlib.sha256)
    url = f"https://{host}/?{_encode(parameters)}&X-Amz-Signature={signature.hexdigest()}"
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def api_version(exec_info: str | None) -> str:
    """Return the ExecCredential version that kubelet or kubectl asks for in KUBERNETES_EXEC_INFO."""
    if not exec_info:
        return _API_VERSIONS[1]
    try:
        asked = json.loads(exec_info)["apiVersion"]
    except (ValueError, KeyError, TypeError) as error:
        raise FailedError("KUBERNETES_EXEC_INFO is no ExecCredential", hint="unset it, or run from kubectl") from error
    if asked not in _API_VERSIONS:
        raise FailedError(
            f"the kubeconfig asks for {asked!r}", hint=f"set its exec apiVersion to {' or '.join(_API_VERSIONS)}"
        )
    return str(asked)


def exec_credential(token: str, expires: datetime, version: str) -> str:
    """Return the ExecCredential that hands `token` to kubelet or kubectl."""
    stamp = expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"token": token, "expirationTimestamp": stamp}
    return json.dumps({"kind": "ExecCredential", "apiVersion": version, "spec": {}, "status": status})


def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _encode(parameters: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in parameters.items())
