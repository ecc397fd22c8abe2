"""One pass of configure: learn who the node is, validate what it was sent, write what containerd and kubelet read.

It fails before it writes anything. Files of an earlier pass stay then; that kubelet does not start from them is the
work of systemd, as kubelet.service requires this unit.
"""

import contextlib
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from agent import clock, log, loop
from agent.configure import checking, diff, identity, naming, providers, render, report, trust, userdata
from agent.configure.facts import Facts
from agent.configure.merging import Document
from agent.configure.render import Rendered
from agent.configure.settings import USER_DATA, Checked
from agent.errors import AgentError, FailedError, SettingsError, TemporaryError
from agent.host import files, imds, kernel, owned, status, systemd
from agent.host.imds import Imds
from agent.model import FileSpec, Verdict

T = TypeVar("T")

# What the image's maker sets, below user data, and what the machine's owner sets, above it.
IMAGE_DEFAULTS = "/usr/share/node-agent/conf.d"
OVERRIDES = "/etc/node-agent/conf.d"
PUBLIC_BUNDLE = "/usr/share/node-agent/ca-bundle.crt"
# The names of the rendered files, beside them: where they are gone, it is gone with them.
RECORD = "/etc/node-agent/rendered.json"
_LOCK = "/run/node-agent/configure.lock"
_BUNDLE_LIMIT = 4 << 20
# How long a wrong clock is waited for; then a person is told, and the node goes on without being able to join.
_CLOCK_PATIENCE = 120.0
# At boot metadata is waited for without end; after each attempt the status says what it is waiting for.
_ATTEMPT = 10.0
_BOUNDED = 10.0
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
    with contextlib.nullcontext() if dry_run else files.locked(_LOCK, root=root):
        _pass(root, imds_url, live=live, dry_run=dry_run)


def _pass(root: Path, imds_url: str | None, *, live: bool, dry_run: bool) -> None:
    details = _NOTHING_KNOWN
    try:
        inputs = read_patiently(root, imds_url) if live else _read_at_once(root, imds_url)
        details = _details(inputs)
        rendered = _render(inputs)
        if dry_run:
            sys.stdout.write(_preview(rendered.files, root))
            return
        carry_out(inputs, rendered, root, partial(_touch, rendered) if live else lambda _changed: None)
    except Exception as error:
        if not dry_run:
            # What nobody foresaw may quote what it stumbled over, secrets too.
            told = str(error) if isinstance(error, AgentError) else f"a defect of the agent: {type(error).__name__}"
            _say("waiting" if isinstance(error, TemporaryError) else "failed", told, root, details)
        raise
    _say("ok", f"{details['nodeName']} is configured", root, details)


def carry_out(inputs: Inputs, rendered: Rendered, root: Path, take_effect: Callable[[frozenset[str]], None]) -> None:
    """Make files and state as they should be, then have what reads them take the changes up, by their paths.

    Changes are on record until then: a run that is killed, or fails, leaves them to the next one.
    """
    owned.write_set(rendered.files, RECORD, root=root)
    _drop_stale(inputs, root)
    _drop_distrusted(inputs, root)
    take_effect(owned.due(RECORD, root=root))
    owned.settle(RECORD, root=root)


def check(paths: Sequence[Path], *, as_json: bool) -> bool:
    """Print what files of user data come to, merged in their order, and return whether a node could join with it."""
    found = (userdata.decode(_read_given(path), path.name) for path in paths)
    checked = checking.check([document for documents in found for document in documents])
    sys.stdout.write(report.as_json(checked) if as_json else report.as_text(checked))
    return checked.settings is not None


def read_patiently(
    root: Path, imds_url: str | None, *, each_within: float = _ATTEMPT, clock_within: float = _CLOCK_PATIENCE
) -> Inputs:
    """Wait for metadata as long as it takes: what depends on a oneshot unit that failed does not come back."""

    def said(error: TemporaryError) -> None:
        log.get("configure").warning("waiting", reason=str(error))
        _say("waiting", str(error), root, _NOTHING_KNOWN)

    with imds.connect(imds_url, deadline=each_within) as metadata:
        inputs = loop.retry(_telling(partial(_read, metadata, root), said), within=math.inf)
        with contextlib.suppress(TemporaryError):  # the doctor goes on saying it
            loop.retry(_telling(partial(_look_at_clock, metadata), said), within=clock_within)
        return inputs


def _telling(call: Callable[[], T], said: Callable[[TemporaryError], None]) -> Callable[[], T]:
    """Return the call, which tells each time that it will be made again why."""

    def attempt() -> T:
        try:
            return call()
        except TemporaryError as error:
            said(error)
            raise

    return attempt


def _look_at_clock(metadata: Imds) -> None:
    """Fail while the clock is so wrong that AWS would refuse the node's token; every answer of IMDS tells the time."""
    off = metadata.clock_ahead
    if off is None or not clock.is_wrong(off):
        return
    metadata.get("meta-data/instance-id")
    raise TemporaryError(
        f"the node's clock is {clock.spoken(off)}", hint="it is set by NTP; allow UDP port 123 to 169.254.169.123"
    )


def _read_at_once(root: Path, imds_url: str | None) -> Inputs:
    with imds.connect(imds_url, deadline=_BOUNDED) as metadata:
        return _read(metadata, root)


