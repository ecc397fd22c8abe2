"""The rules of URLs, and of what is reached without a proxy."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from agent import dns_question
from agent.configure.rules import is_odd, texts
from agent.configure.schema import RefusedError, SomeRefusedError, rule
from agent.redaction import redact

_PROXY_SCHEMES = ("http", "https", "socks5")
# Legal in the password of a URL (RFC 3986, 3.2.1), and `$` is nothing special in an environment file of systemd's.
_IN_PASSWORDS = str.maketrans("", "", "$'")


@rule("string", "an http or https URL, or a host")
def url(raw: object) -> str:
    """Put https:// before a bare host, and http:// before the machine itself, as containerd's CRI plug-in does."""
    is_bare = isinstance(raw, str) and "://" not in raw
    parts = _url(f"https://{raw}" if is_bare else raw)
    if parts is None or parts.scheme not in {"http", "https"}:
        raise RefusedError
    return (parts._replace(scheme="http") if is_bare and _is_local(parts.hostname or "") else parts).geturl()


@rule("string", "an https URL, such as https://EXAMPLE.gr7.us-west-2.eks.amazonaws.com")
def api_server(raw: object) -> str:
    parts = _url(raw)
    if parts is None or parts.scheme != "https" or "@" in parts.netloc or parts.query or parts.fragment:
        raise RefusedError
    return parts.geturl().rstrip("/")


@rule(
    "string",
    "the URL of a proxy without a path, such as http://proxy.example.com:3128; empty is none; '#', '/' and '?'"
    " of a password are written %23, %2F and %3F",
)
def proxy(raw: object) -> str:
    """Keep what the user wrote, with the `http://` that Go puts before a bare host and port."""
    if not isinstance(raw, str):
        raise RefusedError
    if not raw.strip():
        return ""
    text = raw if "://" in raw else f"http://{raw}"
    parts = _url(text, text.translate(_IN_PASSWORDS))
    if parts is None or parts.scheme not in _PROXY_SCHEMES or parts.path not in {"", "/"}:
        raise RefusedError
    if "?" in text or "#" in text or is_odd(parts.netloc.rpartition("@")[2]):
        raise RefusedError
    # What cuts secrets out of text takes a quote for the end of a URL.
    return parts.geturl().rstrip("/").replace("'", "%27")


@rule("list of strings", "a list of hosts, domains, addresses and networks without spaces or commas")
def no_proxy(raw: object) -> tuple[str, ...]:
    entries = [entry for entry in (each.strip() for each in texts(raw)) if entry]
    good = [entry for entry in entries if len(entry) <= 255 and "," not in entry and not is_odd(entry)]
    if entries and not good:
        raise RefusedError
    if len(good) < len(entries):
        bad = [entry for entry in entries if entry not in good]
        raise SomeRefusedError(
            tuple(good), good, f"{redact(bad[0])[:60]!a} is refused: must be without spaces, commas and quotes"
        )
    return tuple(good)


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _url(raw: object, judged: str | None = None) -> SplitResult | None:
    """Return the parts of a URL that has a host, or None; urlsplit itself drops some control characters.

    A template's variable that is empty gives `https://.gr7.us-west-2.eks.amazonaws.com`.
    """
    if not isinstance(raw, str) or len(raw) > 2048 or is_odd(raw if judged is None else judged):
        return None
    try:
        parts = urlsplit(raw)
        usable = parts.hostname and parts.port != 0  # reading the port checks its range
    except ValueError:
        return None
    if not usable:
        return None
    if not dns_question.is_name(parts.hostname or ""):
        raise RefusedError("a URL whose host has 1 to 63 characters between its dots, and 253 at most")
    return parts
