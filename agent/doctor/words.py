"""Other people's words as evidence: without secrets, and with their beginning and their end where they are long."""

from agent.redaction import redact

_GAP = " … "


def shortened(said: str, limit: int) -> str:
    """Cut a long text in its middle: programs begin with what failed, and end with why."""
    # First, as a secret is known by what stands before it.
    text = redact(said)
    if len(text) <= limit:
        return text
    kept = limit - len(_GAP)
    return text[: kept - kept // 2].rstrip() + _GAP + text[-(kept // 2) :].lstrip()
