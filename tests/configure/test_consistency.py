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


CONFIG = "[settings.kubelet.config]\n"
STATIC = 'cpu-manager-policy = "static"\n'


@pytest.mark.parametrize(
    ("lines", "config", "name", "reason"),
    [
        (f'{STATIC}kube-reserved.cpu = "0m"', "", "cpu-manager-policy", "needs some cpu"),
        (f'{STATIC}cpu-manager-policy-options = ["align-by-socket"]', "", "cpu-manager-policy-options",
         "needs kubelet.config.featureGates.CPUManagerPolicyAlphaOptions"),
        (f'{STATIC}cpu-manager-policy-options = ["prefer-align-cpus-by-uncorecache", "distribute-cpus-across-numa"]',
         "", "cpu-manager-policy-options", "exclude each other"),
        ("max-pods = 65536", "", "max-pods", "user IDs"),
        ("ids-per-pod = 1073741824", "", "ids-per-pod", "user IDs"),
        ("max-parallel-image-pulls = 4", "serializeImagePulls = true", "max-parallel-image-pulls", "one image"),
        ('shutdown-grace-period = "3m"',
         "shutdownGracePeriodByPodPriority = [{priority = 0, shutdownGracePeriodSeconds = 60}]",
         "shutdown-grace-period", "takes its place"),
    ],
)  # fmt: skip
def test_what_kubelet_would_not_start_with_beside_another_gives_way(
    lines: str, config: str, name: str, reason: str
) -> None:
    checked = check(document(lines, CONFIG + config))
    assert [verdict.path for verdict in checked.verdicts] == [f"settings.kubernetes.{name}"]
    assert reason in checked.verdicts[0].message
    assert checked.settings is not None
    field = name.replace("-", "_")
    assert getattr(checked.settings.kubernetes, field) == getattr(accepted(document()).kubernetes, field)


@pytest.mark.parametrize(
    ("lines", "config"),
    [
        (f'{STATIC}kube-reserved.cpu = "0"\nsystem-reserved.cpu = "100m"', ""),
        (f'{STATIC}kube-reserved.cpu = "0"\nreserved-cpus = "0"', ""),
        (f'{STATIC}cpu-manager-policy-options = ["align-by-socket"]',
         "featureGates.CPUManagerPolicyAlphaOptions = true"),
        (f'{STATIC}cpu-manager-policy-options = ["align-by-socket"]', "featureGates.AllAlpha = true"),
        ("max-parallel-image-pulls = 1", "serializeImagePulls = true"),
        ("", "shutdownGracePeriodByPodPriority = [{priority = 0, shutdownGracePeriodSeconds = 60}]"),
    ],
)  # fmt: skip
def test_what_kubelet_starts_with_beside_another_stays(lines: str, config: str) -> None:
    assert check(document(lines, CONFIG + config)).verdicts == ()


def test_without_a_time_for_pods_there_is_none_for_critical_ones() -> None:
    kubernetes = accepted(document('shutdown-grace-period = "0s"')).kubernetes
    assert (kubernetes.shutdown_grace_period, kubernetes.shutdown_grace_period_for_critical_pods) == ("0s", "0s")


def test_only_options_of_the_alpha_level_give_way() -> None:
    text = document(f'{STATIC}cpu-manager-policy-options = ["align-by-socket", "full-pcpus-only"]')
    assert accepted(text).kubernetes.cpu_manager_policy_options == {"full-pcpus-only": "true"}


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
