"""The node agent of EC2 Kubernetes hosts."""

from importlib.metadata import version


def agent_version() -> str:
    """Return the version of the installed distribution."""
    return version("auto-node-agent")
