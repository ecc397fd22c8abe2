"""What the metadata service says of an instance, as `node-agent network plan --imds-tree` takes it."""

import json
from collections.abc import Callable, Iterator, Mapping

from agent.model import Unknown

Lookup = Callable[[str], str | Unknown | None]

# Asked for by name: user data and the role's credentials are not below these, and of `dynamic/` only the document,
# as the signatures beside it prove to others that one is this instance.
_ROOTS = ("meta-data/", "dynamic/instance-identity/document")
# Folders below meta-data/ that hold credentials, or cost a request for each key of the account.
_CLOSED = ("meta-data/iam/security-credentials/", "meta-data/identity-credentials/", "meta-data/managed-ssh-keys/")
_MOST = 2000
_DEEPEST = 12


def read(look: Lookup, root: str) -> dict[str, str | None]:
    """Return the values below `root` by path, a null for what could not be read."""
    values: dict[str, str | None] = {}
    for path in _paths(look, root, 0):
        if len(values) == _MOST:
            break
        value = look(path)
        if value is not None:
            values[path] = None if isinstance(value, Unknown) else value
    return values


def read_all(look: Lookup) -> dict[str, str | None]:
    """Return all that may be in a bundle."""
    return {path: value for root in _ROOTS for path, value in read(look, root).items()}


def render(values: Mapping[str, str | None]) -> str:
    """Return the tree as JSON."""
    return json.dumps(values, indent=1, sort_keys=True) + "\n"


def _paths(look: Lookup, path: str, depth: int) -> Iterator[str]:
    if not path.endswith("/"):
        yield path
        return
    if path in _CLOSED or depth == _DEEPEST:
        return
    listing = look(path)
    if not isinstance(listing, str):
        return
    for name in listing.split("\n"):
        # public-keys/ lists "0=name" for the folder 0/.
        number, equals, _ = name.partition("=")
        inside = f"{number}/" if equals and number.isdigit() else name
        if inside.strip("/"):
            yield from _paths(look, path + inside, depth + 1)
