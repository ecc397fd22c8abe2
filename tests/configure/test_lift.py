"""What kubelet is told by its own configuration, flags and variables, and what becomes of it."""

import json
from typing import Any

import pytest
from configure.samples import FACTS, MUST_HAVES, accepted, check, document

from agent.configure import kubelet, lift, userdata
from agent.configure.kubernetes_rules import Taint
from agent.configure.merging import Document, merge


def kubernetes(text: str) -> Any:
    return merge(userdata.decode(text.encode(), "user data")).settings["kubernetes"]


def drop_in(text: str) -> Any:
    files = {spec.path: spec.content for spec in kubelet.files(accepted(text), FACTS)}
    return json.loads(files["/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf"])


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        ("maxPods = 58", "max-pods", 58),
        ('clusterDNS = ["172.20.0.10"]', "cluster-dns-ip", ["172.20.0.10"]),
        ('evictionHard = {"memory.available" = "5%"}', "eviction-hard", {"memory.available": "5%"}),
        ("logging = {verbosity = 4}", "log-level", 4),
        ('memorySwap = {swapBehavior = "NoSwap"}', "memory-swap-behavior", "NoSwap"),
        ("userNamespaces = {idsPerPod = 65536}", "ids-per-pod", 65536),
        (
            'registerWithTaints = [{key = "a", value = "b", effect = "NoSchedule"}, {key = "a", effect = "NoExecute"}]',
            "node-taints",
            {"a": ["b:NoSchedule", ":NoExecute"]},
        ),
        ("registerWithTaints = [1]", "node-taints", [1]),
        ('cpuManagerPolicyOptions = {a = "true", b = "false"}', "cpu-manager-policy-options", ["a"]),
        (
            'topologyManagerPolicyOptions = {a = "true", b = "8"}',
            "topology-manager-policy-options",
            {"a": True, "b": 8},
        ),
        (
            'reservedMemory = [{numaNode = 0, limits = {memory = "1Gi"}}]',
            "memory-manager-reserved-memory",
            {"0": {"memory": "1Gi"}},
        ),
        ("reservedMemory = 1", "memory-manager-reserved-memory", 1),
    ],
)
def test_a_field_of_kubelet_s_configuration_is_the_setting_that_it_is(field: str, name: str, value: object) -> None:
    assert kubernetes(f"[settings.kubelet.config]\n{field}\n")[name] == value


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (['--node-labels="a=b,c="'], "node-labels", {"a": "b", "c": ""}),
        (["--node-labels 'a=b'"], "node-labels", {"a": "b"}),
        (["--node-labels", "a=b", "--node-labels=c=d"], "node-labels", {"a": "b", "c": "d"}),
        (["-node-labels=a=b"], "node-labels", {"a": "b"}),
        (["--register-with-taints=a=b:NoSchedule,c:NoExecute"], "node-taints",
         {"a": ["b:NoSchedule"], "c": [":NoExecute"]}),
        (["--max-pods=20 --max-pods=30"], "max-pods", 30),
        (["--max-pods=many"], "max-pods", "many"),
        (["--v", "4"], "log-level", 4),
        (["--cluster-dns=10.0.0.1,10.0.0.2"], "cluster-dns-ip", ["10.0.0.1", "10.0.0.2"]),
        (["--hostname-override=worker"], "hostname-override", "worker"),
    ],
)  # fmt: skip
def test_a_flag_of_kubelet_is_the_setting_that_it_is(flags: list[str], name: str, value: object) -> None:
    text = f"[settings.kubelet]\nflags = {json.dumps(flags)}\n"
    assert kubernetes(text)[name] == value
    assert not merge(userdata.decode(text.encode(), "x")).settings["kubelet"]


def test_other_flags_stay_in_their_order() -> None:
    settings = accepted(document(rest='[settings.kubelet]\nflags = ["--b=1 --a", "--v=3", "--c x"]'))
    assert settings.kubelet.flags == ("--b=1", "--a", "--c=x")
    assert settings.kubernetes.log_level == 3


@pytest.mark.parametrize("flag", ["--a='b c'", "--a=$(b)", "word", "--A=b", "--a=`b`", "'", "--a='\\n'", "x" * 20_000])
def test_what_is_no_flag_is_left_out_with_a_warning(flag: str) -> None:
    checked = check(document(rest=f"[settings.kubelet]\nflags = [{json.dumps(flag)}, '--logging-format=json']"))
    assert checked.settings is not None
    assert checked.settings.kubelet.flags == ("--logging-format=json",)
    assert [verdict.path for verdict in checked.verdicts] == ["settings.kubelet.flags"]


