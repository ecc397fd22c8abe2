"""The feature gates of kubelet 1.36, which exits on one that it does not know, and on another value of a fixed one."""

from collections.abc import Mapping

# The values that each may have.
_GATES = (
    ((True, False), """
        APIResponseCompression APIServerIdentity APIServingWithRoutine AllAlpha AllBeta AllowDNSOnlyNodeCSR
        AllowInsecureKubeletCertificateSigningRequests AllowParsingUserUIDFromCertAuth AllowServiceExternalIPs
        AllowUnsafeMalformedObjectDeletion AtomicFIFO AuthorizePodWebsocketUpgradeCreatePermission
        CBORServingAndStorage CPUManagerPolicyAlphaOptions CPUManagerPolicyBetaOptions CRDObservedGenerationTracking
        CRIListStreaming CSIVolumeHealth ChangeContainerStatusOnKubeletRestart ClearingNominatedNodeNameAfterBinding
        ClientsAllowCARotation ClientsAllowCBOR ClientsAllowTLSCacheGC ClientsPreferCBOR
        CloudControllerManagerWatchBasedRoutesReconciliation CloudControllerManagerWebhook ClusterTrustBundle
        ClusterTrustBundleProjection ComponentFlagz ComponentStatusz ConcurrentWatchObjectDecode
        ConstrainedImpersonation ContainerCheckpoint ContainerRestartRules ContainerStopSignals ContextualLogging
        ControllerManagerReleaseLeaderElectionLockOnExit CoordinatedLeaderElection CrossNamespaceVolumeDataSource
        CustomCPUCFSQuotaPeriod DRAConsumableCapacity DRADeviceBindingConditions DRADeviceTaintRules DRADeviceTaints
        DRAExtendedResource DRAListTypeAttributes DRANodeAllocatableResources DRAPartitionableDevices
        DRAPrioritizedList DRAResourceClaimDeviceStatus DRAResourceClaimGranularStatusAuthorization
        DRAResourcePoolStatus DRASchedulerFilterTimeout DRAWorkloadResourceClaims DeclarativeValidationBeta
        DeclarativeValidationTakeover DeploymentReplicaSetTerminatingReplicas DetectCacheInconsistency
        DisableCPUQuotaWithExclusiveCPUs EnvFiles EventedPLEG ExtendWebSocketsToKubelet GangScheduling
        GenericWorkload GracefulNodeShutdown GracefulNodeShutdownBasedOnPodPriority HPAConfigurableTolerance
        HPAScaleToZero HostnameOverride ImageVolumeWithDigest InOrderInformersBatchProcess
        InPlacePodLevelResourcesVerticalScaling InPlacePodVerticalScalingExclusiveCPUs
        InPlacePodVerticalScalingExclusiveMemory InPlacePodVerticalScalingInitContainers InformerResourceVersion
        KMSv1 KubeletCrashLoopBackOffMax KubeletEnsureSecretPulledImages KubeletInUserNamespace
        KubeletPodResourcesListUseActivePods KubeletRegistrationGetOnExistsOnly KubeletSeparateDiskGC
        KubeletServiceAccountTokenForCredentialProviders ListFromCacheSnapshot
        LocalStorageCapacityIsolationFSQuotaMonitoring LoggingAlphaOptions LoggingBetaOptions
        ManifestBasedAdmissionControlConfig MatchLabelKeysInPodTopologySpread
        MatchLabelKeysInPodTopologySpreadSelectorMerge MaxUnavailableStatefulSet MemoryQoS MutablePVNodeAffinity
        MutablePodResourcesForSuspendedJobs MutableSchedulingDirectivesForSuspendedJobs MutatingAdmissionPolicy
        NativeHistograms NodeDeclaredFeatures NominatedNodeNameForExpectation OpenAPIEnums OpportunisticBatching
        PLEGOnDemandRelist PersistentVolumeClaimUnusedSinceTime PodAndContainerStatsFromCRI PodCertificateRequest
        PodDeletionCost PodLevelResourceManagers PodLevelResources PodLogsQuerySplitStreams
        PodReadyToStartContainersCondition PodTopologyLabelsAdmission PodsAPI PortForwardWebsockets
        PreventStaticPodAPIReferences QOSReserved ReduceDefaultCrashLoopBackOffDecay RelaxedServiceNameValidation
        ReloadKubeletClientCAFile ReloadKubeletServerCertificateFile RemoteRequestHeaderUID ResourceHealthStatus
        ResourceHealthStatusMessage RestartAllContainersOnContainerExits RotateKubeletServerCertificate
        RuntimeClassInImageCriApi SELinuxMount SchedulerAsyncAPICalls SchedulerAsyncPreemption
        SchedulerPopFromBackoffQ ServiceAccountNodeAudienceRestriction ServiceCIDRStatusFieldWiping
        ShardedListAndWatch SizeBasedListCostEstimate StaleControllerConsistencyDaemonSet
        StaleControllerConsistencyJob StaleControllerConsistencyReplicaSet StaleControllerConsistencyStatefulSet
        StatefulSetSemanticRevisionComparison StorageCapacityScoring StorageNamespaceIndex StorageVersionAPI
        StorageVersionHash StorageVersionMigrator StrictIPCIDRValidation
        StructuredAuthenticationConfigurationEgressSelector StructuredAuthenticationConfigurationJWKSMetrics
        TaintTolerationComparisonOperators TokenRequestServiceAccountUIDValidation TopologyAwareWorkloadScheduling
        TopologyManagerPolicyAlphaOptions TopologyManagerPolicyBetaOptions TranslateStreamCloseWebsocketRequests
        UnauthenticatedHTTP2DOSMitigation UnknownVersionInteroperabilityProxy UnlockWhileProcessingFIFO
        UserNamespacesHostNetworkSupport VolumeLimitScaling WatchCacheInitializationPostStartHook WatchList
        WatchListClient WindowsCPUAndMemoryAffinity WindowsGracefulNodeShutdown WindowsHostNetwork
        WorkloadAwarePreemption WorkloadWithJob
        """),
    ((True,), """
        APIServerTracing AggregatedDiscoveryRemoveBetaType AnonymousAuthConfigurableEndpoints AnyVolumeDataSource
        AuthorizeNodeWithSelectors AuthorizeWithSelectors BtreeWatchCache CPUManagerPolicyOptions
        CRDValidationRatcheting CSIServiceAccountTokenSecrets ConsistentListFromCache CustomResourceFieldSelectors
        DRAAdminAccess DeclarativeValidation DisableAllocatorDualWrite DisableNodeKubeProxyVersion
        DynamicResourceAllocation ExecProbeTimeout ExternalServiceAccountTokenSigner ImageMaximumGCAge ImageVolume
        InOrderInformers InPlacePodVerticalScaling JobBackoffLimitPerIndex JobManagedBy JobPodReplacementPolicy
        JobSuccessPolicy KubeletCgroupDriverFromCRI KubeletFineGrainedAuthz KubeletPSI
        KubeletPodResourcesDynamicResources KubeletPodResourcesGet KubeletTracing LogarithmicScaleDown
        MatchLabelKeysInPodAffinity MultiCIDRServiceAllocator MutableCSINodeAllocatableCount NFTablesProxyMode
        NodeInclusionPolicyInPodTopologySpread NodeLogQuery NodeSwap OrderedNamespaceDeletion
        PodLifecycleSleepAction PodLifecycleSleepActionAllowZero PodObservedGenerationTracking
        PodSchedulingReadiness PreferSameTrafficDistribution ProcMountType RecoverVolumeExpansionFailure
        RecursiveReadOnlyMounts RelaxedDNSSearchValidation RelaxedEnvironmentVariableValidation
        ResilientWatchCacheInitialization RetryGenerateName SELinuxChangePolicy SELinuxMountReadWriteOncePod
        SchedulerQueueingHints SeparateTaintEvictionController ServiceAccountTokenJTI ServiceAccountTokenNodeBinding
        ServiceAccountTokenNodeBindingValidation ServiceAccountTokenPodNodeInfo SidecarContainers
        StreamingCollectionEncodingToJSON StreamingCollectionEncodingToProtobuf
        StructuredAuthenticationConfiguration SupplementalGroupsPolicy SystemdWatchdog TopologyManagerPolicyOptions
        UserNamespacesSupport VolumeAttributesClass WinDSR WinOverlay
        """),
    ((False,), """
        AllowOverwriteTerminationGracePeriodSeconds GitRepoVolumeDriver SeparateCacheWatchRPC
        """),
)  # fmt: skip
VALUES: Mapping[str, tuple[bool, ...]] = {name: values for values, names in _GATES for name in names.split()}


