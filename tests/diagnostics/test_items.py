import json

from hypothesis import given
from hypothesis import strategies as st

from agent.diagnostics import items

MOUNTINFO = (
    "36 35 0:30 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/a\\040b,workdir=/w\n"
    "37 35 0:31 / /x rw - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/a\\040b\n"
    "38 35 259:1 / /var rw,relatime - xfs /dev/nvme1n1 rw,attr2\n"
    "39 35 0:5 / /proc rw - proc proc rw\n"
)
DEVICES = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:   70368    1027    0    0    0     0          0         0    70368    1027    0
  eth0: 4811372    5532    0    0    0     0          0         0   463370    4316    0
"""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    max_leaves=5,
)


def argvs(steps: list[items.Step]) -> list[tuple[str, ...]]:
    return [step.argv for step in steps]


def test_each_interface_has_the_peers_block() -> None:
    steps = items.ethtool(DEVICES)
    assert argvs(steps) == [("ethtool", "-S", "lo"), ("ethtool", "-S", "eth0")]
    assert [step.title for step in steps] == ["Interface lo", "Interface eth0"]


def test_each_table_of_nftables_is_a_file() -> None:
    steps = items.nft_tables("table inet filter\ntable ip nat\nrubbish\n")
    assert [(step.name, step.argv[3:]) for step in steps] == [
        ("inet-filter", ("inet", "filter")),
        ("ip-nat", ("ip", "nat")),
    ]


@given(JSON)
def test_interfaces_may_be_anything(interfaces: object) -> None:
    assert items.link_files(json.dumps({"Interfaces": interfaces})) == []


def test_each_link_file_is_taken_once() -> None:
    path = "/usr/lib/systemd/network/80-ec2.link"
    found = {"Interfaces": [{"Name": "lo"}, {"LinkFile": path}, {"LinkFile": path}, {"LinkFile": None}]}
    (step,) = items.link_files(json.dumps(found))
    assert (step.name, step.argv) == ("80-ec2.link", ("systemd-analyze", "cat-config", path))
    assert items.link_files("no JSON") == items.link_files("[]") == []
    assert items.nothing(json.dumps(found)) == []
    (step,) = items.link_files(json.dumps({"Interfaces": [None, "a", {"LinkFile": 5}, {"LinkFile": path}]}))
    assert step.name == "80-ec2.link"


def test_the_first_container_of_the_cni_is_described() -> None:
    listed = "CONTAINER IMAGE RUNTIME\nabc r/pause:3 io\ndef r/amazon-k8s-cni:v1.20 io\nghi r/amazon-k8s-cni:v1 io\n"
    assert argvs(items.cni_container(listed)) == [("ctr", "--namespace", "k8s.io", "container", "info", "def")]
    assert items.cni_container("CONTAINER IMAGE RUNTIME\n") == []


def test_mounts_are_printed_as_mount_does_with_df_below() -> None:
    (step,) = items.mounts(MOUNTINFO)
    assert step.argv == ("df", "--human-readable")
    assert step.title.splitlines()[2] == "/dev/nvme1n1 on /var type xfs (rw,relatime)"


def test_devices_and_writable_layers_are_asked_for_once() -> None:
    assert argvs(items.overlays(MOUNTINFO)) == [("du", "-sh", "--", "/var/lib/a b")]
    assert argvs(items.xfs(MOUNTINFO)) == [
        ("xfs_info", "/dev/nvme1n1"),
        ("xfs_db", "-r", "-c", "freesp -s", "/dev/nvme1n1"),
    ]


def test_a_folder_may_hold_a_comma_a_space_and_letters_of_any_alphabet() -> None:
    line = r"1 2 0:1 / /x rw - overlay overlay rw,upperdir=/var/lib/a\054b\040\303\244,workdir=/w" + "\n"
    assert argvs(items.overlays(line)) == [("du", "-sh", "--", "/var/lib/a,b ä")]
    assert argvs(items.overlays(r"1 2 3 / /x rw - overlay o upperdir=/a\999\08z\134,x")) == [
        ("du", "-sh", "--", "/a\\999\\08z\\")
    ]
    (step,) = items.mounts("1 2 3 / /ä rw - ext4 /dev/a,b rw\n")
    assert step.title == "/dev/a,b on /ä type ext4 (rw)"


@given(st.text())
def test_what_a_host_lists_may_be_anything(text: str) -> None:
    for plan in (items.ethtool, items.nft_tables, items.link_files, items.cni_container, items.mounts, items.xfs):
        plan(text)
    items.overlays(f"1 2 3 4 5 6 - overlay o upperdir={text}")
