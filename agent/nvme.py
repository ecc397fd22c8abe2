"""What an NVMe disk of EC2 tells of itself: the controller's identify page, with EC2's own field in its vendor part.

Layout: NVM Express Base Specification 2.0, figure 275; EC2's field: amazon-ec2-utils, ebsnvme-id.
"""

import re
from dataclasses import dataclass

PAGE_BYTES = 4096
_AMAZON = 0x1D0F
_SERIAL = slice(4, 24)
_MODEL = slice(24, 64)
_FIRMWARE = slice(64, 72)
_DEVICE_NAME = slice(3072, 3104)
# As the launch template names it, with or without /dev/; an instance store's begins with its place: `ephemeral0:sdb`.
_NAME = re.compile(r"(?:ephemeral\d+:)?(?:/dev/)?(sd[a-z]{1,2}\d*|xvd[a-z]{1,2}\d*)")


@dataclass(frozen=True, slots=True)
class Controller:
    """An NVMe controller; `device_name` is `xvdb` where the block device mapping says /dev/sdb, empty where unknown."""

    serial: str
    model: str
    device_name: str
    firmware: str = ""
    vendor: int = _AMAZON

    @property
    def volume(self) -> str:
        """The ID of an EBS volume, which its serial is without the dash; empty for an instance store."""
        return self.serial.replace("vol", "vol-", 1) if re.fullmatch("vol[0-9a-f]+", self.serial) else ""


def parse(page: bytes) -> Controller | None:
    """Read an identify page; None where it is not a whole one. Only Amazon's have a device name."""
    if len(page) < PAGE_BYTES:
        return None
    vendor = int.from_bytes(page[:2], "little")
    name = device_name(_text(page[_DEVICE_NAME])) if vendor == _AMAZON else ""
    return Controller(_text(page[_SERIAL]), _text(page[_MODEL]), name, _text(page[_FIRMWARE]), vendor)


def device_name(written: str) -> str:
    """Return the name in one spelling: EC2 takes /dev/sdb, sdb and /dev/xvdb for the same place."""
    match = _NAME.fullmatch(written)
    return "xvd" + re.sub(r"^(sd|xvd)", "", match[1]) if match else ""


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("ascii", errors="replace").strip()