# Off unless asked for, with the gate that each needs, off as well.
_NEEDS = {
    "ClusterTrustBundleProjection": "ClusterTrustBundle",
    "DRAWorkloadResourceClaims": "GenericWorkload",
    "GangScheduling": "GenericWorkload",
    "TopologyAwareWorkloadScheduling": "GenericWorkload",
    "WorkloadAwarePreemption": "GangScheduling",
    "WorkloadWithJob": "GenericWorkload",
}
# On unless asked for, with those that need it, on as well.
_NEEDED_BY = {
    "APIServerIdentity": ("UnknownVersionInteroperabilityProxy",),
    "AtomicFIFO": tuple(
        f"StaleControllerConsistency{each}" for each in ("StatefulSet", "ReplicaSet", "DaemonSet", "Job")
    ),
    "ContainerRestartRules": ("RestartAllContainersOnContainerExits",),
    "DRAResourceClaimDeviceStatus": ("DRADeviceBindingConditions", "DRAResourceClaimGranularStatusAuthorization"),
    "GracefulNodeShutdown": ("WindowsGracefulNodeShutdown", "GracefulNodeShutdownBasedOnPodPriority"),
    "MatchLabelKeysInPodTopologySpread": ("MatchLabelKeysInPodTopologySpreadSelectorMerge",),
    "NodeDeclaredFeatures": (
        *("ExtendWebSocketsToKubelet", "InPlacePodLevelResourcesVerticalScaling"),
        *("RestartAllContainersOnContainerExits", "InPlacePodVerticalScalingInitContainers"),
    ),
    "PodLevelResources": ("InPlacePodLevelResourcesVerticalScaling",),
    "ResourceHealthStatus": ("ResourceHealthStatusMessage",),
}


