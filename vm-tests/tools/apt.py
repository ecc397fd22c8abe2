"""Where this machine gets Debian packages from, read from its own apt configuration."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.commands import BuildError

ETC_APT = Path("/etc/apt")
SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Third parties name their suites otherwise (nodistro, cloud-sdk-bookworm) or have no component main.
DEBIAN_SUITE = re.compile(r"(bookworm|trixie|forky|sid|stable|testing|unstable)(-security|-updates|/updates)?")
ONE_LINE = re.compile(r"deb\s+(?:\[[^]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")


@dataclass(frozen=True)
class Source:
    """One repository's component main."""

    uri: str
    suite: str

    @property
    def line(self) -> str:
        return f"deb [signed-by={KEYRING}] {self.uri} {self.suite} main"

    @property
    def stanza(self) -> str:
        return f"Types: deb\nURIs: {self.uri}\nSuites: {self.suite}\nComponents: main\nSigned-By: {KEYRING}\n"


def sources(etc_apt: Path = ETC_APT) -> tuple[Source, ...]:
    """Return trixie's repositories on the mirrors that this machine uses for its own release."""
    texts = [*_texts(etc_apt, "list", _one_line), *_texts(etc_apt, "sources", _deb822)]
    found = {_for_trixie(source): None for source in texts if DEBIAN_SUITE.fullmatch(source.suite)}
    if not any(source.suite == SUITE for source in found):
        raise BuildError(f"no Debian mirror in {etc_apt}: add one for this machine's own release, component main")
    return tuple(found)


def _for_trixie(source: Source) -> Source:
    kind = re.search(r"[-/](security|updates)$", source.suite)
    return Source(source.uri, f"{SUITE}-{kind[1]}" if kind else SUITE)


def _texts(etc_apt: Path, extension: str, parse: Callable[[str], Iterator[Source]]) -> Iterator[Source]:
    for path in sorted([*etc_apt.glob(f"sources.{extension}"), *etc_apt.glob(f"sources.list.d/*.{extension}")]):
        yield from parse(path.read_text())


def _one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        match = ONE_LINE.match(line.partition("#")[0].strip())
        if match and "main" in match["components"].split():
            yield Source(match["uri"], match["suite"])


def _deb822(text: str) -> Iterator[Source]:
    uncommented = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", uncommented):
        fields = _fields(stanza)
        if "main" in fields.get("components", "").split() and fields.get("enabled", "yes") != "no":
            for uri in fields["uris"].split():
                for suite in fields["suites"].split():
                    yield Source(uri, suite)


def _fields(stanza: str) -> dict[str, str]:
    joined = re.sub(r"\n\s+", " ", stanza)  # a line that begins with a space continues the one before
    pairs = (line.split(":", 1) for line in joined.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}
