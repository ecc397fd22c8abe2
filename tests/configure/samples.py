"""Certificates and a document that more than one test uses; `golden/certificates.pem` holds each under its name."""

import base64
import re
from pathlib import Path

from agent.configure import checking, userdata
from agent.configure.facts import Facts
from agent.configure.settings import Checked, Settings
from agent.model import Instance

GOLDEN = Path(__file__).parent / "golden"
_NAMED = re.compile(r"# (\w+)\n(-----BEGIN.*?-----END CERTIFICATE-----\n)", re.DOTALL)
PEM: dict[str, str] = dict(_NAMED.findall((GOLDEN / "certificates.pem").read_text()))
INSTANCE = Instance(
    instance_id="i-0123456789abcdef0",
    region="us-west-2",
    availability_zone="us-west-2a",
    instance_type="m7i.large",
    account_id="123456789012",
    image_id="ami-0123456789abcdef0",
    local_ipv4="10.0.0.20",
    ipv6="2600:1f14::20",
    domain="amazonaws.com",
)
FACTS = Facts(INSTANCE, cpus=2, memory_mib=7800, local_hostname="ip-10-0-0-20.us-west-2.compute.internal")
API_SERVER = "https://0A1B2C3D.gr7.us-west-2.eks.amazonaws.com"


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


MUST_HAVES = f"""
api-server = "{API_SERVER}"
cluster-certificate = "{base64_of(PEM["kubernetes"])}"
cluster-name = "demo"
"""


def document(kubernetes: str = "", rest: str = "") -> str:
    """Return user data with which a node joins, and more lines of [settings.kubernetes] and of other tables."""
    return f"[settings.kubernetes]{MUST_HAVES}{kubernetes}\n{rest}"


def check(text: str) -> Checked:
    return checking.check(userdata.decode(text.encode(), "user data"))


def accepted(text: str) -> Settings:
    checked = check(text)
    assert checked.settings is not None, checked.verdicts
    return checked.settings
