import base64
import ssl
from datetime import UTC, datetime

import pytest
from configure.samples import PEM, base64_of

from agent.configure import certificates
from agent.configure.schema import RefusedError

DER = ssl.PEM_cert_to_DER_cert(PEM["kubernetes"])


@pytest.mark.parametrize(
    "text",
    [
        base64_of(PEM["kubernetes"]),
        PEM["kubernetes"],
        PEM["kubernetes"].replace("\n", "\r\n"),
        f"subject=CN = kubernetes\n{PEM['kubernetes']}some comment",
        base64.b64encode(DER).decode(),
        "\n".join(base64_of(PEM["kubernetes"])[start : start + 76] for start in range(0, 2000, 76)),
        PEM["kubernetes"] * 3,
        PEM["kubernetes"].replace("-----\n", "-----").rstrip() * 2,
    ],
    ids=["base64", "PEM", "CRLF", "comments", "DER", "wrapped", "repeated", "without line ends"],
)
def test_a_certificate_in_every_form_that_people_send(text: str) -> None:
    (found,) = certificates.read(text)
    assert found.der == DER
    assert found.is_authority
    assert found.not_after == datetime(2099, 1, 1, tzinfo=UTC)


def test_written_pem_is_as_openssl_writes_it() -> None:
    (found,) = certificates.read(PEM["corporate"])
    assert found.pem == PEM["corporate"]


def test_a_bundle_keeps_its_order() -> None:
    found = certificates.read(base64_of(PEM["corporate"] + PEM["leaf"]))
    assert [each.is_authority for each in found] == [True, False]
    assert "".join(each.pem for each in found) == PEM["corporate"] + PEM["leaf"]


@pytest.mark.parametrize("text", ["", " \n"])
def test_blank_switches_a_bundle_off(text: str) -> None:
    assert certificates.read(text) == ()


def test_one_bad_block_refuses_the_bundle() -> None:
    bad = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    with pytest.raises(RefusedError, match=r"not X\.509"):
        certificates.read(PEM["corporate"] + bad)
