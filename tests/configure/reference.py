"""Makes docs/settings.md of the tables that settings are read by."""

import json
from collections.abc import Iterator

from agent.configure import lift, node_class, node_config
from agent.configure.mapping import Fields
from agent.configure.schema import Entries, Named, Section, Unused, Value, keys
from agent.configure.settings import Settings

INTRODUCTION = """\
# Settings

Made from the tables in `agent/configure/` by `python tests/configure/test_reference.py`; a test compares the two.

## What a node is sent

User data may be Bottlerocket TOML, `NodeConfig` of nodeadm or `NodeClass` of EKS Auto Mode in YAML or JSON, several of
them as parts of a MIME document or as YAML documents, each in gzip and in base64 or not, up to 1 MiB unpacked. A part
counts by its type, `application/node.eks.aws` or `application/toml`; one of plain text, bytes, YAML or JSON by how it
begins, after comments. All other types, shell scripts and `#cloud-config` are reported and not run.
`node-agent settings check FILE…` tells what becomes of it all. What is in effect on a node, defaults with it and
secrets cut, is in its `/etc/node-agent/settings.json` (`{"schemaVersion": 1, "settings": {…}}`, named as below), which
every bundle of `Base` brings along.

Documents are merged key by key before anything is judged, and a later one wins: what the image sets in
`/usr/share/node-agent/conf.d/*.toml`, then user data in its order, then `/etc/node-agent/conf.d/*.toml` by name. A list
replaces an earlier one; but `kubelet.flags` are appended. `registerWithTaints` and `reservedMemory`, whose settings are
tables, replace those of an earlier NodeConfig, and what came another way stays beside them. What instance metadata
tells fills only what nobody has set.

* **A bad value** costs its own key only: a warning names key, value and rule, and the default takes its place. One of
  several mirrors, credentials, taints of a key, sysctls for pods or entries of `no-proxy` costs itself only.
* **An unknown key** is a warning with the nearest known name.
* **`api-server`, `cluster-certificate` and `cluster-name`** are required: without them kubelet does not start, and
  `node-agent configure` ends with status 78, as it does for a document that cannot be read at all.
* **A known key without an effect on this image** is accepted, not applied, and a warning says so.
* **Secrets**, marked below, are never printed.
* In YAML an unquoted `n`, `no`, `off`, `y`, `yes` or `on` is a boolean, to Kubernetes too. Dates, `1:30`, `0755` and
  `1_000` stay text. A key may stand only once in a table; aliases count for what they stand for.

Durations are hours, minutes, seconds and milliseconds in this order (`1h30m`, `250ms`); quantities those of Kubernetes
(`100Mi`, `250m`).
"""
_HEADER = "| key | type | default | must be | what it is | becomes |\n| --- | --- | --- | --- | --- | --- |\n"
_NOT_APPLIED = "accepted, not applied"


def markdown() -> str:
    tables = [f"\n## Bottlerocket TOML\n{''.join(_section('settings', Settings))}"]
    tables.append(f"\n## NodeConfig\n\n{_objects(node_config.FIELDS)}\n{_LIFTED}\n{_lifted()}")
    tables.append(f"\n## NodeClass\n\n{_NODE_CLASS}\n{_objects(node_class.FIELDS)}")
    return INTRODUCTION + "".join(tables)


_LIFTED = """\
What these say is a setting too, with its rule and precedence, and is shown as that only.
`config.json.d/40-nodeadm.conf` then has what was accepted.
"""
_NODE_CLASS = """\
What a node has to know of its NodeClass comes as TOML, or as the object itself.
"""


def _section(path: str, kind: type) -> Iterator[str]:
    rows = [_row(name, spec, default) for name, _, spec, default in keys(kind)]
    lines = [row for row in rows if row]
    if lines:
        yield f"\n### [{path}]\n\n{_HEADER}{''.join(lines)}"
    for name, _, spec, _ in keys(kind):
        if isinstance(spec, Section):
            yield from _section(f"{path}.{name}", spec.kind)
        elif isinstance(spec, Named):
            yield from _named(f"{path}.{name}.NAME", spec)


def _named(path: str, spec: Named) -> Iterator[str]:
    about = f"{_capital(spec.about)}. NAME is {spec.name.says}.\n"
    if isinstance(spec.each, Section):
        (text,) = _section(path, spec.each.kind)
        heading, _, table = text.partition("\n\n")
        yield f"{heading}\n\n{about}\n{table}"
    else:
        yield f"\n### [{path}]\n\n{about}\n{_HEADER}{_row('KEY', spec.each, None)}"


def _row(name: str, spec: object, default: object) -> str:
    if isinstance(spec, Unused):
        return _cells(f"`{name}`", "any", "", "", spec.about, _NOT_APPLIED)
    if isinstance(spec, Entries):
        kind = f"table of {spec.rule.kind}" if name != "KEY" else spec.rule.kind
        return _cells(f"`{name}`", kind, "", spec.rule.says, _about(spec), _becomes(spec))
    if isinstance(spec, Value):
        shown = "required" if spec.required else _default(default)
        return _cells(f"`{name}`", spec.rule.kind, shown, spec.rule.says, _about(spec), _becomes(spec))
    return ""


def _about(spec: Value | Entries) -> str:
    if spec.secret:
        return f"{spec.about} (secret)"
    return f"{spec.about} (secret in part)" if isinstance(spec, Value) and spec.holds_secret else spec.about


def _becomes(spec: Value | Entries) -> str:
    if spec.kubelet:
        return f"kubelet's `{spec.kubelet}`"
    if spec.renders:
        return spec.renders if spec.renders.startswith(("`", "the ", "a ")) else f"`{spec.renders}`"
    fixed = spec.fixed if isinstance(spec, Value) else None
    return f"{_NOT_APPLIED}, but for {_default(fixed)}" if fixed is not None else _NOT_APPLIED


def _default(value: object) -> str:
    return "" if value in {None, "", (), b""} else f"`{json.dumps(value)}`"


def _objects(fields: Fields) -> str:
    rows = (
        _cells(f"`spec.{path}`", f"`{'.'.join(field.target)}`" if field.target else _NOT_APPLIED, field.about)
        for path, field in fields.items()
    )
    return "| field | setting | |\n| --- | --- | --- |\n" + "".join(rows)


def _lifted() -> str:
    rows = [
        _cells(f"`kubelet.config.{field}`", f"`kubernetes.{name}`") for field, name in sorted(lift.fields().items())
    ]
    rows += [
        _cells(f"`kubelet.flags`: `--{flag}`", f"`kubernetes.{name}`") for flag, name in sorted(lift.flags().items())
    ]
    rows += [
        _cells(f"`kubelet.flags`: `--{flag}`", f"`kubelet.config.{field}`")
        for flag, field in sorted(lift.configuring().items())
    ]
    rows.append(
        _cells("`instance.environment`: `HTTPS_PROXY` of default, containerd, kubelet", "`network.https-proxy`")
    )
    rows.append(_cells("`instance.environment`: `NO_PROXY` of those", "`network.no-proxy`"))
    rows.append(_cells("`containerd.config`: the CRI plug-in's `registry.mirrors`", "`container-registry.mirrors`"))
    return "| NodeConfig | setting |\n| --- | --- |\n" + "".join(rows)


def _cells(*cells: str) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |\n"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
