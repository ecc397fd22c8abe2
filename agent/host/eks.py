"""The node's EKS token, minted from the instance role's credentials; STS itself is never asked."""

import os
from datetime import UTC, datetime, timedelta

from agent import eks_token
from agent.eks_token import Token
from agent.errors import TemporaryError
from agent.host import imds
from agent.host.imds import Imds

_EARLY = timedelta(minutes=1)
# kubelet runs the plug-in again by itself: better soon an error with its cause than a long silence.
_PLUGIN_DEADLINE = 20.0


class TokenSource:
    """A token that is minted anew when a minute of it is left; the credentials are read anew each time."""

    def __init__(self, client: Imds, cluster: str) -> None:
        self._client = client
        self._cluster = cluster
        self._token: Token | None = None

    def __call__(self) -> str:
        """Return a token that holds for a minute at least."""
        if self._token is None or datetime.now(UTC) >= self._token.expires - _EARLY:
            self._token = token(self._client, self._cluster)
        return self._token.value

    def drop(self) -> None:
        """Forget the token, as the API server has refused it."""
        self._token = None


def token(client: Imds, cluster: str) -> Token:
    """Mint a token for the cluster."""
    credentials = client.credentials()
    if credentials is None:
        raise TemporaryError(
            "IMDS lists no role of this instance", hint="attach an instance profile with the cluster's node role"
        )
    now = datetime.now(UTC)
    if credentials.expiration <= now:
        raise TemporaryError(
            f"the role's credentials expired at {credentials.expiration:%Y-%m-%dT%H:%M:%SZ}",
            hint="see whether the node's clock is right (chronyc tracking, timedatectl)",
        )
    instance = client.instance()
    return eks_token.mint(credentials, cluster, instance.region, instance.domain, now=now)


def exec_credential(cluster: str, imds_url: str | None) -> str:
    """Return the ExecCredential that kubelet's exec plug-in prints, in the version that its environment asks for."""
    version = eks_token.api_version(os.environ.get("KUBERNETES_EXEC_INFO"))
    with imds.connect(imds_url, deadline=_PLUGIN_DEADLINE) as client:
        minted = token(client, cluster)
    return eks_token.exec_credential(minted.value, minted.expires, version)
