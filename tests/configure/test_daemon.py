"""Whole passes against a metadata service, below a root of their own."""

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from configure import trees
from configure.killed import tree
from configure.samples import API_SERVER, GOLDEN, INSTANCE, PEM, base64_of, document

from agent.configure import daemon, render, reserves
from agent.errors import FailedError, SettingsError
from world import imds, waiting
from world.metadata import Fault, Metadata

MAC = "02:00:00:00:00:01"
IDENTITY = {
    "accountId": INSTANCE.account_id,
    "availabilityZone": INSTANCE.availability_zone,
    "imageId": INSTANCE.image_id,
    "instanceId": INSTANCE.instance_id,
    "instanceType": INSTANCE.instance_type,
    "region": INSTANCE.region,
}


@pytest.fixture
def metadata() -> Metadata:
    return Metadata({
        "dynamic/instance-identity/document": json.dumps(IDENTITY),
        "meta-data/local-hostname": "ip-10-0-0-20.us-west-2.compute.internal",
        "meta-data/local-ipv4": "10.0.0.20",
        "meta-data/mac": MAC,
        f"meta-data/network/interfaces/macs/{MAC}/vpc-ipv4-cidr-blocks": "10.0.0.0/16\n10.1.0.0/16",
        "meta-data/services/domain": "amazonaws.com",
        "user-data": document('cluster-dns-ip = "172.20.0.10"'),
    })  # fmt: skip


@pytest.fixture
def url(metadata: Metadata) -> Iterator[str]:
    with imds.serving(metadata) as url:
        yield url


def configure(root: Path, url: str) -> dict[str, object]:
    daemon.configure(root, url, dry_run=False)
    return status(root)


def status(root: Path) -> dict[str, object]:
    body: dict[str, object] = json.loads((root / "run/node-agent/configure.json").read_text())
    return body


def snapshot(root: Path) -> dict[str, tuple[int, int, bytes]]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_pass_renders_a_tree_and_says_who_the_node_is(tmp_path: Path, url: str) -> None:
    body = configure(tmp_path, url)
    assert body["state"] == "ok"
    assert body["nodeName"] == "i-0123456789abcdef0"
    assert body["providerId"] == "aws:///us-west-2a/i-0123456789abcdef0"
    assert body["region"] == "us-west-2"
    assert body["clusterName"] == "demo"
    assert body["apiServer"] == API_SERVER
    assert body["userData"] == "ok"
    config = json.loads((tmp_path / "etc/kubernetes/kubelet/config.json").read_text())
    assert config["kubeReserved"]["cpu"] == f"{reserves.cpu_millicores(os.cpu_count() or 1)}m"
    assert (tmp_path / "etc/hostname").read_text() == "ip-10-0-0-20.us-west-2.compute.internal\n"
    assert stat.S_IMODE((tmp_path / "etc/kubernetes/kubelet/kubeconfig").stat().st_mode) == 0o600


DUPLICATES = document(
    rest="""
[[settings.container-registry.mirrors]]
registry = "docker.io"
endpoint = ["https://one.example.com"]
[[settings.container-registry.mirrors]]
registry = "docker.io"
endpoint = ["https://two.example.com"]
[[settings.container-registry.credentials]]
registry = "docker.io"
auth = "b25lOm9uZQ=="
[[settings.container-registry.credentials]]
registry = "registry-1.docker.io"
auth = "dHdvOnR3bw=="
[settings.environment.kubelet]
A = "1"
[settings.environment."kubelet.service"]
B = "2"
"""
)
SENT = {name: path.read_bytes() for name, path in trees.SOURCES.items()} | {"duplicates": DUPLICATES.encode()}


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
def test_a_second_pass_writes_nothing(tmp_path: Path, url: str, metadata: Metadata, sent: bytes) -> None:
    metadata.set("user-data", sent)
    configure(tmp_path, url)
    before = snapshot(tmp_path)
    configure(tmp_path, url)
    assert snapshot(tmp_path) == before


