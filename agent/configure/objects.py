"""The Kubernetes objects that user data may be, told apart by their group and kind."""

from collections.abc import Mapping

from agent.configure import mapping, node_class, node_config
from agent.configure.mapping import Fields
from agent.configure.merging import Document
from agent.configure.texts import NotOursError, UnreadableError

_KINDS: Mapping[tuple[str, str], Fields] = {(each.GROUP, each.KIND): each.FIELDS for each in (node_config, node_class)}
_TAKEN = " or ".join(f"{kind} of {group}" for group, kind in _KINDS)


def document(tree: Mapping[str, object], source: str) -> Document:
    """Return the settings of an object. Its version does not matter, as fields are known by their names."""
    version, kind = tree.get("apiVersion"), tree.get("kind")
    group = version.partition("/")[0] if isinstance(version, str) else ""
    fields = _KINDS.get((group, kind)) if isinstance(kind, str) else None
    if fields is None:
        raise NotOursError(f"an object of another kind: apiVersion and kind must be those of a {_TAKEN}")
    spec = tree.get("spec", {})
    if not isinstance(spec, dict):
        raise UnreadableError("an object whose spec is no table")
    return mapping.translate(spec, fields, source)
