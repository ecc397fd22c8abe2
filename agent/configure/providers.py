"""Image credential providers: the programs that kubelet asks for the credentials of a registry."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from agent.configure.facts import Facts
from agent.configure.kubernetes import CredentialProvider
from agent.configure.schema import dotted
from agent.configure.settings import Settings
from agent.model import FileSpec, Verdict

CONFIG = "/etc/eks/image-credential-provider/config.json"
PROGRAMS = "/usr/libexec/kubernetes/kubelet/plugins"
_ECR = "ecr-credential-provider"
_CACHED = "12h0m0s"
# Every form of ECR's host names, by partition (docs.aws.amazon.com/general/latest/gr/ecr.html).
_ECR_IMAGES = (
    *(f"*.dkr.ecr.*.{domain}" for domain in ("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu")),
    *(f"*.dkr.ecr-fips.*.{domain}" for domain in ("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu")),
    *(f"*.dkr.ecr.*.{domain}" for domain in ("c2s.ic.gov", "sc2s.sgov.gov", "cloud.adc-e.uk", "csp.hci.ic.gov")),
    *("*.dkr-ecr.*.on.aws", "*.dkr-ecr-fips.*.on.aws", "*.dkr-ecr.*.on.amazonwebservices.com.cn"),
    *("public.ecr.aws", "ecr-public.aws.com"),
)
_DEFAULT = CredentialProvider(enabled=True, image_patterns=_ECR_IMAGES, cache_duration=_CACHED, environment={})


def files(settings: Settings, facts: Facts) -> list[FileSpec]:
    """Return the configuration of the providers whose programs there are: kubelet does not start without one."""
    usable = _usable(settings, facts)
    if not usable:
        return []
    body = {
        "apiVersion": "kubelet.config.k8s.io/v1",
        "kind": "CredentialProviderConfig",
        "providers": [_provider(name, each) for name, each in sorted(usable.items())],
    }
    text = json.dumps(body, indent=2, sort_keys=True) + "\n"
    return [FileSpec(CONFIG, text.encode(), 0o600, secret=True)]


def flags(settings: Settings, facts: Facts) -> Mapping[str, str]:
    if not _usable(settings, facts):
        return {}
    return {"image-credential-provider-bin-dir": PROGRAMS, "image-credential-provider-config": CONFIG}


def remarks(settings: Settings, facts: Facts) -> Iterator[Verdict]:
    """Say which providers that the user asks for are left out, and why."""
    usable = _usable(settings, facts)
    for name, each in sorted(settings.kubernetes.credential_providers.items()):
        if each.enabled and name not in usable:
            absent = f"{PROGRAMS}/{name} is not on this image" if name not in facts.providers else "no image-patterns"
            path = dotted(("kubernetes", "credential-providers", name))
            yield Verdict(path, "warning", f"left out, as kubelet would not start with it: {absent}", "user data")


def lacks_ecr(settings: Settings, facts: Facts) -> bool:
    """Whether the image has no program for ECR, which nobody has switched off: its private images cannot be pulled."""
    asked = settings.kubernetes.credential_providers.get(_ECR, _DEFAULT)
    return asked.enabled and _ECR not in facts.providers


def _usable(settings: Settings, facts: Facts) -> Mapping[str, CredentialProvider]:
    asked = {_ECR: _DEFAULT, **settings.kubernetes.credential_providers}
    return {
        name: each
        for name, each in asked.items()
        if each.enabled and name in facts.providers and (each.image_patterns or name == _ECR)
    }


def _provider(name: str, provider: CredentialProvider) -> Mapping[str, Any]:
    body: dict[str, Any] = {
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "defaultCacheDuration": provider.cache_duration or _CACHED,
        "matchImages": list(provider.image_patterns or _ECR_IMAGES),
        "name": name,
    }
    if provider.environment:
        body["env"] = [{"name": key, "value": value} for key, value in sorted(provider.environment.items())]
    return body
