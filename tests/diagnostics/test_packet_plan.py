import pytest

from agent.diagnostics import catalogue, packet_plan
from agent.diagnostics.api import CaptureStatus, NodeDiagnostic, PacketSpec
from agent.diagnostics.packet_plan import DurationError, Identity
from agent.diagnostics.report import Ending, Reason
from agent.errors import SettingsError
from agent.packet_capture import Ended, PacketRequest, PacketResult, Sent

OBJECT = NodeDiagnostic("i-1", "u-1", 3, None)
WHO = Identity("c-1", "2026-11-22T15:00:00Z")
REQUEST = PacketRequest("c-1", "u-1", 3, "i-1", "2026-11-22T15:00:00Z", 300, 10, "eth0", "tcp port 443")
DONE = PacketResult(Ended.DURATION, 2, 40, 0)


def ended(result: PacketResult, sent: Sent, *, previous: str = "") -> Ending:
    request = PacketRequest("c-1", "u-1", 3, "i-1", "2026-11-22T15:00:00Z", 300, 10, previous=previous)
    return packet_plan.ending(request, result, sent, overwrites=False)


def test_what_is_asked_for_becomes_a_request() -> None:
    spec = PacketSpec("5m", "eth0", " tcp port 443", 10)
    assert packet_plan.request(OBJECT, spec, WHO) == REQUEST


def test_a_chunk_is_at_most_100_mb() -> None:
    assert packet_plan.request(OBJECT, PacketSpec("5m", chunk_megabytes=5000), WHO).chunk_megabytes == 100


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("30s", 30), ("60m", 3600), ("1h", 3600), ("0001h", 3600)])
def test_a_duration(text: str, seconds: int) -> None:
    assert packet_plan.seconds(text, "i-1") == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "1.5h", "2h", "61m", "3601s", "9" * 99 + "s", "5 s", "\u0665s"])
def test_a_duration_that_is_none_or_too_long_is_said_in_the_peers_words(text: str) -> None:
    with pytest.raises(DurationError) as caught:
        packet_plan.seconds(text, "i-1")
    ending = packet_plan.refused(caught.value)
    assert ending.text.startswith("invalid or excessive duration ")
    assert ending.text.endswith(" (max 1h0m0s). Delete this resource with: kubectl delete nodediagnostic i-1")


@pytest.mark.parametrize(
    "spec",
    [
        PacketSpec("5s", expression="-w /etc/passwd"),
        PacketSpec("5s", expression="  -z reboot"),
        PacketSpec("5s", expression="tcp\nudp"),
        PacketSpec("5s", expression="a" * 5000),
        PacketSpec("5s", interface="-w"),
        PacketSpec("5s", interface="a b"),
        PacketSpec("5s", interface="../etc"),
        PacketSpec("5s", interface="a" * 16),
    ],
)
def test_what_is_refused_before_anything_is_captured(spec: PacketSpec) -> None:
    with pytest.raises(SettingsError):
        packet_plan.request(OBJECT, spec, WHO)


def test_the_cure_for_a_wrong_interface_names_an_output_that_there_is() -> None:
    with pytest.raises(SettingsError) as refused:
        packet_plan.request(OBJECT, PacketSpec("5s", interface="a b"), WHO)
    assert refused.value.hint.split()[1] in {output.path for output in catalogue.OUTPUTS}


def test_a_capture_that_was_sent_whole_is_success() -> None:
    text = "packet capture completed successfully.; chunks=2; bytes=9; packets=40; dropped=0"
    assert ended(DONE, Sent(2, 9)) == Ending("Packet", Reason.SUCCESS, text)


def test_the_capture_before_is_named() -> None:
    text = ended(DONE, Sent(2, 9), previous="c-0").text
    assert text.startswith("packet capture completed successfully. Previous capture c-0 was cancelled.; chunks=2")


def test_a_full_disk_is_no_success() -> None:
    found = ended(PacketResult(Ended.DISK, 1, error="the data volume is 91 % full", hint="narrow it"), Sent(1, 9))
    text = "packet capture failed.; error=the data volume is 91 % full; hint=narrow it; chunks=1; bytes=9"
    assert (found.reason, found.text) == (Reason.FAILURE, text)


def test_chunks_that_were_not_sent_are_counted() -> None:
    found = ended(DONE, Sent(1, 9, "status=403; code=AccessDenied"))
    assert found.reason is Reason.FAILURE
    assert found.text.startswith("packet capture completed but 1 file uploads failed.; upload=status=403, code=")


def test_an_answer_to_this_generation_is_the_last_word() -> None:
    said = CaptureStatus("Packet", running=False, capture_id="c-1", started_at="", observed_generation=3)
    assert packet_plan.is_answered(OBJECT, said)
    assert not packet_plan.is_answered(NodeDiagnostic("i-1", "u-1", 4, None), said)
    assert not packet_plan.is_answered(OBJECT, None)
