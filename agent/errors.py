"""The errors of the agent, named by what the caller can do about them.

AgentError
├── SettingsError    a person must change the configuration (exit status 78, EX_CONFIG)
├── TemporaryError   the same call may work later (exit status 75, EX_TEMPFAIL)
└── FailedError      it did not work, and trying again would not help (exit status 1)

Only `loop.retry` (try again) and `__main__` (exit status) catch them; anything else is a defect and ends the process
with its traceback, after which systemd starts it anew. Diagnostics alone ends what it was at instead, a capture, as the
same object would end it at each start.
"""


class AgentError(Exception):
    """An expected failure: `message` says what happened, `hint` what to do next."""

    exit_status = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class SettingsError(AgentError):
    """A person must change the configuration; a restart would not help."""

    exit_status = 78


class TemporaryError(AgentError):
    """The same call may work later; `retry_after` is the server's wish in seconds, if it has one."""

    exit_status = 75

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class FailedError(AgentError):
    """It did not work, and trying again would not help."""
