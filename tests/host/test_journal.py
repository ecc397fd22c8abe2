from agent.host import journal


def test_a_unit_without_lines_has_an_empty_tail() -> None:
    finished = journal.tail(["no-such-unit"], 5, since="-10min", timeout=20)
    assert (finished.ok, finished.text.strip()) == (True, "")


def test_a_wrong_time_is_said() -> None:
    assert not journal.tail([], 5, since="no time", timeout=20).ok


def test_a_boot_that_is_not_there_is_said() -> None:
    assert not journal.tail(["kubelet", "containerd"], 5, boot=-9999, timeout=20).ok
