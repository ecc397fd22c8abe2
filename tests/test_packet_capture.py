import pytest

from agent import packet_capture
from agent.errors import FailedError
from agent.packet_capture import Ended, PacketRequest, PacketResult, Sent


def test_what_is_written_is_read_back() -> None:
    request = PacketRequest("c-1", "u-1", 3, "i-1", "2026-11-22T15:00:00Z", 300, 10, "eth0", "tcp", "c-0")
    result, sent = PacketResult(Ended.DISK, 2, 40, 1, "full", "narrow it"), Sent(1, 9, "why")
    assert packet_capture.parse_request(request.dump()) == request
    assert packet_capture.parse_result(result.dump()) == result
    assert packet_capture.parse_sent(sent.dump()) == sent


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"x": 1}', b"\xff"])
def test_what_is_none_of_ours_is_said(content: bytes) -> None:
    for parse in (packet_capture.parse_request, packet_capture.parse_result):
        with pytest.raises(FailedError, match="not one of ours"):
            parse(content)


def test_only_finished_chunks_are_sent_and_in_their_order() -> None:
    names = ["capture.pcap100000.gz", "capture.pcap00002.gz", ".capture.pcap00003.gz.half", "capture.pcap3", "x.gz"]
    assert packet_capture.finished_chunks(names) == ["capture.pcap00002.gz", "capture.pcap100000.gz"]
    assert packet_capture.chunk_name(2) == "capture.pcap00002.gz"


def test_what_tcpdump_wrote_is_in_the_order_of_its_numbers() -> None:
    names = ["capture.pcap10", "capture.pcap", "capture.pcap2", "capture.pcap00002.gz", "request.json"]
    assert packet_capture.raw_chunks(names) == [(0, "capture.pcap"), (2, "capture.pcap2"), (10, "capture.pcap10")]
