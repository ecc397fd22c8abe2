import base64
import ssl
from datetime import UTC, datetime

import pytest
from configure.samples import PEM, base64_of, check, document
from hypothesis import given
from hypothesis import strategies as st

from agent.configure import certificates
from agent.configure.schema import RefusedError

DER = ssl.PEM_cert_to_DER_cert(PEM["kubernetes"])
NOT_BEFORE = DER.index(b"\x17\x0d") + 2  # a UTCTime of 13 bytes
NAME = DER.index(b"\x0c\x0akubernetes")  # a UTF8String of 10 bytes
LOCATED = ssl.PEM_cert_to_DER_cert(PEM["responder"])  # with a URL of OCSP, one of a CRL and a mail address


def with_bytes(at: int, content: bytes) -> bytes:
    return DER[:at] + content + DER[at + len(content) :]


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


@pytest.mark.parametrize("time", [b"230230000000Z", b"231301000000Z", b"250101250000Z"])
def test_a_certificate_with_an_odd_time_is_one_without_it(time: bytes) -> None:
    (found,) = certificates.read(base64.b64encode(with_bytes(NOT_BEFORE, time)).decode())
    assert (found.is_authority, found.not_before) == (True, None)
    assert found.not_after == datetime(2099, 1, 1, tzinfo=UTC)


def test_a_certificate_with_a_name_that_cannot_be_read_is_one_without_times() -> None:
    (found,) = certificates.read(base64.b64encode(with_bytes(NAME, b"\x30")).decode())  # a sequence, not a text
    assert (found.is_authority, found.not_before, found.not_after) == (True, None, None)


@pytest.mark.parametrize("place", [b"/ocsp", b"/crl", b"pki@"])
def test_a_certificate_with_a_url_or_mail_address_that_is_not_ascii_is_one_without_times(place: bytes) -> None:
    at = LOCATED.index(place)
    odd = LOCATED[:at] + b"\xfc" + LOCATED[at + 1 :]
    (found,) = certificates.read(base64.b64encode(odd).decode())
    assert (found.is_authority, found.not_before, found.not_after) == (True, None, None)


PLACES = st.sampled_from([NAME, NOT_BEFORE]) | st.integers(0, len(LOCATED) - 1)
BYTES = st.binary(min_size=1, max_size=13) | st.sampled_from([b"\x30", b"230230000000Z"])


@given(st.sampled_from([DER, LOCATED]), st.lists(st.tuples(PLACES, BYTES), max_size=2), st.integers(0, 40))
def test_no_bytes_of_a_certificate_are_a_surprise(der: bytes, changes: list[tuple[int, bytes]], missing: int) -> None:
    content = bytearray(der)
    for at, replacement in changes:
        content[at : at + len(replacement)] = replacement
    data = base64.b64encode(bytes(content[: len(content) - missing])).decode()
    bundle = f'[settings.pki.a]\ndata = "{data}"\ntrusted = true'
    for text in (document(rest=bundle), document().replace(base64_of(PEM["kubernetes"]), data)):
        assert all(verdict.path.endswith((".data", "cluster-certificate")) for verdict in check(text).verdicts)
