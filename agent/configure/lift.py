"""Finds the settings in what nodes are also told by kubelet's and containerd's own configuration, flags and variables.

They become documents of their own, before the one they stand in: so each value has one place, one rule and one
precedence, whatever way it came. As kubelet reads them, flags beat its configuration; a setting's own key beats both.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from agent.configure import cri, kubernetes_rules, rules
from agent.configure.kubernetes import Kubernetes
from agent.configure.mapping import as_it_is
from agent.configure.merging import Document
from agent.configure.schema import Entries, Path, RefusedError, Value, dotted, keys
from agent.model import Verdict

# A node's labels may well take kilobytes; shlex takes time in the square of a word.
_LONGEST_ELEMENT = 16_384
_MOST_ELEMENTS = 256


def _taints_of_objects(raw: object) -> object:
    """Turn [{key, value, effect}] into {key: ["value:effect"]}."""
    if not isinstance(raw, list) or not all(
        isinstance(each, dict) and isinstance(each.get("key"), str) for each in raw
    ):
        return raw
    taints: dict[str, list[str]] = {}
    for each in raw:
        taints.setdefault(each["key"], []).append(f"{each.get('value', '')}:{each.get('effect', '')}")
    return taints


def _numa_nodes(raw: object) -> object:
    """Turn [{numaNode, limits}] into {numaNode: limits}."""
    if not isinstance(raw, list) or not all(isinstance(each, dict) for each in raw):
        return raw
    return {str(each.get("numaNode")): each.get("limits") for each in raw}


def _taints_of_flag(text: str) -> object:
    taints: dict[str, list[str]] = {}
    for each in filter(None, text.split(",")):
        named, _, effect = each.rpartition(":")
        name, _, value = named.partition("=")
        taints.setdefault(name, []).append(f"{value}:{effect}")
    return taints


def _pairs_of_flag(text: str) -> object:
    return {name: value for name, _, value in (each.partition("=") for each in filter(None, text.split(",")))}


def _duration(raw: object) -> object:
    """Turn the number that YAML makes of a duration's zero back."""
    return "0" if isinstance(raw, int) and not isinstance(raw, bool) and raw == 0 else raw


def _gates_of_flag(text: str) -> object:
    booleans: Mapping[object, bool] = {"true": True, "false": False}
    pairs = (each.partition("=") for each in filter(None, text.split(",")))
    return {name.strip(): booleans.get(value.strip().lower(), value) for name, _, value in pairs}


def _number(text: str) -> object:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text


def _numbers(raw: object) -> object:
    """Turn the texts of an options table into what they stand for."""
    if not isinstance(raw, dict):
        return raw
    booleans: Mapping[object, bool] = {"true": True, "false": False}
    return {name: booleans.get(each, _number(each)) if isinstance(each, str) else each for name, each in raw.items()}


def _switched_on(raw: object) -> object:
    return [name for name, each in raw.items() if each is True or each == "true"] if isinstance(raw, dict) else raw


_DIRECT: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    spec.kubelet: (name, _duration if spec.rule is rules.duration else as_it_is)
    for name, _, spec, _ in keys(Kubernetes)
    if isinstance(spec, Value | Entries) and spec.kubelet
}
# Fields of KubeletConfiguration: the setting that each is, and how it is written there.
_FIELDS: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    **_DIRECT,
    "clusterDNS": ("cluster-dns-ip", as_it_is),
    "cpuManagerPolicyOptions": ("cpu-manager-policy-options", _switched_on),
    "evictionHard": ("eviction-hard", as_it_is),
    "kubeReserved": ("kube-reserved", as_it_is),
    "logging.verbosity": ("log-level", as_it_is),
    "memorySwap.swapBehavior": ("memory-swap-behavior", as_it_is),
    "providerID": ("provider-id", as_it_is),
    "registerWithTaints": ("node-taints", _taints_of_objects),
    "reservedMemory": ("memory-manager-reserved-memory", _numa_nodes),
    "topologyManagerPolicyOptions": ("topology-manager-policy-options", _numbers),
    "userNamespaces.idsPerPod": ("ids-per-pod", as_it_is),
}
_FLAGS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "cloud-provider": ("cloud-provider", as_it_is),
    "cluster-dns": ("cluster-dns-ip", lambda text: text.split(",")),
    "cluster-domain": ("cluster-domain", as_it_is),
    "hostname-override": ("hostname-override", as_it_is),
    "kube-reserved": ("kube-reserved", _pairs_of_flag),
    "max-pods": ("max-pods", _number),
    "node-ip": ("node-ip", as_it_is),
    "node-labels": ("node-labels", _pairs_of_flag),
    "provider-id": ("provider-id", as_it_is),
    "register-with-taints": ("node-taints", _taints_of_flag),
    "reserved-cpus": ("reserved-cpus", as_it_is),
    "system-reserved": ("system-reserved", _pairs_of_flag),
    "v": ("log-level", _number),
}


