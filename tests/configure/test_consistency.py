"""Settings that kubelet would refuse together."""

import pytest
from configure.samples import accepted, check, document


@pytest.mark.parametrize(
    ("lines", "gave_way", "reason"),
    [
        ("image-gc-high-threshold-percent = 50", ["image-gc-high-threshold-percent"], "must be below"),
        ("image-gc-low-threshold-percent = 90", ["image-gc-low-threshold-percent"], "must be below"),
        (
            "image-gc-low-threshold-percent = 60\nimage-gc-high-threshold-percent = '60'",
            ["image-gc-high-threshold-percent", "image-gc-low-threshold-percent"],
            "must be below",
        ),
        ("image-maximum-gc-age = '1m'", ["image-maximum-gc-age"], "more than image-minimum-gc-age, 2m"),
        ("shutdown-grace-period = '10s'", ["shutdown-grace-period"], "must not be below"),
        ("cpu-manager-policy-options = ['full-pcpus-only']", ["cpu-manager-policy-options"], "only cpu-manager-policy"),
        ("eviction-soft = {'memory.available' = '10%'}", ["eviction-soft"], "must have memory.available too"),
    ],
)
def test_what_does_not_go_together_gives_way_to_the_defaults(lines: str, gave_way: list[str], reason: str) -> None:
    checked = check(document(lines))
    assert sorted(verdict.path for verdict in checked.verdicts) == [f"settings.kubernetes.{name}" for name in gave_way]
    assert all(reason in verdict.message for verdict in checked.verdicts)
    assert checked.settings == accepted(document())
    assert checked.accepted == check(document()).accepted


def test_what_goes_together_stays() -> None:
    kubernetes = accepted(
        document(
            "image-gc-low-threshold-percent = 40\nimage-gc-high-threshold-percent = 50\nimage-maximum-gc-age = '1h'\n"
            "shutdown-grace-period = '10s'\nshutdown-grace-period-for-critical-pods = '5s'\n"
            "cpu-manager-policy = 'static'\ncpu-manager-policy-options = ['full-pcpus-only']\n"
            "eviction-soft = {'memory.available' = '10%'}\neviction-soft-grace-period = {'memory.available' = '1m'}"
        )
    ).kubernetes
    assert (kubernetes.image_gc_low_threshold_percent, kubernetes.image_gc_high_threshold_percent) == (40, 50)
    assert kubernetes.shutdown_grace_period == "10s"
    assert kubernetes.cpu_manager_policy_options == {"full-pcpus-only": "true"}
    assert kubernetes.eviction_soft == {"memory.available": "10%"}
