"""Puts /var on the data volume, or in memory where there is none that may be used; it never fails for that.

Later in the boot, once the settings are known, makes the instance store usable where they wish it.
"""

from functools import partial
from pathlib import Path

from agent import log, loop
from agent.errors import FailedError, TemporaryError
from agent.host import blockdev, files, status, systemd
from agent.loop import Backoff
from agent.model import Disk, FileSpec
from agent.storage import instance_store, plan
from agent.storage.instance_store import Layout, Target, Wish
from agent.storage.plan import Format, Memory, Mount, Plan, Seen, Signature

# Under emulation NVMe disks have been seen to come more than a minute after the first process.
_PATIENCE = 120.0
# How long a better choice is waited for where the only disk to format is not named as the data volume.
_SETTLE = 10.0
# The check of a file system that was not unmounted comes before the mount.
_MOUNT_TIMEOUT = 240.0
_OFTEN = Backoff(first=0.1, cap=1.0)


def prepare(root: Path = Path("/"), *, patience: float = _PATIENCE) -> None:
    """Find the data volume, give it a file system where it is empty, and have systemd mount it.

    Below another root than the host's the unit is written and not started.
    """
    if blockdev.mounted_type(plan.MOUNT_POINT, root) is not None:
        return
    chosen = _choose(root, patience)
    try:
        _realise(chosen, root)
    except FailedError as error:
        chosen = Memory(error.message, "replace the volume, or repair it, and reboot")
        _realise(chosen, root)
    _tell(chosen, root)


def use_instance_store(root: Path = Path("/")) -> None:
    """Make what configure wishes of the instance store's disks, and have systemd mount it.

    What cannot be made is said in the status; the folders stay on the data volume then, and the node joins.
    """
    text = files.read_text(files.below(root, instance_store.WISH))
    if text is None:
        return
    wish = instance_store.parse(text)
    chosen = Layout(())
    try:
        disks = instance_store.disks(blockdev.read_disks(root))
        chosen = instance_store.layout(wish, [(disk, _signature(_device(disk, root))) for disk in disks])
        _use(wish, chosen, root)
        problem = chosen.problem
    except FailedError as error:
        problem = error.message
    details = instance_store.status(wish, chosen)
    if problem:
        log.get("storage").warning("instance store", reason=problem)
        message = f"the instance store is not used as wished: {problem}; containers stay on {plan.MOUNT_POINT}"
        action = "choose an instance type with local disks, or take the setting out"
        status.write("instance-store", "degraded", message, root=root, action=action, **details)
    else:
        status.write("instance-store", "ok", f"{wish.strategy} on {wish.mount}", root=root, **details)


def _use(wish: Wish, chosen: Layout, root: Path) -> None:
    if not chosen.targets:
        return
    for target in chosen.targets:
        _make(wish, target, root)
    units = instance_store.units(wish, instance_store.mount_points(wish, chosen.targets))
    files.write_files(units, root=root)
    if _is_host(root):
        systemd.reload()
        for unit in units:
            systemd.start(Path(unit.path).name, timeout=_MOUNT_TIMEOUT)


def _make(wish: Wish, target: Target, root: Path) -> None:
    """Make array and file system where they are not there; what is on the target by then is ours or nothing."""
    device = files.below(root, target.device)
    members = [_device(disk, root) for disk in target.members]
    if target.device == instance_store.ARRAY:
        systemd.start(f"modprobe@{wish.strategy.lower()}.service")
        if target.is_there:
            blockdev.assemble_array(device, members)
        else:
            blockdev.make_array(device, wish.strategy, members)
    if _signature(device) is None:
        make = blockdev.make_xfs if wish.file_system == "xfs" else blockdev.make_ext4
        make(device, instance_store.LABEL)


def _choose(root: Path, patience: float) -> Plan:
    try:
        seen = loop.retry(partial(_look, root), within=patience, backoff=_OFTEN)
        if not plan.is_certain(seen):
            seen = _settled(root, min(patience, _SETTLE)) or seen
        return plan.decide(seen)
    except TemporaryError:
        return plan.decide(Seen())
    except FailedError as error:
        return Memory(error.message)


def _look(root: Path) -> Seen:
    disks = blockdev.read_disks(root)
    found = plan.candidates(disks)
    if not found:
        raise TemporaryError("no data volume yet")
    probed = tuple((disk, _signature(_device(disk, root))) for disk in found)
    return Seen(probed, are_named=any(disk.device_name for disk in disks))


def _settled(root: Path, within: float) -> Seen | None:
    """Return what is seen once one of the disks is certain, or None where that does not come."""

    def look() -> Seen:
        seen = _look(root)
        if not plan.is_certain(seen):
            raise TemporaryError("none of the disks is the data volume for certain")
        return seen

    try:
        return loop.retry(look, within=within, backoff=_OFTEN)
    except TemporaryError:
        return None


def _signature(device: Path) -> Signature | None:
    tags = blockdev.probe(device)
    if not tags.keys() & {"TYPE", "PTTYPE", "USAGE"}:
        return None
    kind = tags.get("TYPE") or f"a partition table ({tags.get('PTTYPE', 'unknown')})"
    blocks, block = tags.get("FSLASTBLOCK", ""), tags.get("FSBLOCKSIZE", "")
    size = int(blocks) * int(block) if blocks.isdigit() and block.isdigit() else None
    return Signature(kind, tags.get("LABEL", ""), size)


def _realise(chosen: Plan, root: Path) -> None:
    match chosen:
        case Format(disk):
            blockdev.make_ext4(_device(disk, root), plan.LABEL)
            _mount(plan.mount_unit(f"/dev/{disk.name}", "ext4"), root)
        case Mount(disk, file_system, grow):
            _mount(plan.mount_unit(f"/dev/{disk.name}", file_system, check=True), root)
            if grow and _is_host(root):
                systemd.start(plan.GROW_UNIT, wait=False)
        case Memory():
            _mount(plan.mount_unit(None, "tmpfs"), root)


def _mount(unit: FileSpec, root: Path) -> None:
    files.write_file(unit, root=root)
    if _is_host(root):
        systemd.reload()
        systemd.start(plan.MOUNT_UNIT, timeout=_MOUNT_TIMEOUT)


def _tell(chosen: Plan, root: Path) -> None:
    match chosen:
        case Memory(reason, action):
            message = f"{plan.MOUNT_POINT} is in memory and lost at a reboot: {reason}; {action}"
            log.get("storage").warning("no data volume", reason=reason, action=action)
            status.write("storage", "degraded", message, root=root, fileSystem="tmpfs", reason=reason, action=action)
        case Format(disk) | Mount(disk):
            made = isinstance(chosen, Format)
            log.get("storage").info("data volume", device=disk.name, serial=disk.serial, formatted=made)
            message = f"{plan.MOUNT_POINT} is on {disk.name} ({disk.serial})"
            details = {"device": disk.name, "volume": disk.serial, "sizeBytes": disk.size, "formatted": made}
            status.write("storage", "ok", message, root=root, **details)


def _device(disk: Disk, root: Path) -> Path:
    return files.below(root, f"/dev/{disk.name}")


def _is_host(root: Path) -> bool:
    return root == Path("/")
