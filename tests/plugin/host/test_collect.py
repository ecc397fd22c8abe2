"""One node's way, with a cluster and a store that answer in memory."""

import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import pytest
from plugin import archives

from agent.errors import TemporaryError
from kubectl_node_diagnostic.cluster import Cluster
from kubectl_node_diagnostic.collect import Collector, Order
from kubectl_node_diagnostic.model import Phase, Result

NODE = "i-0123456789abcdef0"
CONTENT = archives.bundle({"schemaVersion": 1, "node": NODE, "outputs": []}).getvalue()
MESSAGE = f"saved; bytes={len(CONTENT)}; sha256={hashlib.sha256(CONTENT).hexdigest()}"


class Api:
    """An API server with an agent that ends every capture at once; `breaks` requests fail first."""

    def __init__(self, *, reason: str = "Success", message: str = MESSAGE, breaks: int = 0) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self._end = {"reason": reason, "message": message}
        self._breaks = breaks

    def get(self, path: str, _what: str) -> dict[str, Any] | None:
        return self.objects.get(path.rpartition("/")[2])

    def create(self, _path: str, body: Mapping[str, Any], what: str) -> dict[str, Any] | None:
        name = body["metadata"]["name"]
        if name in self.objects:
            return None
        metadata = {**body["metadata"], "uid": "u1", "resourceVersion": "1", "generation": 1}
        status = {"captureStatuses": [{"type": "Log", "state": {"completed": self._end}}]}
        self.objects[name] = {**body, "metadata": metadata, "status": status}
        if self._breaks:
            self._breaks -= 1
            raise TemporaryError(f"{what}: the answer is lost")
        return self.objects[name]

    def delete(self, path: str, options: Mapping[str, Any], _what: str) -> None:
        name = path.rpartition("/")[2]
        if self.objects[name]["metadata"]["uid"] == options["preconditions"]["uid"]:
            del self.objects[name]

    def stream(self, _path: str, what: str, *, silence: float) -> None:
        raise TemporaryError(f"{what}: silent for {silence} s")


class Shelf:
    """A store that hands out what it was given."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self._content = content

    def offer(self, node: str) -> tuple[str, str]:
        return "node", f"shelf/{node}"

    def fetch(self, _node: str, target: IO[bytes], *, limit: int) -> None:
        target.write(self._content[:limit])


def bring(api: Api, output: Path | None, shelf: Shelf, stop: threading.Event) -> tuple[Result, list[Phase]]:
    phases: list[Phase] = []
    order = Order("r1", ("All",), 5.0, wait=True, fetch=True, output=output)
    collector = Collector(Cluster(api, stop), shelf, order, lambda _node, phase: phases.append(phase))  # type: ignore[arg-type]
    result = collector.bring(NODE)
    assert collector.left == set()
    return result, phases


@pytest.mark.parametrize("breaks", [0, 1])
def test_a_bundle_comes_and_its_object_goes(tmp_path: Path, breaks: int) -> None:
    api = Api(breaks=breaks)
    result, phases = bring(api, tmp_path, Shelf(), threading.Event())
    assert (result.problem, result.place) == ("", str(tmp_path / f"{NODE}-r1.tar.gz"))
    assert Path(result.place).read_bytes() == CONTENT
    assert phases == [Phase.REQUESTED, Phase.RUNNING, Phase.FETCHING]
    assert result.summary is not None
    assert api.objects == {}


def test_without_a_folder_only_the_summary_stays(tmp_path: Path) -> None:
    result, _ = bring(Api(), None, Shelf(), threading.Event())
    assert result.summary is not None
    assert result.place == f"shelf/{NODE}"
    assert list(tmp_path.iterdir()) == []


def test_a_failure_is_told_without_its_secret() -> None:
    api = Api(reason="Failure", message="S3 refuses https://b.example.com/k?X-Amz-Signature=0123456789abcdef")
    result, _ = bring(api, None, Shelf(), threading.Event())
    assert result.problem.startswith("S3 refuses https://b.example.com/k?")
    assert "0123456789abcdef" not in result.problem
    assert api.objects == {}


def test_another_content_is_not_kept(tmp_path: Path) -> None:
    result, _ = bring(Api(), tmp_path, Shelf(CONTENT[:-1]), threading.Event())
    assert "is not the one that the node sent" in result.problem
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_that_cannot_be_read_is_kept_and_said(tmp_path: Path) -> None:
    result, _ = bring(Api(message="saved"), tmp_path, Shelf(b"no tar"), threading.Event())
    assert "cannot be unpacked" in result.problem
    assert Path(result.place).read_bytes() == b"no tar"


def test_a_folder_that_vanished_is_said(tmp_path: Path) -> None:
    result, _ = bring(Api(), tmp_path / "gone", Shelf(), threading.Event())
    assert result.problem.startswith("cannot write to ")


def test_after_a_stop_nothing_is_made() -> None:
    api, stop = Api(), threading.Event()
    stop.set()
    result, phases = bring(api, None, Shelf(), stop)
    assert (result.problem, phases, api.objects) == ("interrupted", [], {})
