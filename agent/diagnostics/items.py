"""What is to be asked of each thing that the host lists: interfaces, mounts, tables, containers."""

import json
import re
from collections.abc import Iterator

from agent.outputs import Step

_ESCAPE = re.compile(rb"\\([0-3][0-7]{2})")


def ethtool(proc_net_dev: str) -> list[Step]:
    """Return the peer's block for each interface of /proc/net/dev."""
    names = [line.partition(":")[0].strip() for line in proc_net_dev.splitlines() if ":" in line]
    return [Step(("ethtool", "-S", name), title=f"Interface {name}") for name in names]


def nft_tables(listing: str) -> list[Step]:
    """Return a file for each line `table inet filter` of `nft list tables`."""
    found = [line.split() for line in listing.splitlines()]
    tables = [words[1:] for words in found if len(words) == 3 and words[0] == "table"]
    return [Step(("nft", "list", "table", family, name), name=f"{family}-{name}") for family, name in tables]


def link_files(networkctl: str) -> list[Step]:
    """Return a file for each .link file that `networkctl --json=short` names."""
    try:
        interfaces = json.loads(networkctl)["Interfaces"]
    except (ValueError, TypeError, KeyError):
        interfaces = None
    listed = interfaces if isinstance(interfaces, list) else []
    found = [each.get("LinkFile") for each in listed if isinstance(each, dict)]
    paths = dict.fromkeys(path for path in found if isinstance(path, str) and path.startswith("/"))
    return [Step(("systemd-analyze", "cat-config", path), name=path.rpartition("/")[2]) for path in paths]


def nothing(_listing: str) -> list[Step]:
    """Return nothing: such a listing is only of use where it fails, and then says why."""
    return []


def cni_container(containers: str) -> list[Step]:
    """Return what describes the first container of the VPC CNI that ctr lists."""
    for line in containers.splitlines():
        if "amazon-k8s-cni:v" in line:
            return [Step(("ctr", "--namespace", "k8s.io", "container", "info", line.split()[0]))]
    return []


def mounts(mountinfo: str) -> list[Step]:
    """Return df below the mounts as mount(8) prints them."""
    lines = [f"{device} on {place} type {kind} ({options})" for device, place, kind, options, _ in _mounts(mountinfo)]
    return [Step(("df", "--human-readable"), title="\n".join(lines))]


def xfs(mountinfo: str) -> list[Step]:
    """Return what XFS says of each of its devices, and how its free space is split up."""
    devices = dict.fromkeys(device for device, _, kind, _, _ in _mounts(mountinfo) if kind == "xfs")
    argvs = (("xfs_info",), ("xfs_db", "-r", "-c", "freesp -s"))
    return [Step((*argv, device)) for device in devices for argv in argvs]


def overlays(mountinfo: str) -> list[Step]:
    """Return the disk usage of what each container has written."""
    options = [super_options for _, _, kind, _, super_options in _mounts(mountinfo) if kind == "overlay"]
    named = [dict(item.partition("=")[::2] for item in each.split(",")) for each in options]
    folders = dict.fromkeys(_plain(each["upperdir"]) for each in named if each.get("upperdir"))
    return [Step(("du", "-sh", "--", folder)) for folder in folders]


def _mounts(mountinfo: str) -> Iterator[tuple[str, str, str, str, str]]:
    """Give device, place, type, options and the file system's own options of each mount (proc_pid_mountinfo(5)).

    The last are as they were: a comma within one of them is escaped.
    """
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        mount, kind = before.split(), after.split()
        if len(mount) >= 6 and len(kind) >= 3:
            yield _plain(kind[1]), _plain(mount[4]), kind[0], mount[5], kind[2]


def _plain(text: str) -> str:
    """Return a name without the octal escapes that stand for bytes such as a space."""
    plain = _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), text.encode(errors="surrogateescape"))
    return plain.decode(errors="surrogateescape")
