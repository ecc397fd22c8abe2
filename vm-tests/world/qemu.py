"""The command line of the virtual machine that plays a Nitro instance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from world.eni import Eni
from world.machines import INSTANCE_TYPE, Machine
from world.shell import PORT, smbios_strings

HOTPLUG_PORTS = 4
DISK_OPTIONS = "if=none,format=raw,cache=unsafe"


@dataclass(frozen=True)
class Boot:
    """What is booted: kernel and initrd directly, with the root on the first disk."""

    disk: Path
    kernel: Path
    initrd: Path
    command_line: str
    clock_offset: timedelta = timedelta(0)  # of the machine's own clock, which knows no better


@dataclass(frozen=True)
class Folder:
    """Where one machine's sockets, logs and data are."""

    path: Path

    @property
    def monitor(self) -> Path:
        return self.path / "monitor"

    @property
    def shell(self) -> Path:
        return self.path / "shell"

    @property
    def serial_log(self) -> Path:
        return self.path / "serial.log"

    @property
    def data(self) -> Path:
        return self.path / "data.raw"


def command(accelerator: list[str], boot: Boot, machine: Machine, folder: Folder, eni: Eni) -> list[str]:
    """Return the whole command line."""
    return [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", "q35", "-smp", "2", "-m", "2048", *accelerator),
        *("-rtc", f"base={datetime.now(UTC) + boot.clock_offset:%Y-%m-%dT%H:%M:%S}"),
        *_identity(machine),
        *("-kernel", str(boot.kernel), "-initrd", str(boot.initrd), "-append", boot.command_line),
        *_root_disk(boot.disk, machine),
        *(_data_disk(folder.data, machine) if folder.data.exists() else ()),
        *_channels(folder),
        *("-device", "virtio-rng-pci"),
        *_root_ports(),
        *("-netdev", f"tap,id={eni.port},ifname={eni.port},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,id=nic-{eni.port},netdev={eni.port},mac={eni.mac},romfile="),
    ]


def hotplug_port(number: int) -> str:
    return f"hotplug{number}"


def _identity(machine: Machine) -> list[str]:
    return [
        *("-uuid", machine.uuid),
        *("-smbios", "type=0,vendor=Amazon EC2,version=1.0"),
        *("-smbios", f"type=1,manufacturer=Amazon EC2,product={INSTANCE_TYPE},serial={machine.uuid}"),
        *("-smbios", f"type=2,manufacturer=Amazon EC2,asset={machine.instance_id}"),
        *(word for text in smbios_strings() for word in ("-smbios", f"type=11,value={text}")),
    ]


def _root_disk(disk: Path, machine: Machine) -> list[str]:
    """Every machine has the same image, and none can change it."""
    return [
        *("-drive", f"id=root,file={disk},readonly=on,{DISK_OPTIONS}"),
        *("-device", f"nvme,drive=root,serial={machine.root_volume_id}"),
    ]


def _data_disk(disk: Path, machine: Machine) -> list[str]:
    return [
        *("-drive", f"id=data,file={disk},discard=unmap,{DISK_OPTIONS}"),
        *("-device", f"nvme,drive=data,serial={machine.data_volume_id}"),
    ]


def _channels(folder: Folder) -> list[str]:
    """The serial port to a file, and sockets for the monitor and the tests' shell."""
    return [
        *("-chardev", f"file,id=console,path={folder.serial_log},append=on", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=monitor,path={folder.monitor},server=on,wait=off"),
        *("-mon", "chardev=monitor,mode=control"),
        *("-chardev", f"socket,id=shell,path={folder.shell},server=on,wait=off"),
        *("-device", "virtio-serial-pci", "-device", f"virtserialport,chardev=shell,name={PORT}"),
    ]


def _root_ports() -> list[str]:
    """One for each interface that may come later: a port of the root bus itself takes none while it runs."""
    numbers = range(1, HOTPLUG_PORTS + 1)
    devices = [f"pcie-root-port,id={hotplug_port(number)},chassis={number},slot={number}" for number in numbers]
    return [word for device in devices for word in ("-device", device)]
