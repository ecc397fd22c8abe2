"""The node agent of EC2 Kubernetes hosts."""

# A copy of pyproject.toml's: importlib.metadata would be half of what every process of the agent takes to start.
_VERSION = "0.1.0"


def agent_version() -> str:
    """Return the version of the agent."""
    return _VERSION
