"""EC2's source and destination check: a port sends from, and receives for, its own addresses only."""

from __future__ import annotations

import json
from collections.abc import Iterable

from world.eni import Eni
from world.processes import run

TABLE = "vpc"


def apply(netns: str, enis: Iterable[Eni]) -> None:
    """Replace the checks of all ports in one transaction; their counters start again."""
    run(["nft", "-f", "-"], stdin=render(list(enis)), netns=netns)


def refused(netns: str, eni: Eni) -> int:
    """Return how many packets the port sent that were not its own since the last change."""
    return _counted(netns, f"refused-{eni.port}")


def passed(netns: str, eni: Eni) -> int:
    """Return how many packets the port sent from its own addresses since the last change."""
    return _counted(netns, f"passed-{eni.port}")


def render(enis: list[Eni]) -> str:
    chains = "".join(_chains(eni) for eni in enis)
    return (
        f"table bridge {TABLE}\ndelete table bridge {TABLE}\ntable bridge {TABLE} {{\n{chains}"
        f"{_hook('prerouting', 'iifname', 'from', enis)}{_hook('postrouting', 'oifname', 'to', enis)}}}\n"
    )


def _chains(eni: Eni) -> str:
    own4 = ", ".join(eni.networks)
    own6 = ", ".join(eni.networks6)
    refused, passed = (f'counter name "{name}-{eni.port}"' for name in ("refused", "passed"))
    return f"""
counter refused-{eni.port} {{ }}
counter passed-{eni.port} {{ }}
chain from-{eni.port} {{
  ether saddr != {eni.mac} {refused} drop
  ether type arp arp saddr ip {{ 0.0.0.0, {own4} }} accept
  ip saddr {{ {own4} }} {passed} accept
  ip saddr 0.0.0.0 udp dport 67 accept
  ip6 saddr {{ {own6} }} {passed} accept
  ip6 saddr {{ ::, fe80::/10 }} accept
  {refused} drop
}}
chain to-{eni.port} {{
  ether type arp arp daddr ip {{ {own4} }} accept
  ip daddr {{ 224.0.0.0/4, 255.255.255.255, {own4} }} accept
  ip6 daddr {{ fe80::/10, ff00::/8, {own6} }} accept
  drop
}}
"""


def _hook(hook: str, key: str, direction: str, enis: list[Eni]) -> str:
    verdicts = ", ".join(f'"{eni.port}" : goto {direction}-{eni.port}' for eni in enis)
    rule = f"{key} vmap {{ {verdicts} }}" if enis else ""
    return f"chain {hook} {{\n  type filter hook {hook} priority 0; policy accept;\n  {rule}\n}}\n"


def _counted(netns: str, name: str) -> int:
    listed = json.loads(run(["nft", "-j", "list", "counters", "table", "bridge", TABLE], netns=netns))
    counters = [entry["counter"] for entry in listed["nftables"] if "counter" in entry]
    return sum(counter["packets"] for counter in counters if counter["name"] == name)
