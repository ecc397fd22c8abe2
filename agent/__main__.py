"""The command line, and the only place that turns errors into exit statuses."""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from agent import log
from agent.arguments import parser
from agent.errors import AgentError

# The console's unit starts before everything else (Nice=-10); what follows a boot's first headline comes after it.
_GIVE_WAY = 15

Command = Callable[[argparse.Namespace], int | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every locale has every character that users write
    options = parser().parse_args(arguments)
    try:
        return _COMMANDS[options.command](options) or 0
    except AgentError as error:
        log.get("main").error(error.message, **({"hint": error.hint} if error.hint else {}))
        return error.exit_status
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); Python must not complain at exit when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _configure(options: argparse.Namespace) -> None:
    from agent.configure import daemon

    daemon.configure(options.root, options.imds, dry_run=options.dry_run)


def _settings_check(options: argparse.Namespace) -> int:
    from agent.configure import daemon

    return 0 if daemon.check(options.files, as_json=options.json) else 78


def _storage(options: argparse.Namespace) -> None:
    from agent.storage import daemon

    if options.instance_store:
        daemon.use_instance_store()
    else:
        daemon.prepare()


def _network(options: argparse.Namespace) -> None:
    from agent.network import daemon

    daemon.run(options.imds, options.state, once=options.once)


def _network_plan(options: argparse.Namespace) -> None:
    from agent.network import daemon

    sys.stdout.write(daemon.desired_state(options.imds_tree, pod_subnet_mode=options.pod_subnet_mode))


def _console(options: argparse.Namespace) -> None:
    from agent.console import daemon
    from agent.doctor.report import Report

    def examine() -> Report:
        with contextlib.suppress(PermissionError):  # where a sandbox forbids it, the cycle counts more
            os.nice(_GIVE_WAY)
        from agent.doctor import daemon as doctor  # loaded once the first headline of a boot is out

        return doctor.examine()

    def announce(found: Report) -> None:
        from agent.announce import daemon as announcing

        announcing.announce(found)

    if options.last_words:
        daemon.last_words(options.output)
    else:
        # Whoever names another output is a person, and does not wait.
        apart = daemon.APART if options.output == daemon.CONSOLE else 0.0
        daemon.cycle(options.output, daemon.Doctor(examine, announce), apart=apart)


def _console_decode(options: argparse.Namespace) -> None:
    from agent.console import daemon

    daemon.decode(options.file)


def _diagnostics(_options: argparse.Namespace) -> None:
    from agent.diagnostics import serving

    serving.serve()


def _collect(options: argparse.Namespace) -> None:
    from agent.diagnostics import daemon

    daemon.collect(options.capture)


def _packets(options: argparse.Namespace) -> None:
    from agent.packets import daemon

    daemon.run(options.capture)


def _diagnose(options: argparse.Namespace) -> None:
    from agent.diagnostics import daemon

    if options.list:
        daemon.list_catalogue(as_json=options.json)
    else:
        daemon.diagnose(options.categories, options.output)


def _doctor(options: argparse.Namespace) -> int:
    from agent.doctor import daemon, report

    found = daemon.examine(imds_url=options.imds)
    sys.stdout.write(report.as_json(found) if options.json else report.as_text(found))
    return 0 if found.healthy else 1


def _status(options: argparse.Namespace) -> None:
    import json

    from agent.doctor import summary
    from agent.host import status

    statuses = status.read_all()
    text = json.dumps(statuses, indent=2, sort_keys=True) + "\n" if options.json else summary.as_text(statuses)
    sys.stdout.write(text)


def _token(options: argparse.Namespace) -> None:
    from agent.host import eks

    sys.stdout.write(eks.exec_credential(options.cluster, options.imds) + "\n")


def _manifests(_options: argparse.Namespace) -> None:
    from agent import manifests

    sys.stdout.write(manifests.render())


_COMMANDS: Mapping[str, Command] = {
    "configure": _configure,
    "settings_check": _settings_check,
    "storage": _storage,
    "network": _network,
    "network_plan": _network_plan,
    "console": _console,
    "console_decode": _console_decode,
    "diagnostics": _diagnostics,
    "collect": _collect,
    "packets": _packets,
    "diagnose": _diagnose,
    "doctor": _doctor,
    "status": _status,
    "token": _token,
    "manifests": _manifests,
}


if __name__ == "__main__":
    sys.exit(main())
