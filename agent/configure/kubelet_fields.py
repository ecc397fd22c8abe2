"""The fields of KubeletConfiguration and their types: kubelet does not start where one has another type.

They are those of k8s.io/kubelet v0.36 (config/v1beta1/types.go). kubelet passes over one that is not among them with
a warning, so it is passed on: it may be newer than this table.
"""

from collections.abc import Iterable, Iterator, Mapping

from agent.configure import field_types as types
from agent.configure import gates, lift
from agent.configure.rules import INT32, json_value
from agent.configure.schema import MOST_COMPARED, Path, RefusedError, SomeRefusedError, dotted, rule, unknown
from agent.model import Verdict

_SUITES = """
    TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256
    TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 TLS_ECDHE_ECDSA_WITH_RC4_128_SHA
    TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
    TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    TLS_ECDHE_RSA_WITH_RC4_128_SHA TLS_RSA_WITH_3DES_EDE_CBC_SHA TLS_RSA_WITH_AES_128_CBC_SHA
    TLS_RSA_WITH_AES_128_CBC_SHA256 TLS_RSA_WITH_AES_128_GCM_SHA256 TLS_RSA_WITH_AES_256_CBC_SHA
    TLS_RSA_WITH_AES_256_GCM_SHA384 TLS_RSA_WITH_RC4_128_SHA
"""
# Ranges and choices are those of k8s.io/kubernetes v1.36 pkg/kubelet/apis/config/validation.
_TYPES: Iterable[tuple[str, types.Takes, str]] = (
    ("true or false, without quotes", types.is_boolean, """
        authentication.anonymous.enabled authentication.webhook.enabled cgroupsPerQOS enableContentionProfiling
        enableControllerAttachDetach enableDebugFlagsHandler enableDebuggingHandlers enableProfilingHandler enableServer
        enableSystemLogHandler enableSystemLogQuery failSwapOn kernelMemcgNotification localStorageCapacityIsolation
        makeIPTablesUtilChains mergeDefaultEvictionSettings protectKernelDefaults registerNode rotateCertificates
        serializeImagePulls
        """),
    ("false: kubelet does not run once any more", lambda raw: raw is False, "runOnce"),
    ("an integer of 0 or more", types.between(0, INT32), "maxOpenFiles podsPerCore"),
    ("an integer of 1 or more", types.between(1, INT32), "nodeLeaseDurationSeconds"),
    ("an integer of -1 or more", types.between(-1, INT32), "nodeStatusMaxImages"),
    ("an integer from 0 to 31", types.between(0, 31), "iptablesDropBit iptablesMasqueradeBit"),
    ("an integer from 0 to 65535", types.between(0, 65535), "healthzPort readOnlyPort"),
    ("an integer from 1 to 65535", types.between(1, 65535), "port"),
    ("an integer from -1000 to 1000", types.between(-1000, 1000), "oomScoreAdj"),
    ("an integer from 0 to 1000000", types.between(0, 1_000_000), "tracing.samplingRatePerMillion"),
    ("an IP address", types.is_address, "address healthzBindAddress"),
    ("1.35: metrics of no other release can be shown", types.one_of("", "1.35"), "showHiddenMetricsForVersion"),
    ("text", types.is_text, """
        authentication.x509.clientCAFile cgroupRoot contentType imageServiceEndpoint
        kubeReservedCgroup kubeletCgroups podCIDR resolvConf staticPodPath staticPodURL
        systemCgroups systemReservedCgroup tlsCertFile tlsPrivateKeyFile tracing.endpoint volumePluginDir
        """),
    ("text, and not empty", lambda raw: types.is_text(raw) and raw != "", "containerRuntimeEndpoint"),
    ("an absolute path without '.', '..' and '//'", types.is_clean_path, "podLogsDir"),
    ("AlwaysAllow or Webhook", types.one_of("AlwaysAllow", "Webhook"), "authorization.mode"),
    ("cgroupfs or systemd", types.one_of("cgroupfs", "systemd"), "cgroupDriver"),
    ("Get, Cache or Watch", types.one_of("Get", "Cache", "Watch"), "configMapAndSecretChangeDetectionStrategy"),
    ("promiscuous-bridge, hairpin-veth or none", types.one_of("promiscuous-bridge", "hairpin-veth", "none"),
     "hairpinMode"),
    ("NeverVerify, NeverVerifyPreloadedImages, NeverVerifyAllowlistedImages or AlwaysVerify",
     types.one_of("NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify"),
     "imagePullCredentialsVerificationPolicy"),
    ("text or json", types.one_of("text", "json"), "logging.format"),
    ("None or TieredReservation", types.one_of("None", "TieredReservation"), "memoryReservationPolicy"),
    ("VersionTLS10, VersionTLS11, VersionTLS12 or VersionTLS13",
     types.one_of("VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"), "tlsMinVersion"),
    ("a duration such as 1m30s", types.is_duration, """
        authentication.webhook.cacheTTL authorization.webhook.cacheAuthorizedTTL
        authorization.webhook.cacheUnauthorizedTTL
        evictionPressureTransitionPeriod fileCheckFrequency httpCheckFrequency nodeStatusReportFrequency
        nodeStatusUpdateFrequency runtimeRequestTimeout streamingConnectionIdleTimeout syncFrequency
        volumeStatsAggPeriod
        """),
    ("a duration from 1s to 5m", types.duration_between(1, 300), "crashLoopBackOff.maxContainerRestartPeriod"),
    ("a duration from 1ms to 1s", types.duration_between(0.001, 1), "cpuCFSQuotaPeriod"),
    ("a duration such as 5s, or nanoseconds", types.is_frequency, "logging.flushFrequency"),
    ("a list of strings", types.list_of(types.is_text), "preloadedImagesVerificationAllowlist"),
    ("a list of pods, kube-reserved and system-reserved, each once, with or without -compressible, or of none",
     types.is_enforcement, "enforceNodeAllocatable"),
    ("a list of cipher suites by their names in Go", types.list_of(types.one_of(*_SUITES.split())), "tlsCipherSuites"),
    ("a list of the numbers of curves: 23, 24, 25, 29, 4588", types.list_of(types.is_curve),
     "tlsCurvePreferences"),
    ("a list of tables with filePattern, text, and verbosity, an integer",
     types.list_of(types.record_of(filePattern=types.is_text, verbosity=types.between(0, INT32))), "logging.vmodule"),
    ("a list of tables with priority and shutdownGracePeriodSeconds, integers",
     types.list_of(types.record_of(priority=types.integer, shutdownGracePeriodSeconds=types.integer)),
     "shutdownGracePeriodByPodPriority"),
    ("a size in whole bytes such as 10Mi", types.is_size, """
        logging.options.json.infoBufferSize logging.options.text.infoBufferSize
        """),
    ("quantities or percentages by signals of eviction", types.is_reclaim, "evictionMinimumReclaim"),
    ("a table of strings", types.table_of(types.is_text), "qosReserved"),
    ("a table of lists of strings", types.table_of(types.list_of(types.is_text)), "staticPodURLHeader"),
    ("a number above 0 and up to 1", types.is_share, "memoryThrottlingFactor"),
    ("a table", types.is_table, """
        authentication authentication.anonymous authentication.webhook authentication.x509 authorization
        authorization.webhook crashLoopBackOff featureGates logging logging.options
        logging.options.json logging.options.text memorySwap tracing userNamespaces
        """),
)  # fmt: skip
_FIELDS: Mapping[str, tuple[str, types.Takes]] = {
    name: (says, takes) for says, takes, names in _TYPES for name in names.split()
}
# Of these the settings say what is wrong with them.
_SETTINGS = frozenset(lift.fields())