def test_a_file_that_is_rendered_no_more_goes(tmp_path: Path, url: str) -> None:
    store = tmp_path / "etc/ssl/certs/ca-certificates.crt"
    bundle = tmp_path / "usr/share/node-agent/ca-bundle.crt"
    bundle.parent.mkdir(parents=True)
    bundle.write_text("# public\n")
    configure(tmp_path, url)
    assert store.read_text() == "# public\n"
    bundle.unlink()
    foreign = store.with_name("foreign.crt")
    foreign.write_text("not ours")
    configure(tmp_path, url)
    assert not store.exists()
    assert foreign.exists()


@pytest.mark.parametrize("spoilt", ["{", "{}", "[1]", "null", '"x"', '{"files": 5}', '{"files": [{}], "due": [1]}'])
def test_a_record_that_somebody_spoilt_does_not_keep_the_node_out(tmp_path: Path, url: str, spoilt: str) -> None:
    configure(tmp_path, url)
    (tmp_path / "etc/node-agent/rendered.json").write_text(spoilt)
    daemon.configure(tmp_path, url, dry_run=True)
    assert configure(tmp_path, url)["state"] == "ok"
    assert json.loads((tmp_path / "etc/node-agent/rendered.json").read_text())["files"]


@pytest.mark.parametrize(
    ("user_data", "state", "path", "said"),
    [
        (b"#!/bin/sh\n", "invalid", "", "a shell script"),
        (document().replace("api-server", "api-sevrer"), "invalid", "settings.kubernetes.api-server", "missing"),
        (re.sub(r'(cluster-certificate = ").*', r'\1bm90IGE="', document()), "invalid",
         "settings.kubernetes.cluster-certificate", "not X.509"),
        (None, "absent", "settings.kubernetes.api-server", "missing"),
    ],
    ids=["not TOML", "missing", "no certificate", "no user data"],
)  # fmt: skip
def test_bad_user_data_writes_nothing_but_the_reason(
    tmp_path: Path, url: str, metadata: Metadata, user_data: str | bytes | None, state: str, path: str, said: str
) -> None:
    configure(tmp_path, url)
    before = snapshot(tmp_path / "etc")
    if user_data is None:
        metadata.remove("user-data")
    else:
        metadata.set("user-data", user_data)
    with pytest.raises(SettingsError, match=said) as raised:
        daemon.configure(tmp_path, url, dry_run=False)
    assert raised.value.exit_status == 78
    assert path in str(raised.value)
    body = status(tmp_path)
    assert (body["state"], body["userData"]) == ("failed", state)
    assert body["nodeName"] == "i-0123456789abcdef0"
    verdicts = body["verdicts"]
    assert isinstance(verdicts, list)
    assert (verdicts[0]["path"], verdicts[0]["level"]) == (path, "error")
    assert snapshot(tmp_path / "etc") == before


def test_the_status_says_also_what_nobody_foresaw_and_quotes_nothing_of_it(tmp_path: Path, url: str) -> None:
    configure(tmp_path, url)
    (tmp_path / "var/lib/node-agent/identity.json").write_text("[" * 100_000)
    with pytest.raises(RecursionError):
        daemon.configure(tmp_path, url, dry_run=False)
    body = status(tmp_path)
    assert (body["state"], body["message"]) == ("failed", "a defect of the agent: RecursionError")


