"""A bundle is a stranger's file: what is read of it, and what is not."""

import contextlib
import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugin.archives import pack, regular, special

from agent.errors import FailedError
from kubectl_node_diagnostic import bundle

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=300)


def read(file: io.BytesIO) -> list[tuple[str, bytes, str]]:
    return [(entry.path, b"".join(entry.content.chunks()), entry.odd) for entry in bundle.entries(file)]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@given(files=st.lists(st.tuples(NAMES, st.binary(max_size=2000)), max_size=5))
def test_every_entry_of_a_good_bundle_comes_in_its_order(form: int, files: list[tuple[str, bytes]]) -> None:
    found = read(pack(*(regular(name, content) for name, content in files), form=form))
    assert [(path, content) for path, content, _ in found] == [
        (tarfile.TarInfo(name).get_info()["name"], content) for name, content in files
    ]


def long_name(content: bytes, kind: bytes = tarfile.GNUTYPE_LONGNAME) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = kind, len(content)
    return entry, content


def test_a_long_name_is_the_next_entrys_alone_and_no_better_than_a_short_one() -> None:
    found = read(pack(long_name(b"pods/a\0rest"), regular("x", b"1"), regular("b", b"2")))
    assert found == [("pods/a", b"1", ""), ("b", b"2", "")]
    for name in (b"/etc/passwd\0", b"a/../../b\0", b"\0", b""):
        ((_, _, odd),) = read(pack(long_name(name), regular("x", b"1")))
        assert odd == "its path leads out of the bundle"
    ((_, _, odd),) = read(pack(long_name(b"link\0"), special("x", tarfile.SYMTYPE, "y")))
    assert odd == "it is no regular file"


def test_where_a_link_with_a_long_name_leads_is_not_looked_at() -> None:
    target = long_name(b"t" * 200 + b"\0", tarfile.GNUTYPE_LONGLINK)
    assert read(pack(target, special("x", tarfile.SYMTYPE, "y"))) == [("x", b"", "it is no regular file")]


def test_a_second_path_is_marked() -> None:
    entry, content = regular("a", b"x")
    entry.pax_headers = {"path": "b"}
    (found,) = read(pack(long_name(b"c\0"), (entry, content)))
    assert found == ("b", b"x", "its path is said twice")


def test_a_long_name_of_any_size_is_not_taken_into_memory() -> None:
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
        with pytest.raises(FailedError, match="more than 64 KiB"):
            read(pack(long_name(b"x" * 100_000, kind), regular("a", b"x")))


def test_entries_may_be_left_unread() -> None:
    file = pack(regular("a", b"a" * 5000), regular("b", b"b"))
    assert [entry.path for entry in bundle.entries(file)] == ["a", "b"]


@pytest.mark.parametrize(
    "entry",
    [
        special("link", tarfile.SYMTYPE, "/etc/shadow"),
        special("hard", tarfile.LNKTYPE, "../../etc/shadow"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
        special("folder", tarfile.DIRTYPE),
        regular("/etc/passwd", b"x"),
        regular("a/../../b", b"x"),
    ],
    ids=lambda entry: entry[0].name,
)
def test_what_no_bundle_has_is_marked(entry: tuple[tarfile.TarInfo, bytes]) -> None:
    (found,) = read(pack(entry))
    assert found[2]


def test_a_second_size_is_marked() -> None:
    entry, content = regular("a", b"x")
    entry.pax_headers = {"size": "0"}
    (found,) = read(pack((entry, content)))
    assert found == ("a", b"x", "its size is said twice")


def test_an_extended_header_of_any_size_is_not_taken_into_memory() -> None:
    entry, content = regular("a", b"x")
    entry.pax_headers = {"comment": "x" * 100_000}
    with pytest.raises(FailedError, match="more than 64 KiB"):
        read(pack((entry, content)))


@pytest.mark.parametrize("record", [b"", b"x path=a\n", b"99 path=a\n", b"5 path=a\n", b"0 path=a\n", b"6 path\n"])
def test_a_broken_extended_header_is_said(record: bytes) -> None:
    entry = tarfile.TarInfo("pax")
    entry.type, entry.size = tarfile.XHDTYPE, len(record)
    if not record:
        assert read(pack((entry, record), regular("a", b""))) == [("a", b"", "")]
        return
    with pytest.raises(FailedError, match="broken extended header"):
        read(pack((entry, record), regular("a", b"")))


def test_more_bytes_than_any_bundle_has_end_the_reading() -> None:
    entry = tarfile.TarInfo("bomb")
    entry.size = 33 << 30
    file = io.BytesIO(gzip.compress(entry.tobuf(tarfile.GNU_FORMAT)))
    with pytest.raises(FailedError, match="more than 32 GiB"):
        read(file)


def test_an_entry_longer_than_wanted_is_not_taken() -> None:
    assert [entry.content.take(4) for entry in bundle.entries(pack(regular("a", b"12345")))] == [None]
    assert [entry.content.take(5) for entry in bundle.entries(pack(regular("a", b"12345")))] == [b"12345"]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_bundle_that_is_cut_off_is_said(cut: int) -> None:
    whole = pack(regular("a", bytes(range(256)) * 40)).getvalue()
    with pytest.raises(FailedError, match=r"cannot be unpacked|in the middle"):
        read(io.BytesIO(whole[:-cut]))


@given(st.binary(max_size=3000))
def test_no_bytes_end_in_anything_but_a_clear_failure(data: bytes) -> None:
    for file in (io.BytesIO(data), io.BytesIO(gzip.compress(data))):
        with contextlib.suppress(FailedError):
            read(file)
