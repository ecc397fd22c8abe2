"""Servers of this node that listen on the loopback interface, such as ipamd's introspection."""

import http.client
from collections.abc import Callable

_SECONDS = 5.0
_CHUNK = 1 << 16


def get(port: int, path: str, sink: Callable[[bytes], bool]) -> int | None:
    """Hand the answer to a GET to `sink`, and return its status; None where nothing listens.

    OSError or HTTPException where the server does not answer as one should.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        while (chunk := answer.read1(_CHUNK)) and sink(chunk):
            pass
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()
    return answer.status


Error = (OSError, http.client.HTTPException)
