"""The objects a cluster needs for the agent: CustomResourceDefinition and RBAC, as package data."""

from importlib import resources


def render() -> str:
    """Return every object as one YAML stream for `kubectl apply -f -`, in the order in which it must be applied."""
    files = sorted(
        (entry for entry in resources.files(__name__).iterdir() if entry.name.endswith(".yaml")),
        key=lambda entry: entry.name,
    )
    return "---\n".join(file.read_text(encoding="utf-8") for file in files)
