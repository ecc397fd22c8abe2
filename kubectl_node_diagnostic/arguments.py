"""The command line as data."""

import argparse
import re
from pathlib import Path
from typing import TypeAlias

from agent import agent_version
from agent.diagnostics.api import ALL, CATEGORIES

_EXITS = """\
exit statuses:
  0    every node gave a bundle, if only a partial one
  1    some node gave none, or something failed
  2    usage
  75   try again later
  78   something must be configured
  130  interrupted; the objects of the run were deleted
"""
_SECONDS = {"s": 1, "m": 60, "h": 3600}
# S3 signs for a week at most.
_LONGEST = 7 * 24 * 3600

# argparse gives the type no public name.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="kubectl node-diagnostic",
        description="Bundles of logs from the nodes of a cluster.",
        epilog="example:\n  kubectl node-diagnostic collect --node --wait i-0123456789abcdef0\n\n" + _EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"kubectl-node_diagnostic {agent_version()}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    _add_collect(commands)
    _add_show(commands)
    _add_upkeep(commands)
    return root


def _add(commands: Subparsers, name: str, *, does: str, example: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=does,
        description=does[0].upper() + does[1:] + ".",
        epilog=f"example:\n  kubectl node-diagnostic {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _with_cluster(found: argparse.ArgumentParser) -> argparse.ArgumentParser:
    group = found.add_argument_group("the cluster, as kubectl takes it")
    group.add_argument("--kubeconfig", type=Path, metavar="FILE")
    group.add_argument("--context", metavar="NAME")
    group.add_argument("--as", dest="impersonate", metavar="USER")
    return found


def _add_collect(commands: Subparsers) -> None:
    collect = _with_cluster(
        _add(
            commands,
            "collect",
            does="ask nodes for bundles of their logs",
            example="collect -l eks.amazonaws.com/compute-type=auto --s3 s3://my-bucket/logs --output bundles",
        )
    )
    collect.add_argument("nodes", nargs="*", metavar="NODE", help="nodes by name")
    collect.add_argument("-l", "--selector", metavar="SELECTOR", help="nodes by label instead, as in kubectl get -l")
    collect.add_argument(
        "--category",
        type=_categories,
        default=(ALL,),
        metavar="A,B",
        help=f"of {', '.join(CATEGORIES)} (default: {ALL})",
    )
    where = collect.add_mutually_exclusive_group(required=True)
    where.add_argument("--s3", metavar="s3://BUCKET/PREFIX", help="the nodes upload to S3")
    where.add_argument("--node", action="store_true", help="each node keeps its bundle for ten minutes")
    collect.add_argument("--wait", action="store_true", help="wait for the bundles, and delete the objects afterwards")
    collect.add_argument("--output", type=Path, metavar="DIR", help="bring the bundles to this folder; waits")
    collect.add_argument("--open", action="store_true", help="show each bundle as `show` does, in a pager; waits")
    collect.add_argument("--json", action="store_true", help="print JSON for programs; waits")
    collect.add_argument("--no-fetch", action="store_true", help="leave the bundles in S3, and summarise none")
    _add_limits(collect)


def _add_limits(collect: argparse.ArgumentParser) -> None:
    collect.add_argument(
        "--parallel", type=_count, default=16, metavar="N", help="nodes at work at a time (default: %(default)s)"
    )
    collect.add_argument(
        "--timeout", type=_duration, default=1800, metavar="30m", help="how long a node may take (default: 30m)"
    )
    collect.add_argument(
        "--expires", type=_duration, default=3600, metavar="1h", help="how long a signed URL is good (default: 1h)"
    )
    collect.add_argument("--profile", metavar="NAME", help="the AWS profile that signs (default: AWS_PROFILE)")
    collect.add_argument("--region", metavar="REGION", help="the bucket's region, if S3 does not tell it")


def _add_show(commands: Subparsers) -> None:
    show = _add(commands, "show", does="summarise a bundle", example="show bundles/i-0123456789abcdef0.tar.gz")
    show.add_argument("file", type=Path, metavar="FILE")
    show.add_argument("path", nargs="?", metavar="PATH", help="print this file of the bundle instead")
    show.add_argument("--list", action="store_true", help="list the files of the bundle instead")
    show.add_argument("--json", action="store_true", help="print JSON for programs")


def _add_upkeep(commands: Subparsers) -> None:
    status = _with_cluster(
        _add(commands, "status", does="list the NodeDiagnostic objects that this plug-in made", example="status")
    )
    clean = _with_cluster(
        _add(
            commands,
            "clean",
            does="delete objects that this plug-in made and whose capture has ended",
            example="clean i-0123456789abcdef0",
        )
    )
    clean.add_argument("--running", action="store_true", help="also those whose capture has not ended")
    for command in (status, clean):
        command.add_argument("nodes", nargs="*", metavar="NODE", help="only of these nodes")


def _categories(text: str) -> tuple[str, ...]:
    known = {name.lower(): name for name in (*CATEGORIES, ALL)}
    names = [known.get(word.strip().lower(), "") for word in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not of {', '.join(known.values())}")
    return tuple(dict.fromkeys(names))


def _duration(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,7})([smh]?)", text)
    seconds = int(found[1]) * _SECONDS[found[2] or "s"] if found else 0
    if not 1 <= seconds <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration of 1s to 168h such as 90s, 30m or 1h")
    return seconds


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 256")
    return int(text)
