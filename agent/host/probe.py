"""The network as the doctor asks it: name resolution, TCP and TLS, each within a bound."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from agent.errors import FailedError
from agent.host import tls
from agent.host.pool import Pool
from agent.proxies import Proxy

SECONDS = 2.0
# An EKS endpoint has two or three addresses in each family; the first of each few are enough to tell.
_ADDRESSES = 4

_ANSWER = 4096
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})\b")

# What getaddrinfo(3) says of a name that does not exist, or has no address; anything else is the resolver's trouble.
_NO_NAME = {socket.EAI_NONAME, socket.EAI_NODATA}
# Python refuses by itself what has an empty label, or one that is too long.
_NO_NAME_AT_ALL = "is no name that DNS can hold"
_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}
# X509_V_ERR_* of OpenSSL; any other number says that no trusted issuer was found.
_VERIFY_KINDS = {9: "not-yet-valid", 10: "expired", 62: "hostname", 64: "hostname"}


class ProbeError(FailedError):
    """What the network answered instead: `kind` is one word for it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def resolve(host: str, port: int, pool: Pool, *, seconds: float = SECONDS) -> tuple[str, ...]:
    """Return the addresses of a name, as the node's own resolver gives them."""
    future = pool.start(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    try:
        found = future.result(seconds)
    except TimeoutError as error:
        raise ProbeError("no-answer", f"{host} was not resolved within {seconds:g} s") from error
    except socket.gaierror as error:
        kind = "name" if error.errno in _NO_NAME else "failing"
        raise ProbeError(kind, f"{host} does not resolve ({error.strerror})") from error
    except UnicodeError as error:
        raise ProbeError("name", f"{host} {_NO_NAME_AT_ALL}") from error
    return tuple(dict.fromkeys(str(address[4][0]) for address in found))


def connect(addresses: Sequence[str], port: int, *, seconds: float = SECONDS) -> str:
    """Return the first of the addresses that accepts a connection; each gets its share of the time."""
    tried = addresses[:_ADDRESSES]
    failures = []
    for address in tried:
        try:
            socket.create_connection((address, port), timeout=seconds / len(tried)).close()
        except OSError as error:
            failures.append(_refusal(f"{bracketed(address)}:{port}", error, seconds / len(tried)))
        else:
            return address
    # A family that the node has no route for says nothing about the other.
    raise next((failure for failure in failures if failure.kind != "unreachable"), failures[0])


def handshake(address: str, port: int, host: str, ca: Path, *, seconds: float = SECONDS) -> str:
    """Make a TLS connection that trusts `ca` alone, and return its protocol version."""
    try:
        context = tls.trusting(ca)
    except OSError as error:  # SSLError among them
        raise ProbeError("ca", f"{ca} holds no certificate") from error
    try:
        with (
            socket.create_connection((address, port), timeout=seconds) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return secured.version() or "TLS"
    except ssl.SSLCertVerificationError as error:
        kind = _VERIFY_KINDS.get(error.verify_code, "issuer")
        raise ProbeError(kind, f"the certificate of {host} is refused: {error.verify_message}") from error
    except TimeoutError as error:
        raise ProbeError("timeout", f"TLS to {host} was not done within {seconds:g} s") from error
    except OSError as error:
        raise ProbeError("protocol", f"no TLS with {host}: {error.strerror or error}") from error


def through_proxy(proxy: Proxy, target: str, *, seconds: float = SECONDS) -> tuple[str, int]:
    """Ask an HTTP proxy for a tunnel; return its address without credentials, and the status that it answers."""
    address = f"{bracketed(proxy.host)}:{proxy.port}"
    try:
        plain = socket.create_connection((proxy.host, proxy.port), timeout=seconds)
    except socket.gaierror as error:
        raise ProbeError("name", f"the proxy {proxy.host} does not resolve ({error.strerror})") from error
    except UnicodeError as error:
        raise ProbeError("name", f"the proxy's host {proxy.host} {_NO_NAME_AT_ALL}") from error
    except OSError as error:
        raise _refusal(f"the proxy {address}", error, seconds) from error
    with plain:
        found = _STATUS_LINE.match(_answer(plain, proxy, address, target))
    if found is None:
        raise ProbeError("protocol", f"{address} does not answer as an HTTP proxy")
    return address, int(found[1])


def _answer(plain: socket.socket, proxy: Proxy, address: str, target: str) -> bytes:
    try:
        with _spoken(plain, proxy) as link:
            link.sendall(proxy.tunnel(target))
            return link.recv(_ANSWER)
    except TimeoutError as error:
        said = f"the proxy {address} takes connections, and does not answer CONNECT {target}"
        raise ProbeError("silent", f"{said} within {plain.gettimeout():g} s") from error
    except ssl.SSLError as error:
        raise ProbeError("protocol", f"no TLS with the proxy {address}: {error.reason}") from error
    except OSError as error:
        raise ProbeError("protocol", f"the proxy {address} hangs up: {os.strerror(error.errno or 0)}") from error


def _spoken(plain: socket.socket, proxy: Proxy) -> socket.socket:
    # Whether the proxy is trusted is for those to say who use it; this only asks whether it serves.
    return tls.trusting_anybody().wrap_socket(plain, server_hostname=proxy.host) if proxy.secured else plain


def _refusal(target: str, error: OSError, seconds: float) -> ProbeError:
    if isinstance(error, TimeoutError):
        return ProbeError("timeout", f"{target} did not answer within {seconds:g} s")
    if error.errno in _UNREACHABLE:
        return ProbeError("unreachable", f"{target} cannot be reached ({os.strerror(error.errno or 0)})")
    kind = "refused" if isinstance(error, ConnectionRefusedError) else "other"
    return ProbeError(kind, f"{target}: {os.strerror(error.errno or 0)}")


def bracketed(address: str) -> str:
    """Return an address as it stands before a port."""
    return f"[{address}]" if ":" in address else address