def test_local_overrides_win_in_the_order_of_their_names(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "etc/node-agent/conf.d"
    folder.mkdir(parents=True)
    (folder / "20-b.toml").write_text("[settings.kubernetes]\nmax-pods = 20\n")
    (folder / "10-a.toml").write_text('[settings.kubernetes]\nmax-pods = 10\nmax-podz = 1\ncluster-name = "other"\n')
    (folder / "30-c.conf").write_text("not read")
    body = configure(tmp_path, url)
    config = json.loads((tmp_path / "etc/kubernetes/kubelet/config.json").read_text())
    assert (config["maxPods"], body["clusterName"]) == (20, "other")
    sources = {verdict["source"] for verdict in body["verdicts"]}  # type: ignore[attr-defined]
    assert "/etc/node-agent/conf.d/10-a.toml" in sources


def test_what_is_said_of_rendered_settings_names_where_they_come_from(
    tmp_path: Path, url: str, metadata: Metadata
) -> None:
    metadata.set("user-data", document(rest=f'[settings.pki.a]\ndata = "{base64_of(PEM["corporate"])}"'))
    folder = tmp_path / "etc/node-agent/conf.d"
    folder.mkdir(parents=True)
    (folder / "a.toml").write_text('[settings.kernel.sysctl]\n"vm.panic_on_oom" = "1"\n')
    verdicts = configure(tmp_path, url)["verdicts"]
    sources = {verdict["path"]: verdict["source"] for verdict in verdicts}  # type: ignore[attr-defined]
    assert sources["settings.pki.a.trusted"] == "user data"
    assert sources['settings.kernel.sysctl."vm.panic_on_oom"'] == "/etc/node-agent/conf.d/a.toml"


def test_an_override_that_cannot_be_read_is_skipped_and_said(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "etc/node-agent/conf.d"
    (folder / "20.toml").mkdir(parents=True)
    (folder / "10.toml").symlink_to("nowhere.toml")
    (folder / "30.toml").write_text("[settings.kubernetes]\nmax-pods = 30\n")
    body = configure(tmp_path, url)
    config = json.loads((tmp_path / "etc/kubernetes/kubelet/config.json").read_text())
    assert (body["state"], body["userData"], config["maxPods"]) == ("ok", "ok", 30)
    said = {verdict["source"]: verdict["message"] for verdict in body["verdicts"]}  # type: ignore[attr-defined]
    assert "No such file or directory: it is skipped" in said["/etc/node-agent/conf.d/10.toml"]
    assert "Is a directory: it is skipped" in said["/etc/node-agent/conf.d/20.toml"]


@dataclass
class Services:
    """What systemd would be told; `broken`: it does not do it."""

    restarted: list[tuple[str, ...]] = field(default_factory=list)
    broken: bool = False

    def take_up(self, changed: frozenset[str]) -> None:
        if self.broken:
            raise FailedError("systemctl try-restart: refused")
        self.restarted.append(render.restarts(changed))


def carry_out(root: Path, url: str, services: Services) -> None:
    inputs = daemon.read_patiently(root, url)
    assert inputs.checked.settings is not None
    daemon.carry_out(
        inputs, render.render(inputs.checked.settings, inputs.facts, inputs.checked.accepted), root, services.take_up
    )


PROXY = '[settings.network]\nhttps-proxy = "http://proxy.example.com:3128"'
BOTH = ("containerd.service", "kubelet.service")


def test_a_changed_proxy_restarts_what_reads_it_once(tmp_path: Path, url: str, metadata: Metadata) -> None:
    carry_out(tmp_path, url, Services())
    metadata.set("user-data", document(rest=PROXY))
    services = Services()
    for _ in range(3):
        carry_out(tmp_path, url, services)
    assert services.restarted == [BOTH, (), ()]


def test_a_restart_that_failed_is_made_up_for_by_the_next_run(tmp_path: Path, url: str, metadata: Metadata) -> None:
    carry_out(tmp_path, url, Services())
    metadata.set("user-data", document(rest=PROXY))
    for _ in range(2):
        with pytest.raises(FailedError):
            carry_out(tmp_path, url, Services(broken=True))
    services = Services()
    for _ in range(2):
        carry_out(tmp_path, url, services)
    assert services.restarted == [BOTH, ()]


def test_the_vpc_s_networks_are_asked_for_only_where_something_follows_from_them(
    tmp_path: Path, url: str, metadata: Metadata
) -> None:
    configure(tmp_path, url)
    assert not [request for request in metadata.requests if "cidr-blocks" in request.path]
    metadata.set("user-data", document(rest='[settings.network]\nhttps-proxy = "http://proxy.example.com:3128"'))
    configure(tmp_path, url)
    assert ",10.0.0.0/16,10.1.0.0/16," in (tmp_path / "etc/network/proxy.env").read_text()


def test_a_dry_run_prints_the_difference_and_writes_nothing(
    tmp_path: Path, url: str, metadata: Metadata, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, url)
    before = snapshot(tmp_path)
    capsys.readouterr()
    daemon.configure(tmp_path, url, dry_run=True)
    assert "+++ " not in capsys.readouterr().out
    metadata.set("user-data", document('cluster-dns-ip = "172.20.0.10"\nmax-pods = 58'))
    daemon.configure(tmp_path, url, dry_run=True)
    lines = capsys.readouterr().out.splitlines()
    assert '-  "maxPods": 110,' in lines
    assert '+  "maxPods": 58,' in lines
    assert snapshot(tmp_path) == before


def test_single_files_and_hash_links_of_a_distrusted_certificate_go(
    tmp_path: Path, url: str, metadata: Metadata
) -> None:
    folder = tmp_path / "etc/ssl/certs"
    folder.mkdir(parents=True)
    for name in ("corporate", "leaf"):
        (folder / f"{name}.pem").write_text(PEM[name])
    (folder / "0a1b2c3d.0").symlink_to("corporate.pem")
    (folder / "0a1b2c3d.1").symlink_to("0a1b2c3d.0")
    (folder / "dangling.0").symlink_to("nowhere.pem")
    (folder / "loop.0").symlink_to("loop.0")
    configure(tmp_path, url)
    assert (folder / "corporate.pem").exists()
    bundle = f'[settings.pki.bad]\ndata = "{base64_of(PEM["corporate"])}"\n'
    metadata.set("user-data", document('cluster-dns-ip = "172.20.0.10"', bundle))
    configure(tmp_path, url)
    assert {path.name for path in folder.iterdir()} == {"leaf.pem", "dangling.0", "loop.0"}


def identity(root: Path) -> Path:
    return root / "var/lib/node-agent/identity.json"


def kubelet_state(root: Path, policy: str = "none") -> Path:
    """Lay kubelet's state out as an instance leaves it on the data volume."""
    state = root / "var/lib/kubelet"
    (state / "pki").mkdir(parents=True)
    (state / "pki/kubelet-server-current.pem").write_text("of another node")
    (state / "pods/0a1b/volumes").mkdir(parents=True)
    (state / "cpu_manager_state").write_text(json.dumps({"policyName": policy, "checksum": 1}))
    (root / "var/lib/containerd").mkdir(parents=True)
    return state


def test_another_instance_drops_what_kubelet_kept_and_keeps_the_images(
    tmp_path: Path, url: str, metadata: Metadata
) -> None:
    configure(tmp_path, url)
    state = kubelet_state(tmp_path)
    configure(tmp_path, url)
    assert (state / "pki/kubelet-server-current.pem").exists()
    metadata.set("dynamic/instance-identity/document", json.dumps({**IDENTITY, "instanceId": "i-0fedcba9876543210"}))
    body = configure(tmp_path, url)
    assert (body["nodeName"], body["providerId"]) == ("i-0fedcba9876543210", "aws:///us-west-2a/i-0fedcba9876543210")
    assert list(state.iterdir()) == []
    assert (tmp_path / "var/lib/containerd").exists()
    assert "i-0123456789abcdef0" not in "".join(
        path.read_text() for path in (tmp_path / "etc").rglob("*") if path.is_file()
    )


@pytest.mark.parametrize(
    ("policy", "setting", "goes"),
    [
        ("none", 'cpu-manager-policy = "static"', True),
        ("none", "max-pods = 50", True),
        ("none", 'container-log-max-size = "20Mi"', False),
    ],
    ids=["policy", "reservation", "neither"],
)
def test_state_of_another_policy_goes(
    tmp_path: Path, url: str, metadata: Metadata, policy: str, setting: str, goes: bool
) -> None:
    configure(tmp_path, url)
    state = kubelet_state(tmp_path, policy)
    metadata.set("user-data", document(f'cluster-dns-ip = "172.20.0.10"\n{setting}'))
    configure(tmp_path, url)
    assert (state / "cpu_manager_state").exists() is not goes
    assert (state / "pki/kubelet-server-current.pem").exists()


def test_without_a_record_only_a_state_of_another_policy_goes(tmp_path: Path, url: str) -> None:
    state = kubelet_state(tmp_path, "static")
    configure(tmp_path, url)
    assert not (state / "cpu_manager_state").exists()
    assert (state / "pki/kubelet-server-current.pem").exists()
    assert json.loads(identity(tmp_path).read_text())["instance_id"] == "i-0123456789abcdef0"


@pytest.fixture
def memory() -> Iterator[Path]:
    """Return a folder on tmpfs, for hundreds of runs: fsync(2) waits for nothing there."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_a_run_that_is_killed_anywhere_is_made_up_for_by_the_next(memory: Path, url: str, metadata: Metadata) -> None:
    """The second service is another instance's, with other user data: files change and go, and so does state.

    What reads them is restarted by the one run or by the other.
    """
    resolver, server = '[settings.dns]\nname-servers = ["10.0.0.2"]', '[settings.ntp]\ntime-servers = ["10.0.0.3"]'
    metadata.set("user-data", document('cluster-dns-ip = "172.20.0.10"\nlog-level = 4', resolver))
    other = Metadata({**metadata.tree(), "user-data": document('cluster-dns-ip = "172.20.0.10"', f"{server}\n{PROXY}")})
    other.set("dynamic/instance-identity/document", json.dumps({**IDENTITY, "instanceId": "i-0fedcba9876543210"}))
    with imds.serving(other) as after:
        argv = [sys.executable, str(Path(__file__).with_name("killed.py")), str(memory), url, after]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 20


def test_runs_at_once_leave_one_tree(memory: Path, url: str) -> None:
    configure(memory / "clean", url)
    argv = [sys.executable, "-m", "agent", "configure", "--root", str(memory / "busy"), "--imds", url]
    runs = [subprocess.Popen(argv, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [run.wait(60) for run in runs] == [0] * 4
    assert tree(memory / "busy") == tree(memory / "clean")
    assert not list((memory / "busy").rglob(".node-agent"))


def test_a_wrong_clock_is_waited_for_and_then_said(tmp_path: Path, url: str, metadata: Metadata) -> None:
    metadata.clock_ahead = 3 * 3600
    inputs = daemon.read_patiently(tmp_path, url, clock_within=1)
    assert inputs.facts.instance.instance_id == "i-0123456789abcdef0"
    body = status(tmp_path)
    assert body["state"] == "waiting"
    assert re.search(r"the node's clock is (3 h|2 h 59 min) behind", str(body["message"]))


def test_a_clock_that_gets_right_is_waited_for_no_longer(tmp_path: Path, url: str, metadata: Metadata) -> None:
    metadata.clock_ahead = 3 * 3600
    report = tmp_path / "run/node-agent/configure.json"

    def correct_once_it_is_said() -> None:
        try:
            waiting.until(report.exists, 20, "configure says what it waits for", interval=0.02)
        finally:
            metadata.clock_ahead = 0

    corrector = threading.Thread(target=correct_once_it_is_said)
    corrector.start()
    daemon.read_patiently(tmp_path, url, clock_within=60)
    corrector.join()
    assert "clock" in str(status(tmp_path)["message"])


POD = """
apiVersion: v1
kind: Pod
metadata: {name: x}
spec: {containers: [{name: x, image: y, env: [{name: SOMETHING, value: hunter2pod}]}]}
"""
PLANTED = f"""
[settings.network]
https-proxy = "http://u:hunter2proxy@p.example.com:1"
[settings.environment.kubelet]
ANY = "hunter2environment"
[settings.kubernetes.static-pods.a]
enabled = true
manifest = "{base64_of(POD)}"
[settings.kubernetes.credential-providers.ecr-credential-provider]
enabled = true
environment = {{ ANY = "hunter2provider" }}
[[settings.container-registry.credentials]]
registry = "docker.io"
username = "u"
password = "hunter2registry"
[[settings.container-registry.mirrors]]
registry = "docker.io"
endpoint = ["https://u:hunter2mirror@m.example.com"]
[settings.kernel.sysctl]
"net.ipv6.conf.all.stable_secret" = "hunter2sysctl"
[settings.kubelet]
flags = ["--some-token=hunter2flag"]
[settings.kubelet.config]
clientSecret = "hunter2kubelet"
headers = {{ Authorization = ["Basic hunter2header"], other = ["--password", "hunter2word"] }}
passwords = {{ database-password = {{ value = "hunter2nested" }} }}
[settings.containerd.config.plugins."io.containerd.grpc.v1.cri".registry.configs."r.example.com"]
auth = {{ username = "u", password = "hunter2containerd" }}
[settings.containerd.base-runtime-spec.process]
env = ["DB_PASSWORD=words of hunter2spec"]
extra = [{{ name = "DB_PASSWORD", value = "hunter2pair" }}]
[settings.bootstrap-commands.a]
commands = [["apiclient", "--password", "hunter2command"]]
mode = "always"
"""


def test_no_planted_secret_is_printed(
    tmp_path: Path, url: str, metadata: Metadata, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "usr/libexec/kubernetes/kubelet/plugins/ecr-credential-provider"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    given = tmp_path / "user-data.toml"
    given.write_text(document(rest=PLANTED))
    for as_json in (True, False):
        assert daemon.check([given], as_json=as_json)
    metadata.set("user-data", given.read_text())
    daemon.configure(tmp_path, url, dry_run=True)
    configure(tmp_path, url)
    metadata.set("user-data", given.read_text().replace("hunter2", "Hunter3"))
    daemon.configure(tmp_path, url, dry_run=True)
    metadata.set("user-data", document())
    daemon.configure(tmp_path, url, dry_run=True)
    printed = capsys.readouterr()
    said = (tmp_path / "run/node-agent/configure.json").read_text() + printed.out + printed.err
    assert re.findall(".*(?:hunter2|Hunter3).*", said) == []
    assert base64_of(POD) not in said


def test_no_secret_of_the_user_data_is_said(
    tmp_path: Path, url: str, metadata: Metadata, capsys: pytest.CaptureFixture[str]
) -> None:
    metadata.set("user-data", (GOLDEN / "every-setting/user-data.toml").read_bytes())
    configure(tmp_path, url)
    metadata.set("user-data", document(rest='[settings.network]\nhttps-proxy = "http://u:hunter2@p:1/path"'))
    daemon.configure(tmp_path, url, dry_run=True)
    configure(tmp_path, url)
    printed = capsys.readouterr()
    said = (tmp_path / "run/node-agent/configure.json").read_text() + printed.out + printed.err
    assert "settings.network.https-proxy" in said
    assert "hunter2" not in said


def test_metadata_that_refuses_is_said_in_the_status(tmp_path: Path, url: str, metadata: Metadata) -> None:
    metadata.fault("user-data", Fault(status=400))
    with pytest.raises(FailedError, match="user-data"):
        daemon.configure(tmp_path, url, dry_run=False)
    body = status(tmp_path)
    assert body["state"] == "failed"
    assert body["nodeName"] is None


def test_late_metadata_is_waited_for_and_the_status_says_so(tmp_path: Path, url: str, metadata: Metadata) -> None:
    metadata.fault("dynamic", Fault(status=503))
    report = tmp_path / "run/node-agent/configure.json"

    def heal_once_it_is_said() -> None:
        try:
            waiting.until(report.exists, 20, "configure says what it waits for", interval=0.02)
        finally:
            metadata.heal()  # or the main thread would wait for ever

    healer = threading.Thread(target=heal_once_it_is_said)
    healer.start()
    inputs = daemon.read_patiently(tmp_path, url, each_within=0.5)
    healer.join()
    assert inputs.facts.instance == replace(INSTANCE, ipv6=None)
    body = status(tmp_path)
    assert (body["state"], body["nodeName"]) == ("waiting", None)
    assert "503" in str(body["message"])


def test_check_merges_files_and_tells_whether_a_node_could_join(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, more, bad = (tmp_path / name for name in ("good.toml", "more.toml", "bad.toml"))
    good.write_text(document())
    more.write_text("[settings.kubernetes]\nmax-pods = 58\n")
    bad.write_text("nothing")
    assert daemon.check([good, more], as_json=True)
    assert json.loads(capsys.readouterr().out)["settings"]["kubernetes"]["max-pods"] == 58
    assert not daemon.check([good, bad], as_json=False)
    assert "error: bad.toml: not TOML" in capsys.readouterr().out
    with pytest.raises(FailedError, match="No such file"):
        daemon.check([tmp_path / "none"], as_json=False)