def agreed(own: Mapping[str, Any], decided: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a user's own KubeletConfiguration with what was `decided` of the fields that are settings.

    A drop-in with the value that was refused, or that a later document changed, would win over config.json.
    """
    result = {name: dict(each) if isinstance(each, dict) else each for name, each in own.items()}
    for field in _FIELDS:
        table, _, last = field.rpartition(".")
        into = result.get(table) if table else result
        if not isinstance(into, dict) or last not in into:
            continue
        source = _table(decided, table) if table else decided
        del into[last]
        into |= {last: source[last]} if last in source else {}
    return result


def fields() -> Mapping[str, str]:
    """Return the fields of KubeletConfiguration that are settings, with the setting that each is."""
    return {field: name for field, (name, _) in _FIELDS.items()}


def flags() -> Mapping[str, str]:
    """Return the flags of kubelet that are settings, with the setting that each is."""
    return {flag: name for flag, (name, _) in _FLAGS.items()}


# Flags that are merged into kubelet's own configuration, over what that says: its rules are for both.
_CONFIGURING: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "enforce-node-allocatable": ("enforceNodeAllocatable", lambda text: list(filter(None, text.split(",")))),
    "feature-gates": ("featureGates", _gates_of_flag),
    "kube-reserved-cgroup": ("kubeReservedCgroup", as_it_is),
    "system-reserved-cgroup": ("systemReservedCgroup", as_it_is),
}


def configuring() -> Mapping[str, str]:
    """Return the flags of kubelet that are fields of its own configuration, with the field that each is."""
    return {flag: field for flag, (field, _) in _CONFIGURING.items()}


# Where nodeadm's users set the proxy of what joins the node to its cluster.
_PROXIED = ("default", "containerd", "kubelet")


def lifted(document: Document) -> Iterator[Document]:
    """Give a document's lifted settings, then the document without the flags, variables and mirrors that were."""
    kubelet = _table(document.settings, "kubelet")
    yield from _of_configuration(_table(kubelet, "config"), document.source)
    every, remarks = _split(kubelet.get("flags"), document.source)
    flags = [flag for flag in every if _is_lifted(flag)]
    yield from _of_flags(flags, document.source)
    environment = _table(document.settings, "environment")
    yield from _of_environment(environment, document.source)
    yield from _of_containerd(_table(_table(document.settings, "containerd"), "config"), document.source)
    passed_on = [flag for flag in every if flag not in flags]
    rest = _rest(document.settings, passed_on, environment)
    yield replace(document, settings=rest, remarks=document.remarks + remarks)
    for name, _, text in map(_named, flags):
        if name in _CONFIGURING:
            field, convert = _CONFIGURING[name]
            config = {"config": {field: convert(text)}}
            yield Document(f"{document.source}, kubelet.flags --{name}", {"kubelet": config})


def _of_configuration(config: Mapping[str, Any], source: str) -> Iterator[Document]:
    for field, (name, convert) in _FIELDS.items():
        table, _, last = field.rpartition(".")
        found = _table(config, table) if table else config
        if last in found:
            setting, where = ("kubernetes", name), f", kubelet.config.{field}"
            replaces: dict[Path, str] = {setting: where} if isinstance(found[last], list) else {}
            yield replace(_document(setting, convert(found[last]), f"{source}{where}"), replaces=replaces)


def _of_flags(flags: list[str], source: str) -> Iterator[Document]:
    for flag in flags:
        name, _, text = _named(flag)
        if name in _FLAGS:
            setting, convert = _FLAGS[name]
            yield _document(("kubernetes", setting), convert(text), f"{source}, kubelet.flags --{name}")


def _of_environment(environment: Mapping[str, Any], source: str) -> Iterator[Document]:
    for service in _PROXIED:
        for name, text in _table(environment, service).items():
            where = f"{source}, environment.{service}.{name}"
            if name.upper() == "HTTPS_PROXY":
                yield _document(("network", "https-proxy"), text, where)
            elif name.upper() == "NO_PROXY":
                entries = text.split(",") if isinstance(text, str) else text
                yield _document(("network", "no-proxy"), entries, where)


def _of_containerd(config: Mapping[str, Any], source: str) -> Iterator[Document]:
    for path, registry in cri.registries(config):
        if "mirrors" in registry:
            where = dotted((*path, "mirrors"), below="containerd.config")
            yield _document(("container-registry", "mirrors"), registry["mirrors"], f"{source}, {where}")


def _named(flag: str) -> tuple[str, str, str]:
    return flag.removeprefix("--").partition("=")


def _is_lifted(flag: str) -> bool:
    """Whether a flag is a setting or a field; one that lacks its value is neither, and is judged as a flag."""
    name, has_value, _ = _named(flag)
    return bool(has_value) and name in {*_FLAGS, *_CONFIGURING}


def _rest(settings: Mapping[str, Any], kept: list[str], environment: Mapping[str, Any]) -> Mapping[str, Any]:
    rest = dict(settings)
    if "flags" in _table(settings, "kubelet"):
        others = {name: each for name, each in settings["kubelet"].items() if name != "flags"}
        rest["kubelet"] = {**others, "flags": kept} if kept else others
    if environment:
        rest["environment"] = {service: _without_proxy(service, table) for service, table in environment.items()}
    containerd = _table(settings, "containerd")
    if _table(containerd, "config"):
        rest["containerd"] = {**containerd, "config": cri.with_registries(containerd["config"], cri.without_mirrors)}
    return rest


def _without_proxy(service: str, table: object) -> object:
    if service not in _PROXIED or not isinstance(table, dict):
        return table
    return {name: text for name, text in table.items() if name.upper() not in {"HTTPS_PROXY", "NO_PROXY"}}


def _split(raw: object, source: str) -> tuple[list[str], tuple[Verdict, ...]]:
    """Take flags apart as a shell would, `--name value` becoming `--name=value`; what is no flag is left out."""
    flags: list[str] = []
    remarks: list[Verdict] = []
    for word in _words(raw):
        try:
            flags.append(f"--{kubernetes_rules.flag(word).lstrip('-')}")
        except RefusedError:
            message = f"a word is refused: must be {kubernetes_rules.flag.says}; it is left out"
            remarks.append(Verdict("settings.kubelet.flags", "warning", message, source))
    return flags, tuple(remarks)


def _words(raw: object) -> list[str]:
    words: list[str] = []
    for element in raw[:_MOST_ELEMENTS] if isinstance(raw, list) else []:
        for word in _shell_words(element):
            if words and words[-1].startswith("-") and "=" not in words[-1] and not word.startswith("-"):
                words[-1] += f"={word}"
            else:
                words.append(word)
    return words


def _shell_words(element: object) -> list[str]:
    if not isinstance(element, str) or len(element) > _LONGEST_ELEMENT:
        return [""]
    try:
        return shlex.split(element)
    except ValueError:  # a quote that does not end
        return [""]


def _document(path: tuple[str, str], value: object, source: str) -> Document:
    return Document(source, {path[0]: {path[1]: value}})


def _table(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = settings.get(name)
    return found if isinstance(found, dict) else {}
