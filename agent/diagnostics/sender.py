"""Uploading the chunks of one packet capture as they are finished; runs in a child process of the daemon."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agent import log, packet_capture
from agent.diagnostics import delivery, destination, report
from agent.diagnostics.answer import Verdict
from agent.diagnostics.delivery import Route
from agent.packet_capture import Sent

_LOOK_SECONDS = 0.5


class Folder(Protocol):
    """The folder of one capture."""

    def names(self) -> list[str]: ...

    def read(self, name: str) -> bytes | None: ...

    def write(self, name: str, content: bytes) -> None: ...

    def size(self, name: str) -> int: ...

    def remove(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Post:
    """How one chunk is sent, and what is waited with in between."""

    send: Callable[[str], Verdict]
    wait: Callable[[float], object]
    route: Route


def send_all(folder: Folder, post: Post) -> Sent:
    """Send every chunk until the capture has ended and none is left, or one is refused for good."""
    content = folder.read(packet_capture.SENT)
    sent = Sent() if content is None else packet_capture.parse_sent(content)
    while not sent.error:
        # In this order: what is finished before the result is written is seen after it.
        ended = folder.read(packet_capture.RESULT) is not None
        names = packet_capture.finished_chunks(folder.names())
        for name in names:
            sent = _send(folder, post, name, sent)
            folder.write(packet_capture.SENT, sent.dump())
            if sent.error:
                break
            folder.remove(name)
        if ended and not names:
            break
        if not names:
            post.wait(_LOOK_SECONDS)
    return sent


def _send(folder: Folder, post: Post, name: str, sent: Sent) -> Sent:
    logger = log.get("diagnostics")
    size = folder.size(name)
    done = delivery.deliver(
        lambda: post.send(name),
        post.route,
        post.wait,
        lambda why: logger.warning("the upload of a chunk will be tried again", chunk=name, cause=why),
    )
    if done.problem:
        why = destination.scrub(report.words(done.problem), post.route.secrets)
        return Sent(sent.chunks, sent.size, why)
    return Sent(sent.chunks + 1, sent.size + size)
