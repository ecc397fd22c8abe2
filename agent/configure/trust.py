"""The certificates that programs on the node trust: those of the image and of trusted bundles, less the distrusted."""

from collections.abc import Iterator
from datetime import datetime

from agent.configure import certificates
from agent.configure.certificates import Certificate
from agent.configure.schema import dotted
from agent.configure.settings import Settings
from agent.model import FileSpec, Verdict

STORE = "/etc/ssl/certs/ca-certificates.crt"
# Beside the store Go loads every file of these (crypto/x509, root_linux.go), and OpenSSL looks for links by hash.
SCANNED = ("/etc/ssl/certs", "/etc/pki/tls/certs")


def files(settings: Settings, public_bundle: str | None) -> list[FileSpec]:
    """Return the store, or nothing where neither the image nor user data brings a certificate.

    The cluster's CA is not in it: it signs for the API server, and nothing else is to believe it.
    """
    chosen = _chosen(settings)
    marks = distrusted(settings)
    public = _without(public_bundle or "", marks) if marks else public_bundle or ""
    added = "".join(certificate.pem for mark, certificate in chosen.items() if mark not in marks)
    return [FileSpec(STORE, (public + added).encode())] if public or added else []


def distrusted(settings: Settings) -> frozenset[str]:
    """Return the fingerprints of what must not be believed."""
    return frozenset(certificate.fingerprint for certificate in _certificates(settings, trusted=False))


def betrays(pem: str, marks: frozenset[str]) -> bool:
    """Whether a file holds one of the certificates with these fingerprints."""
    return any(certificate.fingerprint in marks for certificate in _of_bundle(pem))


def remarks(settings: Settings, public_bundle: str | None, now: datetime) -> Iterator[Verdict]:
    """Say what is odd about the bundles that were accepted."""
    if public_bundle is None:
        message = "the image has no /usr/share/node-agent/ca-bundle.crt: only bundles of user data are trusted"
        yield Verdict(dotted(("pki",)), "warning", message, "image")
    yield from _without_effect(settings, public_bundle or "")
    for name, bundle in sorted(settings.pki.items()):
        for number, certificate in enumerate(bundle.data, 1):
            for remark in _odd(certificate, now):
                path = dotted(("pki", name, "data"))
                yield Verdict(path, "warning", f"certificate {number} {remark}; it is used all the same", "user data")


def _without_effect(settings: Settings, public_bundle: str) -> Iterator[Verdict]:
    """Say which bundles distrust what nobody trusts: more likely their maker wants to trust them, and left that out."""
    distrusting = [
        (name, bundle) for name, bundle in sorted(settings.pki.items()) if bundle.data and not bundle.trusted
    ]
    believed = {each.fingerprint for each in _of_bundle(public_bundle)} | set(_chosen(settings)) if distrusting else ()
    for name, bundle in distrusting:
        if not any(certificate.fingerprint in believed for certificate in bundle.data):
            message = "distrusts nothing that is trusted here; say trusted = true to trust it"
            yield Verdict(dotted(("pki", name, "trusted")), "warning", message, "user data")


def _odd(certificate: Certificate, now: datetime) -> Iterator[str]:
    if not certificate.is_authority:
        yield "is no CA certificate"
    if certificate.not_after and certificate.not_after < now:
        yield f"expired on {certificate.not_after:%Y-%m-%d}"
    if certificate.not_before and certificate.not_before > now:
        yield f"is not valid before {certificate.not_before:%Y-%m-%d}, or the clock is wrong"


def _chosen(settings: Settings) -> dict[str, Certificate]:
    return {certificate.fingerprint: certificate for certificate in _certificates(settings, trusted=True)}


def _certificates(settings: Settings, *, trusted: bool) -> Iterator[Certificate]:
    for _, bundle in sorted(settings.pki.items()):
        if bundle.trusted is trusted:
            yield from bundle.data


def _without(bundle: str, marks: frozenset[str]) -> str:
    return "".join(certificate.pem for certificate in _of_bundle(bundle) if certificate.fingerprint not in marks)


def _of_bundle(pem: str) -> Iterator[Certificate]:
    return (Certificate(der, is_authority=True) for der in certificates.blocks(pem))