@rule("any", "of the type that the field of KubeletConfiguration has")
def field(name: str, raw: object) -> object:
    """Take a field, without what kubelet would not start with of the tables in it."""
    if name in _FIELDS and not _FIELDS[name][1](raw):
        raise RefusedError(_FIELDS[name][0])
    value = json_value(name, raw)
    refused: list[str] = []
    kept = _without(name, value, refused)
    if refused:
        raise SomeRefusedError(kept, kept, "; ".join(refused))
    return kept


def _without(path: str, value: object, refused: list[str]) -> object:
    """Return a table without the fields that have another type, which are told of."""
    if not isinstance(value, dict):
        return value
    if path == "featureGates":
        kept, why = gates.sound(value)
    else:
        why = {name: reason for name, each in value.items() if (reason := _reason(f"{path}.{name}", each))}
        kept = {name: each for name, each in value.items() if name not in why}
    refused.extend(f"{name[:60]}: {reason}" for name, reason in why.items())
    return {name: _without(f"{path}.{name}", each, refused) for name, each in kept.items()}


def _reason(path: str, value: object) -> str:
    says, takes = _FIELDS.get(path, ("", None))
    return f"must be {says}" if takes is not None and not takes(value) else ""


def remarks(config: Mapping[str, object], sources: Mapping[Path, str]) -> Iterator[Verdict]:
    """Name the fields that kubelet does not know, probably."""
    known = [*(name for name in _FIELDS if "." not in name), *_SETTINGS, "apiVersion", "kind"]
    strangers = [name for name in config if name not in known]
    for number, name in enumerate(strangers):
        said = unknown(name, known if number < MOST_COMPARED else ()).replace("ignored", "passed on to kubelet")
        path = ("kubelet", "config", name)
        yield Verdict(dotted(path), "warning", said, sources.get(path, "user data"))
