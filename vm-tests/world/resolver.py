"""The VPC's DHCP, router advertisements and resolver: dnsmasq, told about hosts by files it watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from world.eni import MTU, Eni, Subnet
from world.facts import REGION
from world.processes import Process, spawn

ADDRESSES = ("169.254.169.253", "fd00:ec2::253")
DOMAIN = f"{REGION}.compute.internal"


@dataclass(frozen=True)
class Resolver:
    """The running dnsmasq and the folders from which it learns, without a restart."""

    process: Process
    leases: Path
    names: Path

    def know(self, names: Mapping[str, str]) -> None:
        """Resolve more names; a name keeps its address."""
        for name, address in names.items():
            (self.names / name).write_text(f"{address} {name}\n")

    def serve(self, instance_id: str, eni: Eni) -> None:
        """Give a primary interface its address by DHCP, and its names in the VPC's private domain."""
        address = eni.addresses[0]
        (self.leases / eni.eni_id).write_text(f"{eni.mac},{address},[{eni.addresses6[0]}],infinite\n")
        hostname = f"ip-{str(address).replace('.', '-')}.{DOMAIN}"
        self.know({hostname: str(address), f"{instance_id}.{DOMAIN}": str(address)})


def start(netns: str, folder: Path, link: str, subnet: Subnet) -> Resolver:
    """Start dnsmasq on the VPC's bridge."""
    leases, names = folder / "dhcp", folder / "names"
    leases.mkdir(parents=True)
    names.mkdir()
    # Unknown names do not exist: a closed world has nobody to ask.
    argv = [
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--log-facility=-"),
        *("--no-resolv", "--no-hosts", "--local=/#/", f"--hostsdir={names}", f"--interface={link}"),
        *("--bind-interfaces", "--except-interface=lo", "--pid-file=", f"--dhcp-hostsdir={leases}"),
        *("--dhcp-ignore=tag:!known", "--leasefile-ro", "--log-dhcp", "--dhcp-authoritative", "--enable-ra"),
        f"--dhcp-range={subnet.cidr.network_address},static,{subnet.cidr.netmask}",
        f"--dhcp-range={subnet.cidr6.network_address},static,64",
        f"--dhcp-option=option:router,{subnet.gateway}",
        f"--dhcp-option=option:dns-server,{subnet.cidr[2]}",
        f"--dhcp-option=option:domain-name,{DOMAIN}",
        f"--dhcp-option=option:mtu,{MTU}",
        f"--ra-param={link},mtu:off,10",
    ]
    process = spawn(argv, log=folder / "dnsmasq.log", netns=netns, tools_root=True, binds=[folder])
    return Resolver(process, leases, names)
