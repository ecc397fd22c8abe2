"""`configure`, IMDS answering: a whole first pass, and a pass that changes nothing."""

import itertools
import json
import sys
import tempfile

from bench.measure import median, milliseconds, run, wall
from configure.samples import INSTANCE, document

from world import imds
from world.metadata import Metadata

MAC = "02:00:00:00:00:01"


def rows() -> dict[str, float]:
    with imds.serving(metadata()) as url, tempfile.TemporaryDirectory() as folder:
        kept = [sys.executable, "-m", "agent", "configure", "--imds", url, "--root", f"{folder}/kept"]
        numbers = itertools.count()

        def first() -> None:
            run([*kept[:-1], f"{folder}/{next(numbers)}"])

        return {"first, wall ms": median(lambda: milliseconds(first)), "unchanged, wall ms": wall(kept)}


def metadata() -> Metadata:
    identity = {
        "accountId": INSTANCE.account_id,
        "availabilityZone": INSTANCE.availability_zone,
        "imageId": INSTANCE.image_id,
        "instanceId": INSTANCE.instance_id,
        "instanceType": INSTANCE.instance_type,
        "region": INSTANCE.region,
    }
    return Metadata({
        "dynamic/instance-identity/document": json.dumps(identity),
        "meta-data/local-hostname": "ip-10-0-0-20.us-west-2.compute.internal",
        "meta-data/local-ipv4": "10.0.0.20",
        "meta-data/mac": MAC,
        f"meta-data/network/interfaces/macs/{MAC}/vpc-ipv4-cidr-blocks": "10.0.0.0/16",
        "meta-data/services/domain": "amazonaws.com",
        "user-data": document('cluster-dns-ip = "172.20.0.10"'),
    })  # fmt: skip
