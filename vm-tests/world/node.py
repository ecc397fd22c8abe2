"""A node: one virtual machine that boots the node image as an instance of the region."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from world import machines, qemu
from world.eni import Eni
from world.metadata import Fault, Metadata
from world.processes import run, spawn
from world.qmp import Monitor
from world.region import Region, Resident
from world.shell import Completed, Shell
from world.waiting import WaitError, until

CONSOLE_BYTES = 65536  # what EC2's GetConsoleOutput keeps
DATA_BYTES = 4 << 30
UNPLUG_TIMEOUT = 30.0


class NodeError(Exception):
    """The node is not in the state that was asked for."""


@dataclass(frozen=True)
class Launch:
    """What a machine starts with besides the image."""

    accelerator: list[str]
    boot: qemu.Boot
    data_volume: bool = True
    data_from: Path | None = None  # a volume to copy, as one made from a snapshot


@dataclass(frozen=True)
class Surroundings:
    """What a node needs of its world."""

    folder: Path
    region: Region
    kubectl: Callable[..., str]
    clone: Callable[[Node, str | bytes], Node]


class Node:
    """A running instance; made by World.launch."""

    def __init__(self, surroundings: Surroundings, resident: Resident, launch: Launch) -> None:
        self._surroundings = surroundings
        self._region = surroundings.region
        self._resident = resident
        self._launch = launch
        self._attached: dict[int, Eni] = {}  # by the number of the root port
        self.folder = qemu.Folder(surroundings.folder / self.instance_id)
        self.folder.path.mkdir()
        _make_data_volume(self.folder.data, launch)
        self._region.vpc.plug(resident.primary)
        self._switch_on()

    @property
    def instance_id(self) -> str:
        return self._resident.machine.instance_id

    @property
    def primary(self) -> Eni:
        return self._resident.primary

    @property
    def imds(self) -> Metadata:
        """What the metadata service tells this instance; settable."""
        return self._resident.metadata

    @property
    def serial_log(self) -> Path:
        """All that the serial port said since the launch."""
        return self.folder.serial_log

    @property
    def running(self) -> bool:
        return self._process.running

    def console(self) -> bytes:
        """Return what EC2 would: the last 64 KiB of the serial port."""
        return self.serial_log.read_bytes()[-CONSOLE_BYTES:]

    def wait_console(self, text: bytes, timeout: float) -> None:
        """Wait until the serial port has said this since the launch."""
        until(lambda: text in self._alive().serial_log.read_bytes(), timeout, f"the console says {text!r}")

    def wait_ready(self, timeout: float = 600.0) -> None:
        """Wait until pods can run: Ready, and without taints; the error shows the console's end."""
        query = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}{.spec.taints}'

        def ready() -> bool:
            self._alive()
            return self._surroundings.kubectl("get", "node", self.instance_id, "-o", query, check=False) == "True"

        try:
            until(ready, timeout, f"node {self.instance_id} is Ready", interval=1.0)
        except WaitError as error:
            raise NodeError(f"{error}; its console says:\n{self.console().decode(errors='replace')[-4096:]}") from error

    def shell(self, script: str, timeout: float = 60.0) -> Completed:
        """Run a script as root in the node; during a boot it waits for its end."""
        self._alive()
        return self._shell.run(script, timeout)

    def attach_eni(self, *, subnet: int = 1, addresses: int = 1, prefixes: int = 0, lag: float = 0.0) -> Eni:
        """Hot-plug a secondary interface; the metadata service shows it so many seconds later."""
        number = next(number for number in range(1, qemu.HOTPLUG_PORTS + 1) if number not in self._attached)
        eni = self._region.vpc.create(number, subnet=subnet, addresses=addresses, prefixes=prefixes)
        self._region.vpc.plug(eni)
        self.imds.fault(machines.interface_path(eni), Fault(visible_after=lag))
        self._region.attach(self._resident, eni)
        tap = {"type": "tap", "id": eni.port, "ifname": eni.port, "script": "no", "downscript": "no"}
        self._monitor.execute("netdev_add", **tap)
        card = {"driver": "virtio-net-pci", "id": f"nic-{eni.port}", "netdev": eni.port, "mac": eni.mac}
        self._monitor.execute("device_add", **card, bus=qemu.hotplug_port(number), romfile="")
        self._attached[number] = eni
        return eni

    def change_eni(self, eni: Eni) -> None:
        """Let a secondary interface have what is told here, such as more prefixes or none."""
        self._attached[eni.device_number] = eni
        self._region.change(self._resident, eni)

    def detach_eni(self, eni: Eni, *, timeout: float = UNPLUG_TIMEOUT) -> None:
        """Unplug a secondary interface; returns when the guest has let go of it."""
        device = f"nic-{eni.port}"
        self._monitor.execute("device_del", id=device)
        self._monitor.wait_event("DEVICE_DELETED", timeout, device=device)
        self._monitor.execute("netdev_del", id=eni.port)
        del self._attached[eni.device_number]
        self._region.detach(self._resident, eni)
        self._region.vpc.unplug(eni)

    def clone(self, user_data: str | bytes | None = None) -> Node:
        """Launch a new instance from what is on this one's data volume now; user data is this one's if not given."""
        return self._surroundings.clone(self, self.imds.tree()[machines.USER_DATA] if user_data is None else user_data)

    def reboot(self, *, timeout: float = 120.0) -> None:
        """Reboot by the operating system; returns when the machine starts again."""
        self._monitor.forget_events()
        self.shell("systemctl --no-block reboot")
        self._shell.expect_boot()
        self._monitor.wait_event("RESET", timeout, guest=True)

    def crash(self, *, timeout: float = 120.0) -> None:
        """Have the kernel panic; returns when the machine starts again."""
        self._monitor.forget_events()
        self.shell("(sleep 1; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 &")
        self._shell.expect_boot()
        self._monitor.wait_event("RESET", timeout, guest=True)

    def plug(self, *, up: bool) -> None:
        """Plug the primary interface's cable in, or pull it out."""
        self._monitor.execute("set_link", name=f"nic-{self.primary.port}", up=up)

    def power_off(self, *, timeout: float = 300.0) -> None:
        """Stop the instance by its power button."""
        self._monitor.execute("system_powerdown")
        self._process.wait(timeout)

    def start(self) -> None:
        """Start a stopped instance: the same machine, with what its user data is now."""
        if self._process.running:
            raise NodeError(f"{self.instance_id} runs; power it off first")
        self._disconnect()
        self._switch_on()

    def kill(self) -> None:
        """Cut the power."""
        self._process.kill()

    def terminate(self) -> None:
        """End the machine and give back its ports and disks."""
        self._process.kill()
        self._disconnect()
        for eni in (self.primary, *self._attached.values()):
            self._region.detach(self._resident, eni)
            self._region.vpc.unplug(eni)
        shutil.rmtree(self.folder.path)

    def _switch_on(self) -> None:
        argv = qemu.command(
            self._launch.accelerator, self._launch.boot, self._resident.machine, self.folder, self.primary
        )
        process = spawn(
            argv,
            log=self.folder.path / "qemu.log",
            netns=self._region.vpc.netns,
            tools_root=True,
            binds=[self.folder.path, self._launch.boot.disk.parent],
        )
        self._process = process
        self._monitor = Monitor(self.folder.monitor, lambda: process.running)
        self._shell = Shell(self.folder.shell)

    def _alive(self) -> Node:
        if not self._process.running:
            raise NodeError(f"{self.instance_id} is off; QEMU's log: {self._process.tail()}")
        return self

    def _disconnect(self) -> None:
        self._monitor.close()
        self._shell.close()


def _make_data_volume(path: Path, launch: Launch) -> None:
    if launch.data_from is not None:
        run(["cp", "--sparse=always", "--reflink=auto", launch.data_from, path], timeout=300)
    elif launch.data_volume:
        with path.open("wb") as volume:
            volume.truncate(DATA_BYTES)
