"""One pass of configure: learn who the node is, validate what it was sent, write what containerd and kubelet read.

It fails before it writes anything. Files of an earlier pass stay then; that kubelet does not start from them is the
work of systemd, as kubelet.service requires this unit.
"""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent import log, loop
from agent.configure import diff, naming, render, report, settings, userdata
from agent.configure.facts import Facts
from agent.configure.merging import Document
from agent.configure.render import Rendered
from agent.configure.settings import Checked
from agent.errors import AgentError, FailedError, SettingsError, TemporaryError
from agent.host import files, imds, kernel, status, systemd
from agent.host.imds import Imds
from agent.model import FileSpec, Verdict

# What the image's maker sets, below user data, and what the machine's owner sets, above it.
IMAGE_DEFAULTS = "/usr/share/node-agent/conf.d"
OVERRIDES = "/etc/node-agent/conf.d"
PUBLIC_BUNDLE = "/usr/share/node-agent/ca-bundle.crt"
# The names of the rendered files, beside them: where they are gone, it is gone with them.
RECORD = "/etc/node-agent/rendered.json"
_BUNDLE_LIMIT = 4 << 20
# At boot metadata is waited for without end; after each attempt the status says what it is waiting for.
_ATTEMPT = 10.0
_BOUNDED = 10.0
_USER_DATA = "user data"
_CURE = "correct the user data (the instance must be stopped for it); `node-agent settings check FILE` tries it out"
_MACS = "meta-data/network/interfaces/macs"
_NOTHING_KNOWN: Mapping[str, Any] = dict.fromkeys(
    ("nodeName", "providerId", "region", "clusterName", "apiServer", "userData")
) | {"verdicts": []}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one pass read; `user_data` is absent, ok or invalid."""

    facts: Facts
    checked: Checked
    user_data: str


def configure(root: Path, imds_url: str | None, *, dry_run: bool) -> None:
    """Render everything below `root`; with `dry_run` print what would change and write nothing.

    Only where `root` is the host itself is metadata waited for without end, and are kernel and services touched.
    """
    live = root == Path("/") and not dry_run
    details = _NOTHING_KNOWN
    try:
        inputs = read_patiently(root, imds_url) if live else _read_at_once(root, imds_url)
        details = _details(inputs)
        rendered = _render(inputs)
        if dry_run:
            sys.stdout.write(_preview(rendered.files, root))
            return
        changed = _write(rendered.files, root)
        if live:
            _touch(rendered, changed)
    except AgentError as error:
        if not dry_run:
            _say("waiting" if isinstance(error, TemporaryError) else "failed", str(error), root, details)
        raise
    _say("ok", f"{inputs.facts.instance.instance_id} is configured", root, details)


def check(paths: Sequence[Path], *, as_json: bool) -> bool:
    """Print what files of user data come to, merged in their order, and return whether a node could join with it."""
    found = (userdata.decode(_read_given(path), path.name) for path in paths)
    checked = settings.check([document for documents in found for document in documents])
    sys.stdout.write(report.as_json(checked) if as_json else report.as_text(checked))
    return checked.settings is not None


def read_patiently(root: Path, imds_url: str | None, *, each_within: float = _ATTEMPT) -> Inputs:
    """Wait for metadata as long as it takes: what depends on a oneshot unit that failed does not come back."""
    with imds.connect(imds_url, deadline=each_within) as metadata:

        def attempt() -> Inputs:
            try:
                return _read(metadata, root)
            except TemporaryError as error:
                log.get("configure").warning("waiting for instance metadata", reason=str(error))
                _say("waiting", str(error), root, _NOTHING_KNOWN)
                raise

        return loop.retry(attempt, within=math.inf)


def _read_at_once(root: Path, imds_url: str | None) -> Inputs:
    with imds.connect(imds_url, deadline=_BOUNDED) as metadata:
        return _read(metadata, root)


def _read(metadata: Imds, root: Path) -> Inputs:
    instance = metadata.instance()
    sent = userdata.decode(metadata.user_data(), _USER_DATA)
    checked = settings.check([*_given(root, IMAGE_DEFAULTS), *sent, *_given(root, OVERRIDES)])
    facts = Facts(
        instance,
        cpus=kernel.online_cpus(),
        memory_mib=kernel.memory_mib(),
        local_hostname=metadata.get("meta-data/local-hostname"),
        vpc_networks=_vpc_networks(metadata) if naming.needs_vpc_networks(checked.settings) else (),
        public_bundle=files.read_text(files.below(root, PUBLIC_BUNDLE), limit=_BUNDLE_LIMIT),
    )
    failed = checked.settings is None
    return Inputs(
        facts, checked, "absent" if all(document.blank for document in sent) else "invalid" if failed else "ok"
    )


def _given(root: Path, folder: str) -> list[Document]:
    """Return the settings in a folder of the node, by the order of their files' names."""
    paths = sorted(files.below(root, folder).glob("*.toml"))
    found = (userdata.decode(_read_given(path), f"{folder}/{path.name}") for path in paths)
    return [document for documents in found for document in documents]


