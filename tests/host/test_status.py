import json
from pathlib import Path

import pytest

from agent.host import status


def test_a_status_is_read_back(tmp_path: Path) -> None:
    status.write("network", "ok", "3 ENIs ready", root=tmp_path, enis=3)
    read = status.read("network", root=tmp_path)
    assert read is not None
    assert (read["state"], read["message"], read["enis"], read["schemaVersion"]) == ("ok", "3 ENIs ready", 3, 1)
    assert (tmp_path / "run/node-agent/network.json").stat().st_mode & 0o777 == 0o644


def test_saying_the_same_again_writes_nothing(tmp_path: Path) -> None:
    status.write("network", "ok", root=tmp_path)
    before = (tmp_path / "run/node-agent/network.json").stat()
    status.write("network", "ok", root=tmp_path)
    assert (tmp_path / "run/node-agent/network.json").stat() == before


def news(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "run/node-agent/news").glob("[!.]*"))


def test_who_says_something_new_is_news_until_it_is_taken(tmp_path: Path) -> None:
    status.take_news(root=tmp_path)
    status.write("network", "ok", root=tmp_path)
    status.write("configure", "ok", root=tmp_path)
    status.write_quietly("console", "ok", root=tmp_path)
    assert news(tmp_path) == ["configure", "network"]
    status.take_news(root=tmp_path)
    status.write("network", "ok", root=tmp_path)
    assert news(tmp_path) == []
    status.write("network", "degraded", root=tmp_path)
    assert news(tmp_path) == ["network"]


def test_a_secret_does_not_reach_the_file(tmp_path: Path) -> None:
    url = "https://s3.us-west-2.amazonaws.com/b/k?X-Amz-Signature=feedface"
    status.write("diagnostics", "failed", f"cannot put {url}", root=tmp_path, url=url)
    text = (tmp_path / "run/node-agent/diagnostics.json").read_text()
    assert "feedface" not in text
    assert json.loads(text)["url"].endswith("?<redacted>")


def test_other_files_are_no_status(tmp_path: Path) -> None:
    status.write("network", "ok", root=tmp_path)
    folder = tmp_path / "run/node-agent"
    (folder / "enis.json").write_text('{"schemaVersion": 1, "enis": []}')
    (folder / "broken.json").write_text("{")
    (folder / "list.json").write_text("[]")
    assert list(status.read_all(root=tmp_path)) == ["network"]


@pytest.mark.parametrize(
    "message", ["S3 refused the token:", "cannot read secret=", "the key '-----BEGIN EC PRIVATE KEY-----\nMIIE' is bad"]
)
def test_a_message_in_which_a_secret_may_begin_is_published(message: str, tmp_path: Path) -> None:
    status.write("diagnostics", "failed", message, root=tmp_path, last="word")
    read = status.read("diagnostics", root=tmp_path)
    assert read is not None
    assert read["message"].startswith(message[:8])
    assert "MIIE" not in read["message"]
    assert read["last"] == "word"