def sound(gates: Mapping[str, object]) -> tuple[Mapping[str, object], Mapping[str, str]]:
    """Return the gates that kubelet takes together, and why it would not start with each of the others."""
    why = {name: reason for name, value in gates.items() if (reason := _refused(name, value, gates))}
    kept = {name: value for name, value in gates.items() if name not in why}
    if not why:
        return kept, why
    rest, more = sound(kept)  # another one may have needed what went
    return rest, {**why, **more}


def _refused(name: str, value: object, gates: Mapping[str, object]) -> str:
    if not isinstance(value, bool):
        return "must be true or false, without quotes"
    if name not in VALUES:
        return "kubelet 1.36 has no such gate, and would not start"
    if value not in VALUES[name]:
        return f"kubelet 1.36 has it fixed to {str(not value).lower()}, and would not start"
    if value and name in _NEEDS and gates.get(_NEEDS[name]) is not True:
        return f"it needs {_NEEDS[name]}, or kubelet would not start"
    others = () if value else [each for each in _NEEDED_BY.get(name, ()) if gates.get(each) is not False]
    return f"{', '.join(others)} needs it, or kubelet would not start" if others else ""


def is_on(gates: Mapping[str, object], name: str) -> bool:
    """Whether an alpha gate is on, by itself or with all of them."""
    return bool(gates.get(name, gates.get("AllAlpha", False)))
