"""Tables, priorities and metrics: those of the VPC CNI, so that people and tools know them, and both may meet."""

# Packets to a pod go by the main table, whoever sends them; packets from one leave by its own interface.
TO_POD, MARKED, FROM_POD, FROM_HOST = 512, 1024, 1536, 32765
PRIORITIES = frozenset({TO_POD, MARKED, FROM_POD, FROM_HOST})
# What came in by the primary for a pod elsewhere is marked, and its replies leave by the primary too.
MARK = 0x80
# The last resort of a table: without it a packet would fall through to main, and leave with a foreign source.
LAST_RESORT = 4278198272
# What the kernel gives an IPv6 route that names no metric.
IPV6_METRIC = 1024
# From here on tables belong to others: branch interfaces (100 + VLAN), cloud-init (100 + index).
_FIRST_TAKEN = 100


def table(card: int, device: int) -> int:
    """Return the private table of a secondary interface."""
    small = device + 1
    return small if card == 0 and small < _FIRST_TAKEN else 10000 + 100 * card + device


def metric(version: int) -> int:
    return IPV6_METRIC if version == 6 else 0
