import pytest

from agent.packet_capture import Ended, PacketRequest
from agent.packets import plan

REQUEST = PacketRequest("c-1", "u-1", 3, "i-1", "2026-11-22T15:00:00Z", 300, 5, "eth0", "tcp port 443")
PLAIN = PacketRequest("c-1", "u-1", 3, "i-1", "2026-11-22T15:00:00Z", 300, 10)
SAID = """tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes
1 packet captured
44 packets received by filter
3 packets dropped by kernel
"""
GIB = 1 << 30


def test_what_a_person_wrote_stands_behind_the_options() -> None:
    argv = plan.capture_argv(REQUEST, "/spool")
    assert argv[-4:] == ["-i", "eth0", "--", "tcp port 443"]
    assert argv[argv.index("-w") + 1] == "/spool/capture.pcap"
    assert argv[argv.index("-C") + 1] == "5"
    assert plan.check_argv(REQUEST)[-2:] == ["--", "tcp port 443"]


def test_without_interface_and_filter_tcpdump_chooses() -> None:
    argv = plan.capture_argv(PLAIN, "/spool")
    assert argv[-1] == "--"
    assert "-i" not in argv


@pytest.mark.parametrize(
    ("total", "free", "waiting", "trouble"),
    [
        (100 * GIB, 50 * GIB, 0, ""),
        (100 * GIB, 9 * GIB, 0, "91 % full"),
        (1 * GIB, 200 << 20, 0, "200 MiB are left"),
        (100 * GIB, 50 * GIB, 3 * GIB, "3072 MiB wait for their upload"),
        (0, GIB, 0, ""),
    ],
)
def test_when_there_is_no_room(total: int, free: int, waiting: int, trouble: str) -> None:
    found = plan.disk_trouble(total, free, waiting)
    assert trouble in found
    assert bool(found) is bool(trouble)


def test_tcpdumps_own_count_is_kept() -> None:
    found = plan.result(Ended.DURATION, 1, SAID)
    assert (found.packets, found.dropped, found.hint) == (1, 3, "")
    assert plan.result(Ended.FAILED, 0, "").packets is None


def test_a_complaint_is_one_line() -> None:
    assert plan.refusal("tcpdump: none0: No such device exists\n(No such device)\n").startswith("none0: No such device")
    assert plan.refusal("") == "tcpdump ended without a word"
