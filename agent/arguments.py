"""The command line as data: commands, their arguments and their help, each with an example."""

import argparse
from pathlib import Path
from typing import TypeAlias

from agent import agent_version

_EXITS = """\
exit statuses:
  0   done
  1   failed
  2   usage
  75  try again later
  78  a person must change the configuration
"""
_CONSOLE_OUTPUT = "aws ec2 get-console-output --latest --output text --instance-id ID"


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="node-agent",
        description="The node agent of EC2 Kubernetes hosts. systemd runs its daemons; people run doctor, status,\n"
        "diagnose and manifests.",
        epilog="example:\n  node-agent doctor\n\n" + _EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"node-agent {agent_version()}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_configuration(commands)
    _add_daemons(commands)
    _add_diagnosis(commands)
    _add_cluster(commands)
    return root


# argparse gives the type no public name.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def _add(commands: Subparsers, name: str, command: str, *, does: str, example: str) -> argparse.ArgumentParser:
    """Add a command whose help says what it does and carries an example."""
    parser = commands.add_parser(
        name,
        help=does,
        description=does[0].upper() + does[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command)
    return parser


def _with_imds(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--imds",
        metavar="URL",
        help="instance metadata service (default: AWS_EC2_METADATA_SERVICE_ENDPOINT, else the link-local addresses)",
    )
    return parser


def _with_json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    return parser


def _add_configuration(commands: Subparsers) -> None:
    configure = _with_imds(
        _add(
            commands,
            "configure",
            "configure",
            does="render the node's configuration from instance metadata and user data",
            example="node-agent configure --root /tmp/tree --imds http://127.0.0.1:1338 --dry-run",
        )
    )
    configure.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="render below DIR, and touch no service"
    )
    configure.add_argument(
        "--dry-run", action="store_true", help="print a unified diff, secrets cut, and write nothing"
    )
    settings = commands.add_parser(
        "settings",
        help="check user data before a node gets it",
        epilog="example:\n  node-agent settings check user-data.toml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = settings.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = _with_json(
        _add(
            verbs,
            "check",
            "settings_check",
            does="decode user data, and print the settings it gives and a verdict for each problem",
            example="node-agent settings check user-data.toml",
        )
    )
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="user data, in the order in which it merges")
    check.description = f"{check.description} Exit status 0: usable, 78: not."


def _add_daemons(commands: Subparsers) -> None:
    storage = _add(
        commands,
        "storage",
        "storage",
        does="find, format where it is blank, and mount the data volume",
        example="node-agent storage",
    )
    storage.add_argument(
        "--instance-store", action="store_true", help="instead, use the instance store as the settings wish"
    )
    network = _with_imds(
        _add(
            commands,
            "network",
            "network",
            does="keep every ENI configured as instance metadata says",
            example="node-agent network --once --state /tmp/enis.json",
        )
    )
    _add_plan(network)
    network.add_argument(
        "--state",
        type=Path,
        default=Path("/run/node-agent/enis.json"),
        metavar="FILE",
        help="where the ENI snapshot is published (default: %(default)s)",
    )
    network.add_argument("--once", action="store_true", help="make one pass and end")
    _add(
        commands,
        "diagnostics",
        "diagnostics",
        does="answer this node's NodeDiagnostic object",
        example="node-agent diagnostics",
    )
    collect = _add(
        commands,
        "collect",
        "collect",
        does="make the bundle of one capture (what node-agent-collect@.service runs)",
        example="node-agent collect 0b8e0d1c-6a5e-4a0e-9f5e-2f1f4a3c9d10",
    )
    packets = _add(
        commands,
        "packets",
        "packets",
        does="capture packets for one request (what node-agent-packets@.service runs)",
        example="node-agent packets 0b8e0d1c-6a5e-4a0e-9f5e-2f1f4a3c9d10",
    )
    for command in (collect, packets):
        command.add_argument("capture", metavar="ID", help="the capture's ID, which names its folder in the spool")


def _add_plan(network: argparse.ArgumentParser) -> None:
    plan = _add(
        network.add_subparsers(title="commands", metavar="COMMAND"),
        "plan",
        "network_plan",
        does="print what the kernel should have of every ENI, and touch nothing",
        example="node-agent network plan --imds-tree tree.json",
    )
    plan.add_argument(
        "--imds-tree",
        type=Path,
        required=True,
        metavar="FILE",
        help="instance metadata as a JSON object of paths below latest/ and bodies; null stands for a time-out",
    )
    plan.add_argument("--pod-subnet-mode", action="store_true", help="plan for pods in subnets of their own")


def _add_diagnosis(commands: Subparsers) -> None:
    console = _add(
        commands,
        "console",
        "console",
        does="write one cycle of diagnostics to the console",
        example=f"node-agent console --output /dev/stdout\n  {_CONSOLE_OUTPUT} | node-agent console decode -",
    )
    console.add_argument(
        "--output", type=Path, default=Path("/dev/console"), metavar="FILE", help="(default: %(default)s)"
    )
    console.add_argument(
        "--last-words", action="store_true", help="write the headline alone, without looking anew (at shutdown)"
    )
    decode = _add(
        console.add_subparsers(title="commands", metavar="COMMAND"),
        "decode",
        "console_decode",
        does="find, check and print the newest whole cycle in raw console text",
        example=f"node-agent console decode console.txt\n  {_CONSOLE_OUTPUT} | node-agent console decode -",
    )
    decode.add_argument(
        "file", type=Path, metavar="FILE", help="console text, also in the AWS CLI's JSON, or - for standard input"
    )
    diagnose = _with_json(
        _add(
            commands,
            "diagnose",
            "diagnose",
            does="make a diagnostic bundle on this node, without the API server",
            example="node-agent diagnose --categories Base,System --output /tmp/bundle.tar.gz",
        )
    )
    diagnose.add_argument(
        "--categories",
        type=lambda text: tuple(text.split(",")),
        default=("All",),
        metavar="A,B",
        help="which outputs to collect (default: All)",
    )
    what = diagnose.add_mutually_exclusive_group(required=True)
    what.add_argument("--output", type=Path, metavar="FILE.tar.gz", help="where the bundle goes")
    what.add_argument("--list", action="store_true", help="print the catalogue of outputs instead")
    _with_imds(
        _with_json(
            _add(
                commands,
                "doctor",
                "doctor",
                does="say why this node does or does not join its cluster, first cause first",
                example="node-agent doctor --json",
            )
        )
    )
    _with_json(
        _add(
            commands,
            "status",
            "status",
            does="print what each daemon last did",
            example="node-agent status",
        )
    )


def _add_cluster(commands: Subparsers) -> None:
    token = _with_imds(
        _add(
            commands,
            "token",
            "token",
            does="print an ExecCredential for kubelet, made from the instance role",
            example="node-agent token --cluster demo",
        )
    )
    token.add_argument("--cluster", required=True, metavar="NAME", help="the EKS cluster's name")
    _add(
        commands,
        "manifests",
        "manifests",
        does="print the CustomResourceDefinition and RBAC objects that the cluster needs",
        example="node-agent manifests | kubectl apply -f -",
    )