def test_what_is_left_of_a_table_stays() -> None:
    config = "authentication = {anonymous.enabled = false, webhook = {cacheTTL = 'x', enabled = true}}\n"
    text = document(rest=f"[settings.kubelet.config]\n{config}")
    assert drop_in(text)["authentication"] == {"anonymous": {"enabled": False}, "webhook": {"enabled": True}}
    assert check(text).accepted["kubelet"]["config"] == accepted(text).kubelet.config


def test_what_gave_way_to_another_field_is_not_accepted_and_secrets_beside_it_stay_cut() -> None:
    header = "staticPodURLHeader.Authorization = ['Bearer hunter2hunter2']\n"
    checked = check(document(rest=f"[settings.kubelet.config]\n{header}cgroupsPerQOS = false\n"))
    config = checked.accepted["kubelet"]["config"]
    assert list(config) == ["staticPodURLHeader"]
    assert "hunter2" not in str(config)


def test_feature_gates_of_a_flag_are_merged_over_those_of_the_configuration() -> None:
    flags = 'flags = ["--feature-gates=MemoryQoS=true,AllAlpha=False"]\n'
    text = document(rest=f"[settings.kubelet]\n{flags}config.featureGates = {{MemoryQoS = false, AllBeta = true}}\n")
    settings = accepted(text)
    assert settings.kubelet.config == {"featureGates": {"MemoryQoS": True, "AllAlpha": False, "AllBeta": True}}
    assert settings.kubelet.flags == ()


def test_flags_of_what_is_enforced_are_judged_as_kubelet_s_configuration_is() -> None:
    flags = '["--enforce-node-allocatable=pods,system-reserved", "--kube-reserved-cgroup=/x", "--reserved-cpus=0"]'
    text = document(rest=f"[settings.kubelet]\nflags = {flags}\nconfig.systemReservedCgroup = '/y'\n")
    assert {verdict.path: verdict.source for verdict in check(text).verdicts} == {
        "settings.kubelet.config.enforceNodeAllocatable": "user data, kubelet.flags --enforce-node-allocatable",
        "settings.kubelet.config.kubeReservedCgroup": "user data, kubelet.flags --kube-reserved-cgroup",
        "settings.kubelet.config.systemReservedCgroup": "user data",
    }
    settings = accepted(text)
    assert (settings.kubelet.flags, settings.kubelet.config) == ((), {"enforceNodeAllocatable": ["pods"]})


def test_flags_beat_the_configuration_and_a_setting_s_own_key_beats_both() -> None:
    both = '[settings.kubelet]\nflags = ["--max-pods=20"]\nconfig = {maxPods = 30}\n'
    assert accepted(document(rest=both)).kubernetes.max_pods == 20
    assert accepted(document("max-pods = 10", both)).kubernetes.max_pods == 10


def test_labels_and_taints_of_every_way_come_together() -> None:
    flags = '["--node-labels=a=b --register-with-taints=x:NoExecute"]'
    settings = accepted(
        document(
            'node-labels = {c = "d"}\nnode-taints = {y = "z:NoSchedule"}',
            f"[settings.kubelet]\nflags = {flags}\n",
        )
    )
    assert settings.kubernetes.node_labels == {"a": "b", "c": "d"}
    assert settings.kubernetes.node_taints == {"x": (Taint("", "NoExecute"),), "y": (Taint("z", "NoSchedule"),)}


def test_a_verdict_names_the_field_as_it_was_written() -> None:
    (found,) = check(document(rest='[settings.kubelet.config]\nmaxPods = "many"')).verdicts
    assert found.path == "settings.kubernetes.max-pods"
    assert found.source == "user data, kubelet.config.maxPods"


def test_the_drop_in_has_what_was_accepted() -> None:
    config = "maxPods = 0\nlogging = {verbosity = 9, format = 'json'}\npodsPerCore = 9\nregistryPullQPS = 7\n"
    text = document("log-level = 1", f"[settings.kubelet.config]\n{config}")
    assert drop_in(text) == {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "logging": {"verbosity": 1, "format": "json"},
        "maxPods": 110,
        "podsPerCore": 9,
        "registryPullQPS": 7,
    }


