"""What may stand on the console."""

from hypothesis import given
from hypothesis import strategies as st

from agent.console.text import CONTINUED, WIDTH, console_lines, without_noise

KERNEL = "[   12.345678] usb 1-1: new device"
SYSTEMD = "[  OK  ] Started kubelet.service"
STARTING = "         Starting kubelet.service - Kubelet..."
ANY = st.text(st.characters(codec="utf-8")) | st.sampled_from(["NMA::LOG|t|x", "NODE-AGENT::END|1", KERNEL, SYSTEMD])


def test_escape_sequences_and_control_bytes_are_removed() -> None:
    assert console_lines("a\x1b[31mb\x00\x07c\u202ed\r\n\te") == ["a[31mbcd", "    e"]


def test_utf8_is_kept() -> None:
    assert console_lines("größe ✓") == ["größe ✓"]


def test_markers_in_logs_cannot_be_taken_for_ours() -> None:
    text = "NMA::LOG|2026|kubelet\nNODE-AGENT\x00::END|1|x"
    assert console_lines(text) == ["NMA:\\:LOG|2026|kubelet", "NODE-AGENT:\\:END|1|x"]


def test_long_lines_go_on_in_the_next() -> None:
    assert console_lines("x" * (WIDTH + 5)) == ["x" * WIDTH, CONTINUED + "x" * 5]


def test_a_secret_over_several_lines_is_cut() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\n-----END RSA PRIVATE KEY-----"
    lines = console_lines(f"before\n{key}\nafter")
    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert not any("MIIEow" in line for line in lines)


def test_lines_of_the_kernel_and_of_systemd_are_taken_out() -> None:
    raw = f"ours\r\n{KERNEL}\r\n\x1b[0m{SYSTEMD}\r\n{STARTING}\r\nmore of ours\r\n"
    assert without_noise(raw.encode()) == "ours\nmore of ours\n"


def test_a_kernel_line_in_the_middle_of_ours_is_taken_out() -> None:
    assert without_noise(b"ou[    1.000000] foo\r\nrs\r\n") == "ours\n"


@given(st.lists(ANY))
def test_our_lines_survive_the_taking_out(texts: list[str]) -> None:
    text = "".join(f"{line}\n" for line in console_lines("\n".join(texts)))
    assert without_noise(text.replace("\n", "\r\n").encode()) == text


@given(ANY)
def test_our_lines_are_printable_and_short(text: str) -> None:
    for line in console_lines(text):
        assert line.isprintable()
        assert len(line) <= WIDTH + len(CONTINUED)
        assert "NMA::" not in line
        assert "NODE-AGENT::" not in line
