from agent.diagnostics import api

BODY = {
    "metadata": {"name": "i-1", "uid": "u-1", "generation": 3},
    "spec": {
        "logCapture": {"destination": "https://s3.example/k?X-Amz-Signature=abc", "categories": ["System", "Base"]}
    },
    "status": {
        "captureStatuses": [
            {
                "type": "Log",
                "state": {
                    "running": None,
                    "completed": {
                        "reason": "Success",
                        "startedAt": "2026-11-22T15:00:00Z",
                        "captureID": "c-1",
                        "observedGeneration": 2,
                    },
                },
            },
            {"type": "Packet", "state": {"running": {"startedAt": "2026-11-22T15:00:00Z"}}},
        ]
    },
}


def test_an_object_becomes_a_value_in_the_fixed_order_of_categories() -> None:
    found = api.parse(BODY)
    assert (found.name, found.uid, found.generation, found.packets) == ("i-1", "u-1", 3, None)
    assert found.log is not None
    assert found.log.categories == ("Base", "System")


def test_the_destination_is_in_no_repr() -> None:
    assert "X-Amz-Signature" not in repr(api.parse(BODY))


def test_status_of_both_kinds() -> None:
    found = api.parse(BODY)
    log, packet = found.status("Log"), found.status("Packet")
    assert log is not None
    assert (log.running, log.capture_id, log.observed_generation) == (False, "c-1", 2)
    assert packet is not None
    assert (packet.running, packet.capture_id, packet.observed_generation) == (True, "", None)


def test_a_new_object_has_no_status_and_all_categories() -> None:
    spec = {"logCapture": {"destination": "node"}, "packetCapture": {"duration": "5s"}}
    found = api.current({"metadata": BODY["metadata"], "spec": spec})
    assert found is not None
    assert found.log is not None
    assert found.log.categories == api.CATEGORIES
    assert found.packets == api.PacketSpec("5s")
    assert found.status("Log") is None


def test_an_empty_list_of_categories_selects_none() -> None:
    spec = {"logCapture": {"destination": "node", "categories": []}}
    found = api.parse({"metadata": BODY["metadata"], "spec": spec})
    assert found.log is not None
    assert found.log.categories == ()


def test_no_object_is_none() -> None:
    assert api.current(None) is None


def test_a_packet_capture_is_taken_as_it_was_written() -> None:
    upload = {"url": "https://s3.example/b?X-Amz-Signature=abc", "fields": {"key": "a/${filename}", "policy": "e30="}}
    spec = {
        "packetCapture": {"duration": "5m", "interface": "eth0", "filter": "tcp", "chunkSizeMB": 3, "upload": upload}
    }
    found = api.parse({"metadata": BODY["metadata"], "spec": spec})
    assert found.packets == api.PacketSpec("5m", "eth0", "tcp", 3, upload["url"], upload["fields"])
    assert "abc" not in repr(found)
    assert "e30=" not in repr(found)


def test_a_chunk_size_that_is_not_positive_is_the_default() -> None:
    found = api.parse({"metadata": BODY["metadata"], "spec": {"packetCapture": {"duration": "5s", "chunkSizeMB": 0}}})
    assert found.packets == api.PacketSpec("5s", chunk_megabytes=10)
