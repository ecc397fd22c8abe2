"""What EC2 knows of an instance, laid out as the metadata service shows it."""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import dataclass

from world.eni import VPC_CIDR, VPC_CIDR6, VPC_ID, Eni
from world.facts import ACCOUNT, NODE_ROLE, REGION, ZONE
from world.metadata import Body
from world.resolver import DOMAIN
from world.roles import Credentials

INSTANCE_TYPE = "m5.large"
AMI = "ami-0f00d1e2a3b4c5d6e"
MACS = "meta-data/network/interfaces/macs"
USER_DATA = "user-data"
LAUNCHED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Machine:
    """The names of an instance, of its machine and of its volume."""

    instance_id: str
    uuid: str
    root_volume_id: str
    data_volume_id: str


def new() -> Machine:
    """Return an instance as EC2 names them; its UUID begins with ec2, as Nitro's do."""
    number = uuid.UUID("ec2" + secrets.token_hex(15)[:29])
    return Machine(f"i-{_hex17()}", str(number), f"vol{_hex17()}", f"vol{_hex17()}")


def tree(machine: Machine, eni: Eni, credentials: Credentials) -> dict[str, Body]:
    """Return an instance's metadata with its primary interface and without user data."""
    address = str(eni.addresses[0])
    hostname = private_dns_name(eni)
    top = {
        "ami-id": AMI,
        "hostname": hostname,
        "iam/info": json.dumps({"Code": "Success", "InstanceProfileId": "AIPAEXAMPLE"}),
        f"iam/security-credentials/{NODE_ROLE}": credentials.document(),
        "instance-id": machine.instance_id,
        "instance-life-cycle": "on-demand",
        "instance-type": INSTANCE_TYPE,
        "ipv6": str(eni.addresses6[0]),
        "local-hostname": hostname,
        "local-ipv4": address,
        "mac": eni.mac,
        "placement/availability-zone": ZONE,
        "placement/availability-zone-id": "usw2-az1",
        "placement/region": REGION,
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }
    return {
        **{f"meta-data/{key}": body for key, body in top.items()},
        "dynamic/instance-identity/document": _document(machine, address),
        **interface_tree(eni),
    }


def private_dns_name(eni: Eni) -> str:
    return f"ip-{str(eni.addresses[0]).replace('.', '-')}.{DOMAIN}"


def interface_path(eni: Eni) -> str:
    return f"{MACS}/{eni.mac}"


def interface_tree(eni: Eni) -> dict[str, Body]:
    """Return what is below an interface's MAC; a value that it has not has no key."""
    values = {
        "device-number": str(eni.device_number),
        "interface-id": eni.eni_id,
        "ipv4-prefix": "\n".join(map(str, eni.prefixes)),
        "ipv6-prefix": "\n".join(map(str, eni.prefixes6)),
        "ipv6s": "\n".join(map(str, eni.addresses6)),
        "local-ipv4s": "\n".join(map(str, eni.addresses)),
        "mac": eni.mac,
        "owner-id": ACCOUNT,
        "security-group-ids": "sg-0123456789abcdef0",
        "security-groups": "node",
        "subnet-id": eni.subnet.subnet_id,
        "subnet-ipv4-cidr-block": str(eni.subnet.cidr),
        "subnet-ipv6-cidr-blocks": str(eni.subnet.cidr6),
        "vpc-id": VPC_ID,
        "vpc-ipv4-cidr-block": str(VPC_CIDR),
        "vpc-ipv4-cidr-blocks": str(VPC_CIDR),
        "vpc-ipv6-cidr-blocks": str(VPC_CIDR6),
    }
    return {f"{interface_path(eni)}/{key}": body for key, body in values.items() if body}


def _document(machine: Machine, address: str) -> str:
    return json.dumps(
        {
            "accountId": ACCOUNT,
            "architecture": "x86_64",
            "availabilityZone": ZONE,
            "billingProducts": None,
            "imageId": AMI,
            "instanceId": machine.instance_id,
            "instanceType": INSTANCE_TYPE,
            "kernelId": None,
            "pendingTime": LAUNCHED,
            "privateIp": address,
            "ramdiskId": None,
            "region": REGION,
            "version": "2017-09-30",
        },
        indent=2,
    )


def _hex17() -> str:
    return secrets.token_hex(9)[:17]