def test_a_refused_field_without_a_default_is_not_in_the_drop_in() -> None:
    assert lift.agreed({"podPidsLimit": "many", "x": 1}, {"maxPods": 110}) == {"x": 1}
    assert lift.agreed({"memorySwap": {"swapBehavior": "x"}}, {}) == {"memorySwap": {}}


def test_the_proxy_of_a_node_config_s_environment_is_the_proxy() -> None:
    settings = accepted(
        "[settings.environment.default]\nHTTPS_PROXY = 'http://proxy.example.com:3128'\nno_proxy = 'a, b'\nFOO = '1'\n"
        "[settings.environment.other]\nHTTPS_PROXY = 'http://elsewhere.example.com'\n"
        f"[settings.kubernetes]{MUST_HAVES}"
    )
    assert settings.network.https_proxy == "http://proxy.example.com:3128"
    assert settings.network.no_proxy == ("a", "b")
    assert settings.environment == {
        "default": {"FOO": "1"},
        "other": {"HTTPS_PROXY": "http://elsewhere.example.com"},
    }


def test_http_proxy_is_refused_wherever_it_stands() -> None:
    checked = check(document(rest="[settings.environment.kubelet]\nhttp_proxy = 'http://proxy.example.com'"))
    assert checked.settings is not None
    assert checked.settings.environment == {"kubelet": {}}
    assert "catch metadata" in checked.verdicts[0].message


@pytest.mark.parametrize(
    ("line", "path", "said"),
    [
        ('serializeImagePulls = "false"', "serializeImagePulls", "true or false, without quotes; it is left out"),
        ("podsPerCore = true", "podsPerCore", "must be an integer"),
        ("resolvConf = 1", "resolvConf", "must be text"),
        ('syncFrequency = "often"', "syncFrequency", "must be a duration"),
        ("tlsCipherSuites = ['a']", "tlsCipherSuites", "must be a list of cipher suites"),
        ("featureGates = 1", "featureGates", "must be a table"),
        ('featureGates = {MemoryQoS = "true"}', "featureGates", "MemoryQoS: must be true or false, without quotes"),
        ("featureGates = {Accelerators = true}", "featureGates", "Accelerators: kubelet 1.36 has no such gate"),
        (
            "featureGates = {KubeletTracing = false}",
            "featureGates",
            "KubeletTracing: kubelet 1.36 has it fixed to true",
        ),
        ("featureGates = {GangScheduling = true}", "featureGates", "GangScheduling: it needs GenericWorkload"),
        (
            "featureGates = {WorkloadAwarePreemption = true, GangScheduling = true}",
            "featureGates",
            "Preemption: it needs",
        ),
        (
            "featureGates = {GracefulNodeShutdown = false}",
            "featureGates",
            "GracefulNodeShutdownBasedOnPodPriority needs",
        ),
        (
            "featureGates = {RotateKubeletServerCertificate = false}",
            "featureGates.RotateKubeletServerCertificate",
            "server-tls-bootstrap needs it",
        ),
        ('memoryReservationPolicy = "TieredReservation"', "memoryReservationPolicy", "needs featureGates.MemoryQoS"),
        (
            "enableSystemLogQuery = true\nenableSystemLogHandler = false",
            "enableSystemLogQuery",
            "needs enableSystemLogH",
        ),
        ("preloadedImagesVerificationAllowlist = ['a']", "preloadedImagesVerificationAllowlist", "needs imagePull"),
        (
            "logging = {format = 'json', vmodule = [{filePattern = 'a', verbosity = 3}]}",
            "logging.vmodule",
            "format text",
        ),
        ("cgroupsPerQOS = false", "cgroupsPerQOS", "enforceNodeAllocatable needs it"),
        (
            "reservedSystemCPUs = '0'\nkubeReservedCgroup = '/runtime.slice'",
            "kubeReservedCgroup",
            "there must be no reserved-cpus beside it, or kubelet would not start",
        ),
        ("reservedSystemCPUs = '0'\nsystemReservedCgroup = '/x'", "systemReservedCgroup", "no reserved-cpus beside it"),
        ("runOnce = true", "runOnce", "must be false"),
        ("port = 70000", "port", "must be an integer from 1 to 65535"),
        ("memoryThrottlingFactor = 3.5", "memoryThrottlingFactor", "must be a number above 0 and up to 1"),
        ('syncFrequency = "9999999999h"', "syncFrequency", "must be a duration"),
        ('syncFrequency = "\uff11s"', "syncFrequency", "must be a duration"),
        ('cpuCFSQuotaPeriod = "2s"', "cpuCFSQuotaPeriod", "must be a duration from 1ms to 1s"),
        ('podLogsDir = "/var//log"', "podLogsDir", "must be an absolute path"),
        ('enforceNodeAllocatable = ["pod"]', "enforceNodeAllocatable", "must be a list of pods"),
        ('authentication.webhook.cacheTTL = "nonsense"', "authentication", "cacheTTL: must be a duration"),
        ("authentication.webhook = 1", "authentication", "webhook: must be a table"),
        ('logging.format = "jsn"', "logging", "format: must be text or json"),
        (
            "shutdownGracePeriodByPodPriority = [1]",
            "shutdownGracePeriodByPodPriority",
            "must be a list of tables with priority",
        ),
        ("authentication = 1", "authentication", "must be a table"),
        ("maxPod = 58", "maxPod", "unknown key, passed on to kubelet; did you mean maxPods?"),
    ],
)
def test_a_field_of_another_type_would_keep_kubelet_from_starting(line: str, path: str, said: str) -> None:
    checked = check(document(rest=f"[settings.kubelet.config]\n{line}\n"))
    assert checked.settings is not None
    assert ("passed on" in said) == ("maxPod" in checked.settings.kubelet.config)
    (found,) = checked.verdicts
    assert found.path == f"settings.kubelet.config.{path}"
    assert said in found.message