def _read(metadata: Imds, root: Path) -> Inputs:
    instance = metadata.instance()
    sent = userdata.decode(metadata.user_data(), USER_DATA)
    checked = checking.check([*_given(root, IMAGE_DEFAULTS), *sent, *_given(root, OVERRIDES)])
    facts = Facts(
        instance,
        cpus=kernel.online_cpus(),
        memory_mib=kernel.memory_mib(),
        local_hostname=metadata.get("meta-data/local-hostname"),
        vpc_networks=_vpc_networks(metadata) if naming.needs_vpc_networks(checked.settings) else (),
        public_bundle=files.read_text(files.below(root, PUBLIC_BUNDLE), limit=_BUNDLE_LIMIT),
        providers=files.executables(files.below(root, providers.PROGRAMS)),
        storage_mib=kernel.storage_mib(files.below(root, "/var")),
    )
    failed = checked.settings is None
    return Inputs(
        facts, checked, "absent" if all(document.blank for document in sent) else "invalid" if failed else "ok"
    )


def _given(root: Path, folder: str) -> list[Document]:
    """Return the settings in a folder of the node, by the order of their files' names."""
    paths = sorted(files.below(root, folder).glob("*.toml"))
    return [document for path in paths for document in _given_file(path, f"{folder}/{path.name}")]


def _given_file(path: Path, source: str) -> tuple[Document, ...]:
    try:
        return userdata.decode(_read_given(path), source)
    except FailedError as error:  # such as a link to nowhere: the node joins without it
        said = Verdict("", "warning", f"{error.message}: it is skipped", source)
        return (Document(source, blank=True, remarks=(said,)),)


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
        raise SettingsError(report.first_error(checked.verdicts), hint=_CURE)
    if providers.lacks_ecr(checked.settings, inputs.facts):
        log.get("configure").warning(
            "no ecr-credential-provider: private images of ECR need credentials in the settings"
        )
    return render.render(checked.settings, inputs.facts, checked.accepted)


def _verdicts(inputs: Inputs) -> tuple[Verdict, ...]:
    if inputs.checked.settings is None:
        return inputs.checked.verdicts
    remarks = render.remarks_of_facts(inputs.checked.settings, inputs.facts, datetime.now(UTC))
    return (*inputs.checked.verdicts, *inputs.checked.sourced(remarks))


def _details(inputs: Inputs) -> Mapping[str, Any]:
    chosen = inputs.checked.settings
    kubernetes = chosen.kubernetes if chosen else None
    return {
        "nodeName": naming.node_name(chosen, inputs.facts) if chosen else inputs.facts.instance.instance_id,
        "providerId": naming.provider_id(chosen, inputs.facts),
        "region": inputs.facts.instance.region,
        "clusterName": kubernetes and kubernetes.cluster_name,
        "apiServer": kubernetes and kubernetes.api_server,
        "userData": inputs.user_data,
        "verdicts": report.as_objects(_verdicts(inputs)),
    }


def _say(state: str, message: str, root: Path, details: Mapping[str, Any]) -> None:
    status.write("configure", state, message, root=root, **details)


def _drop_stale(inputs: Inputs, root: Path) -> None:
    """Remove what another instance or other settings left in kubelet's state.

    The record of the identity is written last, so that a killed pass is made up for by the next one.
    """
    if inputs.checked.settings is None:
        return
    now = identity.identity(inputs.checked.settings, inputs.facts)
    states = {path: files.read_text(files.below(root, path)) for path in identity.MANAGERS}
    recorded = files.read_text(files.below(root, identity.RECORD))
    found = identity.stale(recorded, now, states)
    stale = frozenset(path for path in found if os.path.lexists(files.below(root, path)))
    if stale:
        owned.owe(stale, RECORD, root=root)
        for path in stale:
            files.remove_tree(path, root=root)
        log.get("configure").info("state of another instance or of other settings removed", paths=sorted(stale))
    files.write_file(identity.record(now), root=root)


def _drop_distrusted(inputs: Inputs, root: Path) -> None:
    """Remove single files and links of certificates that the store leaves out, or they would be believed all the same.

    A certificate that is trusted again is in the store.
    """
    marks = trust.distrusted(inputs.checked.settings) if inputs.checked.settings else frozenset()
    texts = [files.texts(folder, root=root) for folder in trust.SCANNED] if marks else []
    found = {path: text for each in texts for path, text in each.items() if path != trust.STORE}
    betraying = [path for path, text in found.items() if trust.betrays(text, marks)]
    if betraying:
        owned.owe({trust.STORE}, RECORD, root=root)
    for path in betraying:
        files.remove_file(path, root=root)


def _preview(wanted: Sequence[FileSpec], root: Path) -> str:
    stale = owned.recorded(RECORD, root=root) - {spec.path for spec in wanted}
    paths = stale | {spec.path for spec in wanted}
    found = {path: files.read_regular(files.below(root, path), limit=_BUNDLE_LIMIT) for path in paths}
    return diff.unified(
        wanted, sorted(stale), {path: content for path, content in found.items() if content is not None}
    )


def _touch(rendered: Rendered, changed: frozenset[str]) -> None:
    kernel.apply_sysctls(rendered.sysctls)
    for key, value in rendered.wishes.items():
        try:
            kernel.apply_sysctl(key, value)
        except FailedError as error:  # the kernel may know it once a module is loaded, and joins without it
            log.get("configure").warning("sysctl not set", reason=str(error))
    if render.needs_reload(changed):
        systemd.reload()
    wanted = render.restarts(changed)
    units = render.on_this_image(wanted, systemd.load_states(wanted)) if wanted else ()
    if units:
        systemd.try_restart(*units)
    log.get("configure").info("configured", changed=",".join(sorted(changed)) or "nothing", restarted=",".join(units))
