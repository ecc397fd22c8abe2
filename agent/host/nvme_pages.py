"""NVMe controllers: the pages that they give of themselves, by ioctl."""

import array
import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from agent import nvme
from agent.host import files
from agent.outputs import NvmePages

# linux/nvme_ioctl.h; the kernel lets everybody identify: _IOWR('N', 0x41, struct nvme_admin_cmd).
_ADMIN = 0xC0484E41
_COMMAND = struct.Struct("<BBHIIIQQIIIIIIIIII")
_IDENTIFY, _GET_LOG = 0x06, 0x02
_CONTROLLER = 1
# EBS' statistics. https://docs.aws.amazon.com/ebs/latest/userguide/nvme-detailed-performance-stats.html
_EBS_LOG = 0xD0
_PAGE = nvme.PAGE_BYTES
_MILLISECONDS = 5000


def read(root: Path = Path("/")) -> list[NvmePages]:
    """Return the pages of each controller; what one refuses is said in its `error`."""
    return [_read(path) for path in sorted(files.below(root, "/dev").glob("nvme[0-9]*")) if path.name[4:].isdigit()]


def identify(device: Path) -> bytes:
    """Return what the controller of a disk says of itself, or nothing where it has none."""
    try:
        with _opened(device) as handle:
            return _page(handle, _IDENTIFY, 0, _CONTROLLER)
    except OSError:
        return b""


def _read(path: Path) -> NvmePages:
    told = statistics = b""
    try:
        with _opened(path) as handle:
            told = _page(handle, _IDENTIFY, 0, _CONTROLLER)
            statistics = _page(handle, _GET_LOG, 1, _EBS_LOG | (_PAGE // 4 - 1) << 16)
    except OSError as error:
        return NvmePages(path.name, told, statistics, error.strerror or str(error))
    return NvmePages(path.name, told, statistics)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _page(handle: int, opcode: int, namespace: int, word: int) -> bytes:
    page = array.array("B", bytes(_PAGE))
    address, size = page.buffer_info()
    command = _COMMAND.pack(opcode, 0, 0, namespace, 0, 0, 0, address, 0, size, word, 0, 0, 0, 0, 0, _MILLISECONDS, 0)
    if status := fcntl.ioctl(handle, _ADMIN, bytearray(command)):
        # Not an errno: the controller's own answer. One that is not EBS' has no such page.
        raise OSError(0, f"NVMe status {status:#x}")
    return page.tobytes()
