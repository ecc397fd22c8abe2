"""kubelet's configuration as kubelet puts it together: its file, the drop-ins after it, and the flags over both."""

import json
import re
from collections.abc import Iterable
from typing import Any

from agent.errors import FailedError

# What configure writes into flags.env; no value of a flag holds a space or a quote.
_FLAG = re.compile(r"--(?P<name>[a-z0-9-]+)(=(?P<value>[^\s\"]*))?(?![^\s\"])", re.ASCII)
_FOLDER = "/var/lib/kubelet/pki"
# A link to the newest of them: k8s.io/client-go/util/certificate, FileStore.
_CURRENT = "kubelet-server-current.pem"
# strconv.ParseBool; a flag without a value is true.
_TRUE = frozenset({"", "1", "t", "T", "true", "True", "TRUE"})


def serving_certificate(configuration: Iterable[str], flags: str) -> str | None:
    """Return where kubelet keeps the certificate that the cluster signs for its API, or None where it asks for none.

    FailedError for a file that is not JSON: kubelet takes YAML, too.
    """
    asks = False
    for text in configuration:
        asks = _fields(text).get("serverTLSBootstrap", asks) is True
    given = {found["name"]: found["value"] or "" for found in _FLAG.finditer(flags)}
    if "rotate-server-certificates" in given:
        asks = given["rotate-server-certificates"] in _TRUE
    return f"{given.get('cert-dir') or _FOLDER}/{_CURRENT}" if asks else None


def _fields(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise FailedError("kubelet's configuration is not JSON") from error
    return fields if isinstance(fields, dict) else {}
