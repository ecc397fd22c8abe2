import json

from agent import imds_tree
from agent.model import Unknown

VALUES = {
    "meta-data/": "ami-id\niam/\nlate\nidentity-credentials/\nloop/",
    "meta-data/ami-id": "ami-1",
    "meta-data/iam/": "info\nsecurity-credentials/",
    "meta-data/iam/info": "{}",
    "meta-data/iam/security-credentials/": "role",
    "meta-data/iam/security-credentials/role": "secret",
    "meta-data/identity-credentials/": "ec2/",
    "dynamic/instance-identity/document": "{}",
    "user-data": "secret",
}


def look(path: str) -> str | Unknown | None:
    if "loop/" in path:
        return "loop/"
    return Unknown("slow") if path.endswith("late") else VALUES.get(path)


def test_everything_is_read_but_credentials_and_user_data() -> None:
    found = imds_tree.read_all(look)
    assert found == {
        "meta-data/ami-id": "ami-1",
        "meta-data/iam/info": "{}",
        "meta-data/late": None,
        "dynamic/instance-identity/document": "{}",
    }
    assert json.loads(imds_tree.render(found)) == found


def test_a_service_that_knows_nothing_gives_nothing() -> None:
    assert imds_tree.read_all(lambda _: None) == {}


def test_a_tree_without_end_is_bounded() -> None:
    listing = "\n".join(f"key{number}" for number in range(10_000))
    found = imds_tree.read(lambda path: listing if path.endswith("/") else "x", "meta-data/")
    assert len(found) == 2000
