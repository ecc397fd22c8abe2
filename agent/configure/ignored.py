"""Keys that Bottlerocket knows and that have no effect on this image: a warning, never a reason not to join."""

_TABLES = """
autoscaling aws boot bootstrap-commands bootstrap-containers cloudformation container-registry
container-runtime container-runtime-plugins dns ecs host-containers kernel metrics motd network.disable-ipv6
network.hosts ntp nvidia-container-runtime oci-defaults oci-hooks updates
"""
_OF_KUBERNETES = """
authentication-mode bootstrap-token cloud-provider container-log-max-workers container-log-monitor-interval
container-runtime-endpoint cpu-cfs-quota-period cpu-manager-policy cpu-manager-policy-options
cpu-manager-reconcile-period credential-providers device-ownership-from-security-context
eviction-max-pod-grace-period eviction-soft eviction-soft-grace-period hostname-override
hostname-override-source ids-per-pod image-gc-high-threshold-percent image-gc-low-threshold-percent
image-maximum-gc-age image-minimum-gc-age max-parallel-image-pulls memory-manager-policy
memory-manager-reserved-memory memory-swap-behavior node-ip pod-infra-container-image provider-id
reserved-cpus server-certificate server-key shutdown-grace-period shutdown-grace-period-for-critical-pods
single-process-oom-kill standalone-mode static-pods static-pods-enabled topology-manager-policy
topology-manager-policy-options topology-manager-scope
"""

NOT_APPLIED = frozenset(_TABLES.split()) | {f"kubernetes.{name}" for name in _OF_KUBERNETES.split()}