def _read_given(path: Path) -> bytes:
    """Return a file that a person named; one byte more than allowed tells the decoder that it is too large."""
    try:
        with path.open("rb") as file:
            return file.read(userdata.LIMIT + 1)
    except OSError as error:
        message = f"cannot read {path}: {os.strerror(error.errno or 0)}"
        raise FailedError(message, hint="give a file with user data") from error


def _vpc_networks(metadata: Imds) -> tuple[str, ...]:
    mac = metadata.get("meta-data/mac")
    found = (metadata.get(f"{_MACS}/{mac}/vpc-{family}-cidr-blocks") for family in ("ipv4", "ipv6"))
    return tuple(network for listing in found for network in (listing or "").split())


def _render(inputs: Inputs) -> Rendered:
    checked = inputs.checked
    for verdict in _verdicts(inputs):
        log.get("configure").warning("settings verdict", path=verdict.path, message=verdict.message)
    if checked.settings is None:
        errors = [each for each in checked.verdicts if each.level == "error"]
        others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        first = ": ".join(part for part in (errors[0].path or errors[0].source, errors[0].message) if part)
        raise SettingsError(f"{first}{others}", hint=_CURE)
    return render.render(checked.settings, inputs.facts)


def _verdicts(inputs: Inputs) -> tuple[Verdict, ...]:
    if inputs.checked.settings is None:
        return inputs.checked.verdicts
    return (*inputs.checked.verdicts, *render.remarks(inputs.checked.settings, inputs.facts, datetime.now(UTC)))


def _details(inputs: Inputs) -> Mapping[str, Any]:
    kubernetes = inputs.checked.settings.kubernetes if inputs.checked.settings else None
    return {
        "nodeName": inputs.facts.instance.instance_id,
        "providerId": naming.provider_id(inputs.facts),
        "region": inputs.facts.instance.region,
        "clusterName": kubernetes and kubernetes.cluster_name,
        "apiServer": kubernetes and kubernetes.api_server,
        "userData": inputs.user_data,
        "verdicts": report.as_objects(_verdicts(inputs)),
    }


def _say(state: str, message: str, root: Path, details: Mapping[str, Any]) -> None:
    status.write("configure", state, message, root=root, **details)


def _write(wanted: Sequence[FileSpec], root: Path) -> frozenset[str]:
    """Write every file, remove those of an earlier pass that are wanted no more, and return what changed.

    The record names files before they are written and until they are removed, so that a killed pass loses none.
    """
    before = _recorded(root)
    names = frozenset(spec.path for spec in wanted)
    if not names <= before:
        _record(before | names, root)
    changed = files.write_files(wanted, root=root)
    removed = frozenset(path for path in before - names if files.remove_file(path, root=root))
    _record(names, root)
    return changed | removed


def _recorded(root: Path) -> frozenset[str]:
    text = files.read_text(files.below(root, RECORD))
    try:
        return frozenset(json.loads(text)["files"]) if text else frozenset()
    except ValueError:  # somebody wrote to it: no reason not to join
        return frozenset()


def _record(paths: frozenset[str], root: Path) -> None:
    body = json.dumps({"schemaVersion": 1, "files": sorted(paths)}, indent=2) + "\n"
    files.write_file(FileSpec(RECORD, body.encode()), root=root)


def _preview(wanted: Sequence[FileSpec], root: Path) -> str:
    stale = _recorded(root) - {spec.path for spec in wanted}
    paths = stale | {spec.path for spec in wanted}
    found = {path: files.read_regular(files.below(root, path), limit=_BUNDLE_LIMIT) for path in paths}
    return diff.unified(
        wanted, sorted(stale), {path: content for path, content in found.items() if content is not None}
    )


def _touch(rendered: Rendered, changed: frozenset[str]) -> None:
    kernel.apply_sysctls(rendered.sysctls)
    units = render.restarts(changed)
    if units:
        systemd.try_restart(*units)
    log.get("configure").info("configured", changed=",".join(sorted(changed)) or "nothing", restarted=",".join(units))
