"""The EKS token equals, byte for byte, what botocore signs."""

import base64
import json
import string
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from agent import eks_token
from agent.eks_token import Credentials
from agent.errors import FailedError

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
CREDENTIALS = Credentials("ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", "IQoJb3JpZ2luX2VjEXAMPLE==", NOW)
CLUSTERS = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=100)
REGIONS = st.sampled_from(
    [("us-west-2", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn"), ("us-iso-east-1", "c2s.ic.gov")]
)
KEY_IDS = st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=20)
SECRETS = st.text(string.ascii_letters + string.digits + "+/=", min_size=1, max_size=400)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def url_of(token: str) -> str:
    head, _, body = token.partition(".")
    assert head == "k8s-aws-v1"
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()


@given(CLUSTERS, REGIONS, KEY_IDS, SECRETS, SECRETS, TIMES)
def test_botocore_signs_the_same(
    cluster: str, place: tuple[str, str], key_id: str, secret: str, session: str, now: datetime
) -> None:
    region, domain = place
    # The oracle reads the time of the process, so its steps are called with ours.
    oracle = SigV4QueryAuth(ReadOnlyCredentials(key_id, secret, session), "sts", region, expires=60)
    request = AWSRequest(
        "GET",
        f"https://sts.{region}.{domain}/?Action=GetCallerIdentity&Version=2011-06-15",
        headers={"x-k8s-aws-id": cluster},
    )
    request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
    oracle._modify_request_before_signing(request)
    text = oracle.string_to_sign(request, oracle.canonical_request(request))
    oracle._inject_signature_to_request(request, oracle.signature(text, request))

    token = eks_token.presign(Credentials(key_id, secret, session, now), cluster, region, domain, now=now)

    assert url_of(token) == request.url
    assert not token.endswith("=")


def test_another_time_zone_is_the_same_moment() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert eks_token.presign(CREDENTIALS, "demo", "us-west-2", "amazonaws.com", now=elsewhere) == eks_token.presign(
        CREDENTIALS, "demo", "us-west-2", "amazonaws.com", now=NOW
    )


def test_what_the_server_checks() -> None:
    token = eks_token.presign(CREDENTIALS, "demo", "us-west-2", "amazonaws.com", now=NOW)
    parts = urlsplit(url_of(token))
    query = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "sts.us-west-2.amazonaws.com", "/")
    assert query["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert all(len(values) == 1 for values in query.values())


@pytest.mark.parametrize(("left", "holds"), [(timedelta(hours=6), timedelta(minutes=14)), (timedelta(minutes=2),) * 2])
def test_a_token_does_not_outlive_its_credentials(left: timedelta, holds: timedelta) -> None:
    credentials = Credentials("ASIAIOSFODNN7EXAMPLE", "secret", "session", NOW + left)
    assert eks_token.mint(credentials, "demo", "us-west-2", "amazonaws.com", now=NOW).expires == NOW + holds


@pytest.mark.parametrize("version", ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"])
def test_exec_credential_in_the_version_that_is_asked_for(version: str) -> None:
    asked = eks_token.api_version(json.dumps({"kind": "ExecCredential", "apiVersion": version, "spec": {}}))
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert json.loads(eks_token.exec_credential("k8s-aws-v1.abc", elsewhere, asked)) == {
        "kind": "ExecCredential",
        "apiVersion": version,
        "spec": {},
        "status": {"token": "k8s-aws-v1.abc", "expirationTimestamp": "2026-02-03T04:05:06Z"},
    }


def test_nobody_asks_for_a_version() -> None:
    assert eks_token.api_version(None) == "client.authentication.k8s.io/v1beta1"


@pytest.mark.parametrize("info", ['{"apiVersion": "client.authentication.k8s.io/v1alpha1"}', "{}", "[]", "nonsense"])
def test_a_version_that_is_not_spoken(info: str) -> None:
    with pytest.raises(FailedError, match=r"kubeconfig|KUBERNETES_EXEC_INFO"):
        eks_token.api_version(info)


def test_nothing_secret_in_a_repr() -> None:
    shown = repr(CREDENTIALS) + repr(eks_token.mint(CREDENTIALS, "demo", "us-west-2", "amazonaws.com", now=NOW))
    assert CREDENTIALS.secret_access_key not in shown
    assert CREDENTIALS.token not in shown
    assert "k8s-aws-v1" not in shown
