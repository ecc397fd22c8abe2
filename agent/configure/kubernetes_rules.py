"""The rules of values that Kubernetes reads: kubelet exits at its start on most of what they refuse."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from agent.configure.rules import duration, is_dns_name, is_odd, matching, texts
from agent.configure.schema import RefusedError, SomeRefusedError, rule
from agent.configure.shown import show

_CLUSTER_NAME = re.compile(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}")
_NODE_NAME = re.compile(r"[0-9a-z]([0-9a-z.-]{0,251}[0-9a-z])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(Ki|[EPTGM]i?|k|m)?")
_SCALES: Mapping[str, Fraction] = {
    "": Fraction(1),
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000 ** (power + 1)) for power, suffix in enumerate("kMGTPE")},
    **{f"{suffix}i": Fraction(1024 ** (power + 1)) for power, suffix in enumerate("KMGTPE")},
}
_PERCENT = re.compile(r"[0-9]{1,2}(\.[0-9]+)?%")
# k8s.io/kubernetes pkg/apis/policy/validation, and what k8s.io/component-helpers node/util/sysctl knows a namespace of.
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]")
_NAMESPACED = re.compile(
    r"kernel\.(sem|shm|shmall|shmmax|shmmni|shm_rmid_forced|msg|msgmax|msgmnb|msgmni)\*?|(net|fs\.mqueue)\..*"
)
_LONGEST_SYSCTL = 253
_CPUSET = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*")
_BOOTSTRAP_TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
_FLAG = re.compile(r"--?[a-z][a-z0-9-]*(=.*)?")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TAINT = f'"value:Effect", the effect being {", ".join(_EFFECTS)}'
_TWICE = "the same effect stands twice: the API server would refuse the node; the first counts"
_SIGNALS = ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree",
            "pid.available")  # fmt: skip
_RESERVABLE = ("cpu", "memory", "ephemeral-storage", "pid")
_NUMA_LIMITS = ("memory", "hugepages-2Mi", "hugepages-1Gi")
_CPU_OPTIONS = ("full-pcpus-only", "strict-cpu-reservation", "distribute-cpus-across-numa", "align-by-socket",
                "distribute-cpus-across-cores", "prefer-align-cpus-by-uncorecache")  # fmt: skip
# Labels that kubelet may set on itself inside the reserved domains; with any other one it exits at its start
# (k8s.io/kubernetes pkg/kubelet/apis/well_known_labels.go).
_OWN_LABELS = frozenset({
    "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
})  # fmt: skip
_OWN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_RESERVED_DOMAINS = ("kubernetes.io", "k8s.io")


@dataclass(frozen=True, slots=True)
class Taint:
    """One value and effect of a taint; its key is the name of the entry."""

    value: str
    effect: str


@rule("string", "the name of the EKS cluster: at most 100 letters, digits, hyphens and underscores")
def cluster_name(raw: object) -> str:
    return matching(raw, _CLUSTER_NAME)


@rule("string", "a lower-case name of at most 253 letters, digits, '-' and '.', its parts at most 63 long")
def node_name(raw: object) -> str:
    name = matching(raw, _NODE_NAME)
    if not is_dns_name(name, 253):
        raise RefusedError
    return name


@rule("string", "the provider's ID of the instance, such as aws:///us-west-2a/i-0123456789abcdef0")
def provider_id(raw: object) -> str:
    if not isinstance(raw, str) or not raw.startswith("aws:///") or is_odd(raw) or len(raw) > 256:
        raise RefusedError
    return raw


@rule("string", "a Kubernetes quantity such as 100Mi, 1.5Gi or 250m")
def quantity(raw: object) -> str:
    return matching(raw, _QUANTITY)


def amount(found: str) -> Fraction:
    """Return how much a quantity is that the rule took."""
    digits = found.rstrip("EPTGMKkim")
    return Fraction(digits) * _SCALES[found[len(digits) :]]


@rule("string", "a size in whole bytes such as 10Mi")
def size(raw: object) -> str:
    """Take what 64 bits hold: kubelet asks for no more of these, and no less."""
    found = quantity(raw)
    if amount(found) >= 1 << 63 or amount(found).denominator != 1:
        raise RefusedError
    return found


@rule("string", "a list of CPUs such as 0-3,5")
def cpuset(raw: object) -> str:
    found = matching(raw, _CPUSET)
    if any(first > last for first, last in cpu_ranges(found)):
        raise RefusedError
    return found


def cpu_ranges(cpus: str) -> list[tuple[int, int]]:
    """Return the first and the last CPU of each range of a list that the rule took."""
    parts = (part.partition("-") for part in cpus.split(","))
    return [(int(first), int(last or first)) for first, _, last in parts]


@rule("string", "a bootstrap token of 6 and 16 lower-case letters and digits with a dot between them")
def bootstrap_token(raw: object) -> str:
    return matching(raw, _BOOTSTRAP_TOKEN)


@rule("integer", "a power of two from 65536 to 1073741824, so that pods share 32 bits of IDs evenly")
def ids_per_pod(raw: object) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool) or not 65536 <= raw < 1 << 31 or raw & (raw - 1):
        raise RefusedError
    return raw


@rule("number or string", "a number above 0 and up to 1")
def throttling_factor(raw: object) -> float:
    try:
        factor = float(raw) if isinstance(raw, int | float | str) and not isinstance(raw, bool) else 0.0
    except (ValueError, OverflowError) as error:
        raise RefusedError from error
    if not 0 < factor <= 1:
        raise RefusedError
    return factor


@rule(
    "list of strings",
    "a list of sysctl names or patterns such as net.core.*, of kernel.shm*, kernel.msg*, kernel.sem,"
    " fs.mqueue.* and net.*, which each pod has for itself",
)
def sysctls(raw: object) -> tuple[str, ...]:
    good = [each for each in texts(raw) if _is_namespaced(each)]
    bad = [each for each in texts(raw) if each not in good]
    if bad:
        message = f"{bad[0][:60]!a} is refused: must be one that each pod has for itself, or kubelet would not start"
        raise SomeRefusedError(tuple(good), good, message)
    return tuple(good)


def _is_namespaced(pattern: str) -> bool:
    dotted = pattern.replace("/", ".")
    return bool(len(pattern) <= _LONGEST_SYSCTL and _SYSCTL.fullmatch(pattern) and _NAMESPACED.fullmatch(dotted))


@rule("list of strings", f"a list of {', '.join(_CPU_OPTIONS)}")
def cpu_options(raw: object) -> Mapping[str, str]:
    if any(each not in _CPU_OPTIONS for each in texts(raw)):
        raise RefusedError
    return dict.fromkeys(sorted(texts(raw)), "true")


@rule("boolean or integer", "prefer-closest-numa-nodes, true or false, or max-allowable-numa-nodes, 8 or more")
def topology_option(name: str, raw: object) -> str:
    if name == "prefer-closest-numa-nodes" and isinstance(raw, bool):
        return str(raw).lower()
    if name == "max-allowable-numa-nodes" and isinstance(raw, int) and not isinstance(raw, bool) and 8 <= raw < 1 << 31:
        return str(raw)
    raise RefusedError


@rule("table", f"under the number of a NUMA node, a table with enabled and quantities for {', '.join(_NUMA_LIMITS)}")
def numa_reservation(name: str, raw: object) -> Mapping[str, str]:
    """Return the limits; a node that is switched off has none."""
    if not re.fullmatch(r"[0-9]{1,3}", name, re.ASCII) or not isinstance(raw, dict):
        raise RefusedError
    limits = {limit: quantity(each) for limit, each in raw.items() if limit != "enabled"}
    if not all(map(amount, limits.values())):
        raise RefusedError("more than nothing")
    if not set(limits) <= set(_NUMA_LIMITS) or not isinstance(raw.get("enabled", True), bool):
        raise RefusedError
    return limits if raw.get("enabled", True) else {}


@rule(
    "string",
    "empty or 1 to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, under a name that"
    " kubelet may set on itself",
)
def label(name: str, raw: object) -> str:
    _qualified(name)
    if not isinstance(raw, str) or (raw and not _LABEL_NAME.fullmatch(raw)):
        raise RefusedError(
            "empty or 1 to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
        )
    space = name.rpartition("/")[0]
    if name not in _OWN_LABELS and _within(space, _RESERVED_DOMAINS) and not _within(space, _OWN_DOMAINS):
        raise RefusedError("a label that kubelet may set on itself: this one is reserved, and kubelet would not start")
    return raw


@rule("string or list of strings", f'"value:Effect" or a list of those, the effect being {", ".join(_EFFECTS)}')
def taints(name: str, raw: object) -> tuple[Taint, ...]:
    """Take a list of "value:Effect", or one of them; the value may be empty. The first of an effect counts."""
    _qualified(name)
    given = [raw] if isinstance(raw, str) else texts(raw)
    sound = {word: taint for word in given if (taint := _taint(word))}
    if given and not sound:
        raise RefusedError
    first = {taint.effect: word for word, taint in reversed(sound.items())}
    kept = {word: taint for word, taint in sound.items() if first[taint.effect] == word}
    if len(kept) < len(given):
        bad = next((word for word in given if word not in sound), None)
        message = _TWICE if bad is None else f"{show(bad)} is refused: must be {_TAINT}"
        raise SomeRefusedError(tuple(kept.values()), list(kept), message)
    return tuple(kept.values())


@rule("string", f"a quantity or a percentage below 100%, under one of {', '.join(_SIGNALS)}")
def eviction(name: str, raw: object) -> str:
    if name not in _SIGNALS:
        raise RefusedError(f"under one of {', '.join(_SIGNALS)}")
    if isinstance(raw, str) and _PERCENT.fullmatch(raw):
        return raw
    if not isinstance(raw, str) or not _QUANTITY.fullmatch(raw):
        raise RefusedError("a Kubernetes quantity such as 100Mi, or a percentage below 100%")
    return raw


@rule("string", f"a duration such as 1m30s, under one of {', '.join(_SIGNALS)}")
def grace_period(name: str, raw: object) -> str:
    if name not in _SIGNALS:
        raise RefusedError(f"under one of {', '.join(_SIGNALS)}")
    return duration(raw)


@rule("string", f"a quantity under one of {', '.join(_RESERVABLE)}")
def reservation(name: str, raw: object) -> str:
    if name not in _RESERVABLE:
        raise RefusedError(f"under one of {', '.join(_RESERVABLE)}")
    return quantity(raw)


@rule("string", "a flag of kubelet such as --v=4, without spaces and quotes")
def flag(raw: object) -> str:
    found = matching(raw, _FLAG)
    if is_odd(found):
        raise RefusedError
    return found


def _taint(word: str) -> Taint | None:
    value, colon, effect = word.rpartition(":")
    is_sound = colon and effect in _EFFECTS and (not value or _LABEL_NAME.fullmatch(value))
    return Taint(value, effect) if is_sound else None


def _qualified(name: str) -> None:
    prefix, slash, rest = name.rpartition("/")
    if not _LABEL_NAME.fullmatch(rest) or (slash and not is_dns_name(prefix, 253)):
        raise RefusedError("under a Kubernetes name such as example.com/team")


def _within(space: str, domains: tuple[str, ...]) -> bool:
    return any(space == each or space.endswith(f".{each}") for each in domains)
