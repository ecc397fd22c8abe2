"""Other people's words as evidence."""

from hypothesis import given
from hypothesis import strategies as st

from agent.doctor.words import shortened


def test_a_long_text_keeps_what_failed_and_why() -> None:
    said = f"failed to run Kubelet: {'x' * 500}: unknown service runtime.v1.RuntimeService"
    cut = shortened(said, 120)
    assert cut.startswith("failed to run Kubelet: ")
    assert cut.endswith(": unknown service runtime.v1.RuntimeService")
    assert len(cut) <= 120


@given(st.text(max_size=300), st.integers(10, 300))
def test_nothing_is_longer_than_its_limit(said: str, limit: int) -> None:
    assert len(shortened(said, limit)) <= limit


def test_the_end_of_a_secret_is_not_torn_from_what_tells_that_it_is_one() -> None:
    assert "hunter" not in shortened(f"err: password={'hunter' * 100}", 100)
