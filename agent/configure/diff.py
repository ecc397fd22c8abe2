"""Shows what a run would change, as a unified diff without secrets."""

import difflib
import re
from collections.abc import Mapping, Sequence

from agent.model import FileSpec
from agent.redaction import CUT, redact

_VARIABLES = "/etc/systemd/environment/"
_VALUE = re.compile(r"^(\w+=).*", re.MULTILINE)


def unified(wanted: Sequence[FileSpec], stale: Sequence[str], before: Mapping[str, bytes]) -> str:
    """Return the diff from the contents `before`, by path, to the files `wanted`; `stale` ones go."""
    after: dict[str, bytes | None] = {**dict.fromkeys(stale), **{spec.path: spec.content for spec in wanted}}
    return "".join(_file(path, before.get(path), content) for path, content in sorted(after.items()))


def _file(path: str, before: bytes | None, after: bytes | None) -> str:
    old, new = (_public(path, content or b"").splitlines(keepends=True) for content in (before, after))
    lines = difflib.unified_diff(
        old, new, "/dev/null" if before is None else path, "/dev/null" if after is None else path
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _public(path: str, content: bytes) -> str:
    """Return a file's text without secrets; of a service's variables any may be one, but the proxy's are known."""
    text = redact(content.decode(errors="replace"))
    return _VALUE.sub(f"\\1{CUT}", text) if path.startswith(_VARIABLES) else text
