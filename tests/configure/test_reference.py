"""docs/settings.md says what the tables say. `python tests/configure/test_reference.py` writes it anew."""

from pathlib import Path

import pytest
from configure import reference

PAGE = Path(__file__).parents[2] / "docs/settings.md"


@pytest.fixture
def page() -> str:
    return PAGE.read_text()


def test_the_reference_page_is_what_the_tables_say(page: str) -> None:
    assert page == reference.markdown()


if __name__ == "__main__":
    PAGE.write_text(reference.markdown())
