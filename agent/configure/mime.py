"""Takes a MIME document apart. It is loaded only where user data is one: Python's parser takes time."""

import email
import email.message
import email.policy
import re
from collections.abc import Iterator

from agent.configure.texts import TOO_DEEP, UnreadableError

# cloud-init's documents have a handful; more than this is no way to configure a node.
_MOST_PARTS = 64
# Python's parser takes time in the square of a header's parameters.
_TYPE = re.compile(rb"^content-type:[^\n]*+(?:\n[ \t][^\n]*+)*+", re.IGNORECASE | re.MULTILINE)
_LONGEST_TYPE = 1000


def parts(content: bytes) -> list[tuple[str, bytes]] | None:
    """Return type and content of each part that is not blank, or None where the content is no multipart document.

    A document without its closing boundary, or without MIME-Version, is taken like any other.
    """
    if any(len(found[0]) > _LONGEST_TYPE for found in _TYPE.finditer(content)):
        raise UnreadableError(f"a MIME document with a Content-Type of more than {_LONGEST_TYPE} characters")
    try:
        message = email.message_from_bytes(content, policy=email.policy.compat32)
        if message.get_content_maintype() != "multipart" or not message.get_boundary():
            return None
        return list(_leaves(message))
    except RecursionError as error:
        raise UnreadableError(TOO_DEEP) from error


def _leaves(message: email.message.Message) -> Iterator[tuple[str, bytes]]:
    found = 0
    for part in message.walk():
        body = b"" if part.is_multipart() else part.get_payload(decode=True)
        if not isinstance(body, bytes) or not body.strip():
            continue
        found += 1
        if found > _MOST_PARTS:
            raise UnreadableError(f"a MIME document of more than {_MOST_PARTS} parts")
        yield part.get_content_type(), body
