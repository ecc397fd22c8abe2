"""A cycle is read back from what a console keeps of it, or the reader says what is missing."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.console.decode import Cycle, console_text, newest
from agent.console.frame import HEADLINE_LIMIT, Header, encode, one_line
from agent.console.text import console_lines
from agent.doctor.report import Check, Report, as_line

NOISE = (
    b"[   12.345678] EXT4-fs (nvme1n1): mounted\r\n",
    b"[    1.000000][    T1] audit: type=1400\r\n",
    b"[  OK  ] Started kubelet.service\r\n",
    b"\x1b[0m[\x1b[0;32m  OK  \x1b[0m] Reached target multi-user.target\r\n",
    b"",
)
BODY = ("NMA::LOG|2026-11-22T15:00:00Z|doctor", "FAIL  tcp  10.0.0.5:443 did not answer", "größe")


def frame(cycle: int = 7, lines: tuple[str, ...] = BODY, headline: str = "tcp: no answer") -> bytes:
    text = encode(Header(cycle, "2026-11-22T15:00:00Z", "0.1.0", headline), lines)
    return text.replace("\n", "\r\n").encode()


def found(raw: bytes) -> Cycle:
    decoded = newest(raw)
    assert decoded is not None
    return decoded


def test_both_markers_say_what_they_must_and_the_end_is_the_last_line() -> None:
    lines = frame().decode().split("\r\n")
    assert lines[0] == ""
    assert lines[-1] == ""
    begin, end = lines[1].split("|"), lines[-2].split("|")
    assert begin[0] == "NODE-AGENT::BEGIN"
    assert end[0] == "NODE-AGENT::END"
    assert begin[1:] == end[1:]
    assert begin[1:4] == ["7", "2026-11-22T15:00:00Z", "0.1.0"]
    assert begin[5] == "tcp: no answer"


def test_a_whole_cycle_is_read_back() -> None:
    assert found(frame()) == Cycle("7", "2026-11-22T15:00:00Z", "0.1.0", "tcp: no answer", BODY)


def test_a_section_is_found_by_its_name() -> None:
    cycle = found(frame(lines=("NMA::LOG|t|doctor", "FAIL tcp", "NMA::LOG|t|disk", "/ 4%")))
    assert cycle.section("doctor") == "FAIL tcp"
    assert cycle.section("disk") == "/ 4%"
    assert not cycle.section("cpu")


def test_a_healthy_node_is_told_from_another() -> None:
    assert found(frame(headline=as_line(Report((Check("ok", "answers", id="imds"),))))).healthy
    assert not found(frame()).healthy


@pytest.mark.parametrize("indent", [None, 4])
def test_a_cycle_is_found_in_the_json_that_the_aws_cli_prints_by_default(indent: int | None) -> None:
    raw = NOISE[0] + frame() + NOISE[1]
    answer = {"InstanceId": "i-0123456789abcdef0", "Output": raw.decode(), "Timestamp": "2026-11-22T15:00:00+00:00"}
    for printed in (json.dumps(answer, indent=indent), json.dumps(answer, indent=indent, ensure_ascii=False)):
        assert found(console_text(printed.encode())) == found(raw)


@pytest.mark.parametrize(
    "raw", [b"", frame(), b'{"Output": null}', b'["Output"]', b"17", b'{"Output": "', b"[" * 100_000]
)
def test_what_is_no_such_json_stays_as_it_is(raw: bytes) -> None:
    assert console_text(raw) == raw


@given(st.binary() | st.text().map(lambda text: json.dumps({"Output": text}).encode()))
def test_any_bytes_have_a_console_text(raw: bytes) -> None:
    assert newest(console_text(raw)) is None


def test_a_character_that_no_text_holds_does_no_harm() -> None:
    """JSON may escape half of a pair of UTF-16."""
    assert console_text(b'{"Output": "a\\ud800b"}') == b"a?b"


def test_the_newest_whole_cycle_wins() -> None:
    cut = frame(9)[:200]
    decoded = found(frame(7) + frame(8) + cut)
    assert decoded.number == "8"
    assert not decoded.missing


def test_of_a_newer_one_that_is_not_whole_the_headline_is_told() -> None:
    damaged = frame(8, headline="kubelet: it is failed").replace(b"did not answer", b"did answer")
    decoded = found(frame(7) + damaged)
    assert (decoded.number, decoded.missing) == ("7", "")
    assert decoded.newer == "cycle 8 of 2026-11-22T15:00:00Z is newer, and not whole; it says kubelet: it is failed"
    assert found(frame(7) + damaged[:120]).newer.endswith("it says kubelet: it is failed")
    assert not found(damaged + frame(9)).newer


def test_what_got_in_between_cannot_command_a_terminal() -> None:
    raw = frame().replace(b"did not answer", b"\x1b]0;pwned\x07\x08\x9b2J") + frame(8, headline="x\x1b]0;y\x07")[:99]
    shown = found(raw)
    assert all(line.isprintable() for line in (*shown.lines, shown.headline, shown.newer))


def test_one_without_its_end_is_said_to_be_so() -> None:
    decoded = found(frame()[:-120])
    assert decoded.number == "7"
    assert "end" in decoded.missing


def test_one_without_its_beginning_still_has_its_headline() -> None:
    decoded = found(frame()[130:])
    assert decoded.headline == "tcp: no answer"
    assert "beginning" in decoded.missing


def test_one_that_was_changed_is_said_to_be_so() -> None:
    decoded = found(frame().replace(b"did not answer", b"did answer"))
    assert "checksum" in decoded.missing
    assert len(decoded.lines) == 3


@pytest.mark.parametrize("raw", [b"", b"login:", b"NODE-AGENT::END|1|2", b"\xff\x00\x1b["])
def test_where_there_is_none_it_is_none(raw: bytes) -> None:
    assert newest(raw) is None


def test_a_headline_of_any_length_fits_into_the_marker() -> None:
    decoded = found(frame(headline="ä" * 5000))
    assert len(decoded.headline.encode()) <= HEADLINE_LIMIT
    assert not decoded.missing


LONG = Check("fail", "pulling x failed: " + "ä" * 500, "the registry is away", "allow HTTPS to it", id="images")


def test_a_long_headline_keeps_its_cause_and_what_to_do() -> None:
    said = one_line(as_line(Report((LONG,))))
    assert said.startswith("images: pulling x failed: ää")
    assert said.endswith("ä...; likely cause: the registry is away -> allow HTTPS to it")
    assert HEADLINE_LIMIT - 1 <= len(said.encode()) <= HEADLINE_LIMIT


def test_a_headline_whose_cause_is_too_long_keeps_what_to_do() -> None:
    said = one_line(as_line(Report((replace(LONG, cause="ö" * 300),))))
    assert said.endswith("... -> allow HTTPS to it")


@given(st.text(), st.text(), st.text())
def test_whatever_is_said_fits(evidence: str, cause: str, action: str) -> None:
    check = Check("fail", evidence * 50, cause * 20, action * 20, id="kubelet")
    assert len(one_line(as_line(Report((check,)))).encode()) <= HEADLINE_LIMIT


@given(st.lists(st.text(st.characters(codec="utf-8"))), st.text(st.characters(codec="utf-8")), st.data())
def test_noise_anywhere_does_no_harm(texts: list[str], headline: str, data: st.DataObject) -> None:
    """The kernel's lines come between any two bytes, so also into a line, a marker or a character."""
    lines = tuple(console_lines("\n".join(texts)))
    raw = frame(7, lines, headline)
    where = data.draw(st.integers(0, len(raw)))
    decoded = found(raw[:where] + data.draw(st.sampled_from(NOISE)) + raw[where:])
    assert decoded.lines == lines
    assert not decoded.missing


@given(st.binary())
def test_any_bytes_are_read(raw: bytes) -> None:
    assert newest(raw) is None
    assert found(raw + b"\n" + frame()).lines == BODY


@given(st.binary(), st.binary())
def test_whatever_is_shown_is_printable(before: bytes, inside: bytes) -> None:
    decoded = found(before + b"\n" + frame().replace(b"did not", inside))
    assert all(line.isprintable() for line in (decoded.number, decoded.time, decoded.headline, *decoded.lines))
