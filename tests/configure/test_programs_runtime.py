"""What the real containerd and the real kubelet say of the rendered trees: both exit at once on what they cannot take.

They run in a root of their own with the containerd of the node image's release, without a network and without the
kernel settings of a node, for which kubelet gives up in the end: what counts is how far it comes.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from configure.samples import document
from configure.trees import SOURCES, rendered, rendered_of

from agent.configure import flags, gates
from agent.host import files
from tools import binary, enter_command, trees
from world import waiting

CONFIG_DUMP = """
cd "$1"
for tree in *; do
  rm -rf /etc/containerd && cp -r "$tree/etc/containerd" /etc/ && echo "== $tree"
  containerd config dump 2>&1
done
"""
# The group hierarchy of the host may be that of version 1, which kubelet does not take any more.
KUBELET = """
umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && ip link set lo up
cp -r "$1/etc/." /etc/ && echo 0123456789abcdef0123456789abcdef >/etc/machine-id
plugins=/usr/libexec/kubernetes/kubelet/plugins
mkdir -p "$plugins" && cp /usr/bin/true "$plugins/ecr-credential-provider"
containerd --log-level warn &
until [ -S /run/containerd/containerd.sock ]; do sleep 0.1; done
. /etc/kubernetes/kubelet/flags.env
exec "$2" $KUBELET_FLAGS
"""
# Said after "Started kubelet", once what is reserved has been compared with what there is.
LOOKED = '"Failed to start ContainerManager"'


def inside(script: str, *words: Path) -> list[str]:
    """Return the command line that runs a script in the root, and ends what it started when it is ended itself."""
    argv = enter_command(["sh", "-c", script, "sh", *map(str, words)], words, tree=trees.runtime_root())
    return ["unshare", "--net", "--pid", "--fork", "--kill-child", "--", *argv]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trees")
    for name in SOURCES:
        files.write_files(rendered(name), root=folder / name)
    return folder


@pytest.fixture(scope="module")
def dumped(folder: Path) -> dict[str, str]:
    """Return what `containerd config dump` makes of every tree."""
    done = subprocess.run(inside(CONFIG_DUMP, folder), capture_output=True, text=True, check=False, timeout=120)
    parts = done.stdout.split("== ")[1:]
    return {name: text for name, _, text in (part.partition("\n") for part in parts)}


@pytest.mark.parametrize("name", SOURCES)
def test_containerd_takes_its_configuration(name: str, dumped: dict[str, str]) -> None:
    assert "version = 2" in dumped[name]
    assert "SystemdCgroup = true" in dumped[name]
    assert "level=warning" not in dumped[name]


def test_containerd_sees_what_was_set(dumped: dict[str, str]) -> None:
    dump = dumped["every-setting"]
    for line in (
        'config_path = "/etc/containerd/certs.d"',
        'base_runtime_spec = "/etc/containerd/base-runtime-spec.json"',
        "enable_unprivileged_ports = true",
        'level = "debug"',
        "max_concurrent_downloads = 5",
        'snapshotter = "native"',
        'configs."registry-1.docker.io".auth]',
    ):
        assert line in dump


@contextmanager
def running(tree: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    kubelet = binary("kubelet")
    with log.open("wb") as output:
        process = subprocess.Popen(inside(KUBELET, tree, kubelet), stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()  # and with it, by --kill-child, all that runs inside
            process.wait()


def logged(tree: Path, log: Path) -> list[str]:
    """Return what kubelet logs until it has looked at its whole configuration, or gives up."""
    with running(tree, log) as process:
        waiting.until(lambda: process.poll() is not None or LOOKED in log.read_text(), 60, "kubelet starts or gives up")
    return log.read_text().splitlines()


def assert_started(lines: list[str]) -> None:
    """Nothing but the kernel's settings, which are not a node's here, stops the container manager."""
    stopped = [line for line in lines if LOOKED in line]
    assert stopped, "\n".join(line for line in lines if "FLAG:" not in line)
    assert re.fullmatch(r'.*err="\[(invalid kernel flag: [^,]*, expected value: [^,]*, actual value: [^,]*(, |\]"))+.*',
                        stopped[0]), stopped[0]  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_kubelet_starts(name: str, folder: Path, tmp_path: Path) -> None:
    lines = logged(folder / name, tmp_path / "log")
    assert_started(lines)
    assert not [line for line in lines if "unknown field" in line or "has been deprecated" in line]


STATIC = 'cpu-manager-policy = "static"\n'
CONFIG = "[settings.kubelet.config]\n"
REGISTRY = '[settings.containerd.config.plugins."io.containerd.grpc.v1.cri".registry]\n'


@pytest.mark.parametrize(
    ("lines", "rest"),
    [
        ('kube-reserved = {memory = "100ki"}', ""),
        ('image-minimum-gc-age = "\uff11\uff10s"', ""),
        ('image-minimum-gc-age = "9999999999h"', ""),
        ('image-maximum-gc-age = "0"', ""),
        ('reserved-cpus = "3-1"', ""),
        ('reserved-cpus = "0-63"', ""),
        ('allowed-unsafe-sysctls = ["vm.max_map_count", "net..core*", "net.core.*", "kernel.shm*", "kernel.sem"]', ""),
        ('memory-manager-policy = "Static"', ""),
        ('memory-manager-policy = "Static"\nmemory-manager-reserved-memory.0 = {memory = "1565Mi"}', ""),
        ('memory-manager-policy = "Static"\n'
         'memory-manager-reserved-memory.0 = {memory = "1565Mi", hugepages-2Mi = "2Mi"}', ""),
        ('memory-manager-reserved-memory.0 = {memory = "0"}', ""),
        (f'{STATIC}cpu-manager-policy-options = ["align-by-socket", "full-pcpus-only"]', ""),
        (f'{STATIC}cpu-manager-policy-options = ["align-by-socket"]',
         f"{CONFIG}featureGates.CPUManagerPolicyAlphaOptions = true"),
        (f'{STATIC}cpu-manager-policy-options = ["distribute-cpus-across-cores"]', ""),
        (f'{STATIC}kube-reserved = {{cpu = "0"}}', ""),
        ("max-parallel-image-pulls = 4", f"{CONFIG}serializeImagePulls = true"),
        ("", f"{CONFIG}shutdownGracePeriodByPodPriority = [{{priority = 0, shutdownGracePeriodSeconds = 60}}]"),
        ("", f"{CONFIG}shutdownGracePeriod = 0\nshutdownGracePeriodCriticalPods = 0"),
        ("", f"{CONFIG}featureGates = {{KubeletCredentialProviders = true, KubeletTracing = false}}"),
        ("", '[settings.kubelet]\nflags = ["--cloud-provider=aws", "--allow-privileged=true", "--made-up", "--runonce",'
             ' "--feature-gates=Accelerators=true", "--max-open-files", "--serialize-image-pulls=maybe"]'),
        ("", f"{CONFIG}memoryThrottlingFactor = 3.5"),
        ("", f'{CONFIG}authentication.webhook.cacheTTL = "nonsense"'),
        ("", f'{CONFIG}logging.format = "jsn"'),
        ("", f'{CONFIG}port = 70000\nrunOnce = true\nhairpinMode = "x"\nenforceNodeAllocatable = ["x"]'),
        ('system-reserved = {memory = "9000Gi"}', ""),
        ('container-log-max-size = "1m"\nids-per-pod = 196608', ""),
        ("max-pods = 65536", ""),
        (f'{STATIC}cpu-manager-policy-options = ["prefer-align-cpus-by-uncorecache", "distribute-cpus-across-numa"]',
         ""),
        ("", f"{CONFIG}featureGates = {{GangScheduling = true, GracefulNodeShutdown = false}}"),
        ("", f"{CONFIG}featureGates.RotateKubeletServerCertificate = false\ncgroupsPerQOS = false"),
        ("", f'{CONFIG}memoryReservationPolicy = "TieredReservation"\npreloadedImagesVerificationAllowlist = ["a"]\n'
             'tlsCipherSuites = ["a"]\ntlsCurvePreferences = [1]\nshowHiddenMetricsForVersion = "1.1"\n'
             'enableSystemLogQuery = true\nenableSystemLogHandler = false\naddress = "x"\n'
             'crashLoopBackOff.maxContainerRestartPeriod = "1h"'),
        ("", f'{CONFIG}logging.vmodule = [{{filePattern = "a", verbosity = -3}}]\n'
             'evictionMinimumReclaim = {"foo" = "1Gi"}\nshutdownGracePeriodByPodPriority = [{priority = "x"}]\n'
             'enforceNodeAllocatable = ["pods", "pods"]'),
        ("", f'{CONFIG}reservedSystemCPUs = "0"\nsystemReservedCgroup = "/system.slice"\n'
             'kubeReservedCgroup = "/runtime.slice"'),
        ('reserved-cpus = "0"', f'{CONFIG}enforceNodeAllocatable = ["pods", "kube-reserved", "system-reserved"]'),
        ("", f'{CONFIG}enforceNodeAllocatable = ["pods", "kube-reserved"]\nkubeReservedCgroup = ""'),
        ('reserved-cpus = "0"', '[settings.kubelet]\nflags = ["--enforce-node-allocatable=pods,kube-reserved",'
         ' "--kube-reserved-cgroup=/runtime.slice", "--system-reserved-cgroup=/system.slice"]'),
        ("", f'{REGISTRY}mirrors."docker.io".endpoint = ["https://mirror.example.com"]'),
        ("", f'{REGISTRY}config_path = ""\nmirrors."docker.io".endpoint = ["https://mirror.example.com"]'),
        ("", f'{REGISTRY}configs."registry.example".tls.insecure_skip_verify = true'),
    ],
)  # fmt: skip
def test_kubelet_starts_with_what_is_left_of(lines: str, rest: str, tmp_path: Path) -> None:
    files.write_files(rendered_of(document(lines, rest).encode()), root=tmp_path / "tree")
    assert_started(logged(tmp_path / "tree", tmp_path / "log"))


@pytest.fixture(scope="module")
def kubelet_help() -> str:
    return subprocess.run([binary("kubelet"), "--help"], capture_output=True, text=True, check=True, timeout=60).stdout


def test_kubelet_has_the_flags_that_it_is_given(kubelet_help: str) -> None:
    has = dict(re.findall(r"^ +(?:-[a-z], )?--([a-z0-9-]+)(?: (\S+))?", kubelet_help, re.MULTILINE))
    types = {"": "true or false", "int": "an integer", "int32": "an integer", "Level": "an integer",
             "RuntimeDefault": "true or false", "duration": "a duration such as 1m30s"}  # fmt: skip
    known = {name: says for name, (says, _) in flags.FLAGS.items()}
    assert known == {name: types.get(kind, "text") for name, kind in has.items() if name not in flags.ENDING}


def test_kubelet_has_the_feature_gates_that_it_is_given(kubelet_help: str) -> None:
    told = dict(re.findall(r"^ +([A-Z]\w+)=true\|false \(.*default=(\w+)\)", kubelet_help, re.MULTILINE))
    assert {name for name, values in gates.VALUES.items() if len(values) == 2} >= set(told)
    # The help leaves out those whose value is fixed, and those that are to go.
    others = {name: str(values[0]).lower() for name, values in gates.VALUES.items() if len(values) == 1}
    wanted = ",".join(f"{name}={value}" for name, value in (told | others).items())
    done = subprocess.run(
        [binary("kubelet"), f"--feature-gates={wanted}", "--config=/nonexistent"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "failed to load kubelet config file, path: /nonexistent" in done.stderr