@pytest.mark.parametrize(
    "line",
    ["serializeImagePulls = false", "podsPerCore = 9", 'syncFrequency = "1m0s"', 'runtimeRequestTimeout = "0"',
     "featureGates = {MemoryQoS = true}", "runOnce = false",
     "featureGates = {GangScheduling = true, GenericWorkload = true}",
     'featureGates = {MemoryQoS = true}\nmemoryReservationPolicy = "TieredReservation"',
     "cgroupsPerQOS = false\nenforceNodeAllocatable = []",
     'cpuCFSQuotaPeriod = "50ms"', 'podLogsDir = "/var/log/pods"', "logging = {flushFrequency = 5000000000}",
     'logging = {flushFrequency = "5s", format = "json"}', "imageMaximumGCAge = 0",
     'shutdownGracePeriod = "0"\nshutdownGracePeriodCriticalPods = 0', 'tlsCipherSuites = ["TLS_AES_128_GCM_SHA256"]',
     'evictionMinimumReclaim = {"memory.available" = "1Gi"}',
     "memoryThrottlingFactor = 0.9",
     'kubeReservedCgroup = "/runtime.slice"', 'reservedSystemCPUs = "0"\nenforceNodeAllocatable = ["pods"]',
     'reservedSystemCPUs = "0"\nkubeReservedCgroup = ""\nsystemReservedCgroup = ""',
     'enforceNodeAllocatable = ["none"]', 'enforceNodeAllocatable = ["pods", "kube-reserved-compressible"]',
     "tlsCurvePreferences = [29]", 'staticPodURLHeader = {a = ["b"]}'],
)  # fmt: skip
def test_a_field_of_its_type_stays(line: str) -> None:
    assert check(document(rest=f"[settings.kubelet.config]\n{line}\n")).verdicts == ()


@pytest.mark.parametrize(
    ("lines", "config", "kept", "said"),
    [
        ('reserved-cpus = "0"', 'enforceNodeAllocatable = ["pods", "kube-reserved", "system-reserved"]', ["pods"],
         "kube-reserved: there must be no reserved-cpus beside it; system-reserved: there must be no"),
        ("", 'enforceNodeAllocatable = ["kube-reserved", "system-reserved-compressible"]', ["kube-reserved"],
         "system-reserved-compressible: it needs settings.kubernetes.system-reserved, or kubelet would not start"),
        ('system-reserved.cpu = "100m"',
         'enforceNodeAllocatable = ["pods", "kube-reserved", "system-reserved"]\nkubeReservedCgroup = ""',
         ["pods", "system-reserved"], "kube-reserved: it needs kubeReservedCgroup, or"),
        ("", 'cgroupsPerQOS = false\nenforceNodeAllocatable = ["system-reserved"]', [], "it needs"),
    ],
)  # fmt: skip
def test_a_reservation_that_kubelet_cannot_enforce_is_left_out_of_those_it_is_to(
    lines: str, config: str, kept: list[str], said: str
) -> None:
    text = document(lines, f"[settings.kubelet.config]\n{config}\n")
    checked = check(text)
    (found,) = checked.verdicts
    assert (found.path, found.level) == ("settings.kubelet.config.enforceNodeAllocatable", "warning")
    assert said in found.message
    assert drop_in(text)["enforceNodeAllocatable"] == kept
    assert checked.accepted["kubelet"]["config"]["enforceNodeAllocatable"] == kept


