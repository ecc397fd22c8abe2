"""Choose KVM only where a guest is seen to boot under it."""

from __future__ import annotations

import os
from pathlib import Path

from world.processes import ProcessError, run

TCG = ["-accel", "tcg,thread=multi", "-cpu", "max"]
KVM = ["-accel", "kvm", "-cpu", "host"]
# With emulated processors on a busy host, a guest's one-shot timer was seen never to fire again (RCU stalls on an idle
# processor), and the clock's watchdog to condemn the TSC for the host's delays: tick regularly, and trust the TSC.
TCG_KERNEL = ("nohz=off", "highres=off", "tsc=reliable")
# A guest that works comes to its initrd and powers off in 2 s; a nested one that hangs never does.
PROBE_TIMEOUT = 10.0
DEVICE = Path("/dev/kvm")


def choose(verdict: Path, kernel: Path, initrd: Path) -> list[str]:
    """Return QEMU's arguments; the verdict is kept in a file for as long as this machine is up."""
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return TCG
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text()
    if not verdict.exists() or verdict.read_text().partition("=")[0] != boot_id:
        verdict.write_text(f"{boot_id}={'works' if _boots(kernel, initrd) else 'hangs'}")
    return KVM if verdict.read_text().endswith("works") else TCG


def _boots(kernel: Path, initrd: Path) -> bool:
    """Boot to the initrd's systemd and off again on two processors."""
    argv = [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "q35", "-smp", "2", "-m", "1024", *KVM),
        *("-kernel", str(kernel), "-initrd", str(initrd)),
        *("-append", "rd.systemd.unit=poweroff.target panic=-1"),
    ]
    try:
        run(argv, tools_root=True, binds=[kernel.parent], timeout=PROBE_TIMEOUT)
    except ProcessError:
        return False
    return True


def kernel_arguments(accelerator: list[str]) -> tuple[str, ...]:
    """Return what the guest's kernel must be told under this accelerator."""
    return TCG_KERNEL if accelerator == TCG else ()
