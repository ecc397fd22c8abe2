"""What is around a region: a private registry, the proxy that leads there, the time, and an API nobody may call."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import io
import json
import socket
import ssl
import struct
import tarfile
import time
from collections.abc import Iterator

import pytest

import played
from world import ec2, namespaces, oci, pki, proxy, registry, sts
from world.clock import ADDRESSES
from world.outside import PROXY, REGISTRY, Outside
from world.ownership import Home
from world.region import EC2, Region

pytestmark = pytest.mark.netns
RESOLVER = "10.0.0.2"
# Seconds from NTP's epoch, 1900, to Unix's: RFC 5905, figure 4.
EPOCH = 2_208_988_800


@pytest.fixture(scope="module")
def public() -> pki.Authority:
    return pki.authority("public")


@pytest.fixture(scope="module")
def region(home: Home, public: pki.Authority) -> Iterator[Region]:
    with Region(home, public.server("aws", names=[sts.HOST, ec2.HOST])) as region:
        yield region


@pytest.fixture(scope="module")
def outside(home: Home, region: Region) -> Iterator[Outside]:
    made = Outside(home, region.vpc, RESOLVER)
    yield made
    made.close()


@pytest.fixture(scope="module")
def host(home: Home, region: Region) -> str:
    """Return the namespace that plays an instance."""
    name = home.namespace("host")
    namespaces.make(name)
    played.plug(region, name, region.create().primary)
    return name


def login(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def trusting(authority: bytes) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.decode())


def ask(netns: str, connection: http.client.HTTPConnection, path: str, **headers: str) -> tuple[int, bytes]:
    with namespaces.entered(netns):
        connection.connect()
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()


def pull(host: str, outside: Outside, path: str, *, tunnel_login: str | None, user_login: str | None = None) -> bytes:
    """Ask the registry through the proxy, which learns the host name and nothing else."""
    tunnel = http.client.HTTPSConnection(PROXY, proxy.PORT, timeout=5, context=trusting(outside.registry.certificate))
    tunnel.set_tunnel(registry.HOST, 443, {"Proxy-Authorization": tunnel_login} if tunnel_login else {})
    given = user_login or login(registry.USER, outside.registry.password)
    status, body = ask(host, tunnel, path, Authorization=given, Accept=oci.MANIFEST)
    assert status == 200, body
    return body


def test_a_node_without_another_way_out_reaches_the_registry_by_the_proxy(host: str, outside: Outside) -> None:
    allowed = login(proxy.USER, outside.proxy.password)
    direct = http.client.HTTPSConnection(REGISTRY, 443, timeout=1, context=trusting(outside.registry.certificate))
    assert ask(host, direct, "/v2/")[0] == 401
    with outside.only_by_proxy():
        with pytest.raises(TimeoutError):
            ask(host, direct, "/v2/")
        assert outside.dropped() > 0
        pull(host, outside, "/v2/", tunnel_login=allowed)
    assert outside.proxy.carried()[-1] == registry.HOST
    assert outside.registry.requests()[-1].source == PROXY


def test_the_proxy_wants_its_password(host: str, outside: Outside) -> None:
    granted = outside.proxy.carried()
    with pytest.raises(OSError, match="407"):
        pull(host, outside, "/v2/", tunnel_login=None)
    assert outside.proxy.asked()[-1] == f"{registry.HOST}:443"
    assert outside.proxy.carried() == granted


@pytest.mark.usefixtures("outside")
def test_the_registry_is_trusted_only_by_its_own_authority(host: str, public: pki.Authority) -> None:
    direct = http.client.HTTPSConnection(REGISTRY, 443, timeout=5, context=trusting(public.certificate))
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(host, direct, "/v2/")


def test_an_image_is_there_for_who_logs_in(host: str, outside: Outside) -> None:
    assert outside.image == f"{registry.HOST}/tools/busybox:1"
    direct = http.client.HTTPSConnection(REGISTRY, 443, timeout=5, context=trusting(outside.registry.certificate))
    assert ask(host, direct, "/v2/tools/busybox/manifests/1", Accept=oci.MANIFEST)[0] == 401
    allowed = login(proxy.USER, outside.proxy.password)
    manifest = json.loads(pull(host, outside, "/v2/tools/busybox/manifests/1", tunnel_login=allowed))
    digest = manifest["layers"][0]["digest"]
    layer = pull(host, outside, f"/v2/tools/busybox/blobs/{digest}", tunnel_login=allowed)
    assert f"sha256:{hashlib.sha256(layer).hexdigest()}" == digest
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        assert archive.getmember("bin/busybox").mode == 0o755


def ntp(host: str, address: str) -> float:
    """Ask for the time as a client of version 4 does, and return how far its answer is from this machine's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespaces.entered(host), socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.sendto(bytes([4 << 3 | 3]) + bytes(47), (address, 123))
        answer = client.recv(48)
    return float(struct.unpack_from("!I", answer, 40)[0]) - EPOCH - time.time()


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_time_is_served_unless_it_is_stopped(host: str, region: Region, address: str) -> None:
    assert abs(ntp(host, address)) < 60
    region.clock.stop()
    try:
        with pytest.raises(OSError, match=r"timed out|refused"):
            ntp(host, address)
    finally:
        region.clock.start()


def test_the_ec2_api_refuses_and_keeps_who_came(host: str, region: Region, public: pki.Authority) -> None:
    assert region.ec2.callers == []
    context = trusting(public.certificate)
    context.check_hostname = False
    api = http.client.HTTPSConnection(EC2, 443, timeout=5, context=context)
    status, body = ask(host, api, "/?Action=DescribeInstances")
    assert status == 403
    assert b"UnauthorizedOperation" in body
    assert len(region.ec2.callers) == 1