def test_a_list_of_kubelet_s_configuration_takes_the_place_of_an_earlier_document_s() -> None:
    first = """kubelet: {config: {registerWithTaints: [{key: a, effect: NoSchedule}, {key: b, effect: NoSchedule}],
        reservedMemory: [{numaNode: 0, limits: {memory: 1Gi}}, {numaNode: 1, limits: {memory: 1Gi}}]}}"""
    second = """kubelet: {flags: ["--register-with-taints=d:NoExecute"],
        config: {registerWithTaints: [{key: c, effect: NoExecute}],
        reservedMemory: [{numaNode: 0, limits: {memory: 2Gi}}]}}"""
    head = "---\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n    "
    merged = kubernetes(f"{head}{first}\n{head}{second}\n")
    assert merged["node-taints"] == {"c": [":NoExecute"], "d": [":NoExecute"]}
    assert merged["memory-manager-reserved-memory"] == {"0": {"memory": "2Gi"}}
    assert set(kubernetes(f"{head}{first}\n")["node-taints"]) == {"a", "b"}


@pytest.mark.parametrize(
    "first",
    ['[settings.kubernetes.node-taints]\ndedicated = ["gpu:NoSchedule"]',
     '[settings.kubelet]\nflags = ["--register-with-taints=dedicated=gpu:NoSchedule"]'],
    ids=["a setting", "a flag"],
)  # fmt: skip
def test_a_list_of_kubelet_s_configuration_keeps_what_came_another_way(first: str) -> None:
    """As Karpenter appends a NodeConfig of its own to the user's data, whatever that is."""
    second = (
        '[settings.kubelet.config]\nregisterWithTaints = [{key = "karpenter.sh/unregistered", effect = "NoExecute"}]'
    )
    documents = [each for text in (first, second) for each in userdata.decode(text.encode(), text[:9])]
    assert merge(documents).settings["kubernetes"]["node-taints"] == {
        "dedicated": ["gpu:NoSchedule"],
        "karpenter.sh/unregistered": [":NoExecute"],
    }


def test_what_is_a_setting_is_shown_as_that_only() -> None:
    config = "maxPods = 0\nlogging.verbosity = 9\nevictionHard = {'memory.available' = 'much'}\n"
    checked = check(document(rest=f"[settings.kubelet.config]\n{config}"))
    assert checked.accepted["kubernetes"]["max-pods"] == 110
    assert checked.accepted["kubernetes"]["log-level"] == 9
    assert "eviction-hard" not in checked.accepted["kubernetes"]
    assert "kubelet" not in checked.accepted
    checked = check(document(rest=f"[settings.kubelet.config]\n{config}podsPerCore = 9\nlogging.format = 'json'\n"))
    assert checked.accepted["kubelet"]["config"] == {"podsPerCore": 9, "logging": {"format": "json"}}


@pytest.mark.parametrize("written", [{"full-pcpus-only": ["true"]}, {"full-pcpus-only": {}}, ["full-pcpus-only"], 1])
def test_options_of_another_shape_are_a_verdict_and_no_traceback(written: object) -> None:
    document = Document("user data", {"kubelet": {"config": {"cpuManagerPolicyOptions": written}}})
    assert list(lift.lifted(document))


@pytest.mark.parametrize("flag", ["--system-reserved-cgroup", "--node-labels", "--max-pods"])
def test_a_flag_that_lacks_its_value_is_left_out_with_a_warning(flag: str) -> None:
    text = document(rest=f"[settings.kubelet]\nflags = ['{flag}']\n")
    (verdict,) = check(text).verdicts
    assert verdict.message.startswith(f"{flag} is left out")
    assert accepted(text).kubelet.config == {}


def test_what_a_flag_reserves_can_be_enforced() -> None:
    flags = '["--system-reserved=cpu=100m,memory=100Mi", "--enforce-node-allocatable=pods,system-reserved"]'
    text = document(rest=f"[settings.kubelet]\nflags = {flags}\n")
    assert check(text).verdicts == ()
    assert accepted(text).kubernetes.system_reserved == {"cpu": "100m", "memory": "100Mi"}
    assert drop_in(text)["enforceNodeAllocatable"] == ["pods", "system-reserved"]
