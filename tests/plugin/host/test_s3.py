"""URLs as S3 takes them, checked by what the agent itself takes."""

import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import pytest

from agent.diagnostics import destination
from agent.errors import SettingsError
from kubectl_node_diagnostic import s3
from kubectl_node_diagnostic.s3 import Place

FAKE = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret-key-at-all",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "PATH": "/usr/bin:/bin",
}
SIGN = """
import sys
from kubectl_node_diagnostic.s3 import Bucket, Place
print(Bucket(Place(sys.argv[2], ""), profile=None, region=sys.argv[1]).sign("logs/n1.tar.gz", 600))
"""


def signed(region: str, bucket: str, **more: str) -> str:
    """Sign as somebody with these environment variables would; with a region S3 itself is not asked."""
    done = subprocess.run(
        [sys.executable, "-c", SIGN, region, bucket],
        env={**FAKE, **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("region", "bucket", "host"),
    [
        ("us-west-2", "my-bucket", "my-bucket.s3.us-west-2.amazonaws.com"),
        ("us-east-1", "my-bucket", "my-bucket.s3.us-east-1.amazonaws.com"),
        ("cn-north-1", "my-bucket", "my-bucket.s3.cn-north-1.amazonaws.com.cn"),
        ("us-west-2", "my.bucket", "s3.us-west-2.amazonaws.com"),
    ],
)
def test_a_url_has_the_regional_name_and_the_form_that_the_agent_takes(region: str, bucket: str, host: str) -> None:
    url = signed(region, bucket)
    parsed = destination.parse(url)
    assert parsed.host == host
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["600"]
    assert query["X-Amz-SignedHeaders"] == ["host"]
    assert f"/{region}/s3/aws4_request" in query["X-Amz-Credential"][0]


def test_a_private_endpoint_keeps_the_path_style() -> None:
    url = signed("us-west-2", "my-bucket", AWS_ENDPOINT_URL_S3="https://s3.example.internal")
    assert url.startswith("https://s3.example.internal/my-bucket/logs/n1.tar.gz?")


def test_without_credentials_the_cure_is_said() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        signed("us-west-2", "my-bucket", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert "aws sts get-caller-identity" in failure.value.stderr


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://my-bucket", Place("my-bucket", "")),
        ("s3://my-bucket/", Place("my-bucket", "")),
        ("s3://my.bucket/a/b/", Place("my.bucket", "a/b")),
    ],
)
def test_places(text: str, place: Place) -> None:
    assert s3.parse(text) == place


@pytest.mark.parametrize("text", ["", "my-bucket", "s3://", "s3://a", "https://b.s3.amazonaws.com/k", "s3://abc/\033"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is no S3 place"):
        s3.parse(text)


def test_no_run_overwrites_anothers_bundle() -> None:
    place = Place("my-bucket", "logs")
    assert place.key("n1", "r1") == "logs/n1-r1.tar.gz"
    assert Place("my-bucket", "").key("n1", "r1") == "n1-r1.tar.gz"
    assert place.url(place.key("n1", "r1")) == "s3://my-bucket/logs/n1-r1.tar.gz"
