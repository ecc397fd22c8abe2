"""The fields of KubeletConfiguration and their types: kubelet does not start where one has another type.

They are those of k8s.io/kubelet v0.36 (config/v1beta1/types.go). kubelet passes over one that is not among them with
a warning, so it is passed on: it may be newer than this table.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from agent.configure import lift
from agent.configure.rules import INT32, json_value
from agent.configure.schema import MOST_COMPARED, Path, RefusedError, dotted, rule, unknown
from agent.model import Verdict

# What Go's time.ParseDuration takes.
_DURATION = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|\u00b5s|ms|s|m|h))+)")


def _is_integer(raw: object) -> bool:
    return isinstance(raw, int) and not isinstance(raw, bool) and -INT32 <= raw <= INT32


def _is_text(raw: object) -> bool:
    return isinstance(raw, str)


def _is_duration(raw: object) -> bool:
    return isinstance(raw, str) and _DURATION.fullmatch(raw) is not None


def _list_of(one: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda raw: isinstance(raw, list) and all(map(one, raw))


def _table_of(one: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda raw: isinstance(raw, dict) and all(map(one, raw.values()))


def _is_table(raw: object) -> bool:
    return isinstance(raw, dict)


def _is_boolean(raw: object) -> bool:
    return isinstance(raw, bool)


_TYPES: Iterable[tuple[str, Callable[[object], bool], str]] = (
    ("true or false, without quotes", _is_boolean, """
        cgroupsPerQOS enableContentionProfiling enableControllerAttachDetach enableDebugFlagsHandler
        enableDebuggingHandlers enableProfilingHandler enableServer enableSystemLogHandler enableSystemLogQuery
        failSwapOn kernelMemcgNotification localStorageCapacityIsolation makeIPTablesUtilChains
        mergeDefaultEvictionSettings protectKernelDefaults registerNode rotateCertificates runOnce serializeImagePulls
        """),
    ("an integer", _is_integer, """
        healthzPort iptablesDropBit iptablesMasqueradeBit maxOpenFiles nodeLeaseDurationSeconds nodeStatusMaxImages
        oomScoreAdj podsPerCore port readOnlyPort
        """),
    ("text", _is_text, """
        address cgroupDriver cgroupRoot configMapAndSecretChangeDetectionStrategy containerRuntimeEndpoint contentType
        hairpinMode healthzBindAddress imagePullCredentialsVerificationPolicy imageServiceEndpoint kubeReservedCgroup
        kubeletCgroups memoryReservationPolicy podCIDR podLogsDir resolvConf showHiddenMetricsForVersion staticPodPath
        staticPodURL systemCgroups systemReservedCgroup tlsCertFile tlsMinVersion tlsPrivateKeyFile volumePluginDir
        """),
    ("a duration such as 1m30s", _is_duration, """
        cpuCFSQuotaPeriod evictionPressureTransitionPeriod fileCheckFrequency httpCheckFrequency
        nodeStatusReportFrequency nodeStatusUpdateFrequency runtimeRequestTimeout streamingConnectionIdleTimeout
        syncFrequency volumeStatsAggPeriod
        """),
    ("a list of strings", _list_of(_is_text), """
        enforceNodeAllocatable preloadedImagesVerificationAllowlist tlsCipherSuites
        """),
    ("a list of integers", _list_of(_is_integer), "tlsCurvePreferences"),
    ("a list of tables", _list_of(_is_table), "shutdownGracePeriodByPodPriority"),
    ("a table of strings", _table_of(_is_text), "evictionMinimumReclaim qosReserved"),
    ("a table of true and false", _table_of(_is_boolean), "featureGates"),
    ("a table of lists of strings", _table_of(_list_of(_is_text)), "staticPodURLHeader"),
    ("a number", lambda raw: isinstance(raw, int | float) and not isinstance(raw, bool), "memoryThrottlingFactor"),
    ("a table", _is_table, """
        authentication authorization crashLoopBackOff logging memorySwap tracing userNamespaces
        """),
)  # fmt: skip
_FIELDS: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    name: (says, takes) for says, takes, names in _TYPES for name in names.split()
}
# Of these the settings say what is wrong with them.
_SETTINGS = frozenset(lift.fields())


@rule("any", "of the type that the field of KubeletConfiguration has")
def field(name: str, raw: object) -> object:
    says, takes = _FIELDS.get(name, ("", None))
    if takes is not None and not takes(raw):
        raise RefusedError(says)
    return json_value(name, raw)


def remarks(config: Mapping[str, object], sources: Mapping[Path, str]) -> Iterator[Verdict]:
    """Name the fields that kubelet does not know, probably."""
    known = [*_FIELDS, *_SETTINGS, "apiVersion", "kind"]
    strangers = [name for name in config if name not in known]
    for number, name in enumerate(strangers):
        said = unknown(name, known if number < MOST_COMPARED else ()).replace("ignored", "passed on to kubelet")
        path = ("kubelet", "config", name)
        yield Verdict(dotted(path), "warning", said, sources.get(path, "user data"))
