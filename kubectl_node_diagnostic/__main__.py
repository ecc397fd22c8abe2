"""The command of the plug-in, and the only place that turns errors into exit statuses."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from agent.errors import AgentError
from agent.redaction import redact
from kubectl_node_diagnostic import commands
from kubectl_node_diagnostic.arguments import parser

Command = Callable[[argparse.Namespace], int]

_COMMANDS: Mapping[str, Command] = {
    "collect": commands.collect,
    "show": commands.show,
    "status": commands.status,
    "clean": commands.clean,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit status."""
    options = parser().parse_args(arguments)
    try:
        return _COMMANDS[options.command](options)
    except AgentError as error:
        sys.stderr.write(redact(f"error: {error.message}\n" + (f"do: {error.hint}\n" if error.hint else "")))
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); Python must not complain at exit when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
