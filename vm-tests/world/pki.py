"""The world's certificate authorities and the leaf certificates they sign."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A node's clock may be a little behind the machine's that signs.
BACKDATED = timedelta(hours=1)
LIFETIME = timedelta(days=2)


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Write `name.crt` and `name.key`; return both paths."""
        certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
        certificate.write_bytes(self.certificate)
        key.touch(mode=0o600)
        key.write_bytes(self.key)
        return certificate, key


@dataclass(frozen=True)
class Authority:
    """A certificate authority that signs for as long as the world lives."""

    certificate: bytes
    _signer: x509.Certificate
    _key: ec.EllipticCurvePrivateKey

    @property
    def identity(self) -> Identity:
        """The authority's own certificate and key, for a program that signs by itself."""
        return Identity(self.certificate, _pem_key(self._key))

    def server(self, common_name: str, *, names: Sequence[str]) -> Identity:
        """Certify a TLS server under host names and IP addresses."""
        return self._sign(_subject(common_name), x509.SubjectAlternativeName([_general_name(name) for name in names]))

    def client(self, common_name: str, *, organizations: Sequence[str] = ()) -> Identity:
        """Certify a TLS client; Kubernetes reads user and groups from the subject."""
        return self._sign(_subject(common_name, organizations), None)

    def expired(self) -> bytes:
        """Return the authority's certificate as it was a year ago: the same name and key, and no longer valid."""
        long_ago = datetime.now(UTC) - timedelta(days=365)
        return _self_signed(self._signer.subject, self._key, long_ago).public_bytes(Encoding.PEM)

    def _sign(self, subject: x509.Name, names: x509.SubjectAlternativeName | None) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _builder(subject, self._signer.subject, key, datetime.now(UTC) - BACKDATED)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Identity(certificate.public_bytes(Encoding.PEM), _pem_key(key))


def authority(common_name: str) -> Authority:
    """Make a self-signed certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(_subject(common_name), key, datetime.now(UTC) - BACKDATED)
    return Authority(certificate.public_bytes(Encoding.PEM), certificate, key)


def signing_key() -> tuple[bytes, bytes]:
    """A private key and its public half, PEM: what service account tokens are signed with."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _pem_key(key), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _subject(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _self_signed(name: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime) -> x509.Certificate:
    return (
        _builder(name, name, key, begins)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=begins,
        not_valid_after=begins + BACKDATED + LIFETIME,
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
