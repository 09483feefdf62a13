"""What of the API is not built, and with which capability it will come.

Every operation of the API is declared (a `Kind`), written by hand (a module's `operations`) or listed here; a test sees
to it. What is listed answers 501 NotImplementedException before anything else.
"""

from collections.abc import Mapping

_BY_CAPABILITY = {
    "AI benchmarks": """
        CreateAIBenchmarkJob CreateAIRecommendationJob DeleteAIBenchmarkJob DeleteAIRecommendationJob
        DescribeAIBenchmarkJob DescribeAIRecommendationJob ListAIBenchmarkJobs ListAIRecommendationJobs
        StopAIBenchmarkJob StopAIRecommendationJob
    """,
    "apps": """
        CreateApp DeleteApp DescribeApp ListApps
    """,
    "AutoML": """
        CreateAutoMLJob CreateAutoMLJobV2 DescribeAutoMLJob DescribeAutoMLJobV2 ListAutoMLJobs
        ListCandidatesForAutoMLJob StopAutoMLJob
    """,
    "clusters": """
        AttachClusterNodeNetworkInterface AttachClusterNodeVolume BatchAddClusterNodes BatchDeleteClusterNodes
        BatchRebootClusterNodes BatchReplaceClusterNodes CreateCluster CreateClusterExtension DeleteCluster
        DeleteClusterExtension DescribeCluster DescribeClusterEvent DescribeClusterExtension DescribeClusterNode
        DescribeClusterOperation DetachClusterNodeVolume ListClusterEvents ListClusterExtensionVersions
        ListClusterExtensions ListClusterNodes ListClusterOperations ListClusters StartClusterHealthCheck
        UpdateCluster UpdateClusterExtension UpdateClusterSoftware
    """,
    "compilation": """
        CreateCompilationJob DeleteCompilationJob DescribeCompilationJob ListCompilationJobs StopCompilationJob
    """,
    "edge deployments": """
        StartEdgeDeploymentStage StopEdgeDeploymentStage
    """,
    "edge packaging": """
        CreateEdgePackagingJob DescribeEdgePackagingJob ListEdgePackagingJobs StopEdgePackagingJob
    """,
    "inference routers": """
        CreateInferenceRouter DeleteInferenceRouter DescribeInferenceRouter ListInferenceRouters
        UpdateInferenceRouter
    """,
    "jobs of a category": """
        CreateJob DeleteJob DescribeJob DescribeJobSchemaVersion ListJobSchemaVersions ListJobs StopJob
    """,
    "labeling": """
        CreateLabelingJob DescribeLabelingJob ListLabelingJobs ListLabelingJobsForWorkteam StopLabelingJob
    """,
    "MLflow": """
        CreateMlflowApp CreateMlflowTrackingServer CreatePresignedMlflowAppUrl
        CreatePresignedMlflowTrackingServerUrl DeleteMlflowApp DeleteMlflowTrackingServer DescribeMlflowApp
        DescribeMlflowTrackingServer ListMlflowApps ListMlflowTrackingServers StartMlflowTrackingServer
        StopMlflowTrackingServer UpdateMlflowApp UpdateMlflowTrackingServer
    """,
    "model card exports": """
        CreateModelCardExportJob DescribeModelCardExportJob ListModelCardExportJobs
    """,
    "model metadata": """
        ListModelMetadata
    """,
    "monitoring schedules": """
        CreateMonitoringSchedule DeleteMonitoringSchedule DescribeMonitoringSchedule ListMonitoringAlertHistory
        ListMonitoringAlerts ListMonitoringExecutions ListMonitoringSchedules StartMonitoringSchedule
        StopMonitoringSchedule UpdateMonitoringAlert UpdateMonitoringSchedule
    """,
    "notebook instances": """
        CreateNotebookInstance CreatePresignedNotebookInstanceUrl DeleteNotebookInstance
        DescribeNotebookInstance ListNotebookInstances StartNotebookInstance StopNotebookInstance
        UpdateNotebookInstance
    """,
    "optimization": """
        CreateOptimizationJob DeleteOptimizationJob DescribeOptimizationJob ListOptimizationJobs
        StopOptimizationJob
    """,
    "partner apps": """
        CreatePartnerApp CreatePartnerAppPresignedUrl DeletePartnerApp DescribePartnerApp ListPartnerApps
        UpdatePartnerApp
    """,
    "pipeline executions": """
        DescribePipelineDefinitionForExecution DescribePipelineExecution ListPipelineExecutionSteps
        ListPipelineParametersForExecution RetryPipelineExecution
        SendPipelineExecutionStepFailure SendPipelineExecutionStepSuccess StartPipelineExecution
        StopPipelineExecution UpdatePipelineExecution
    """,
    "Studio sessions": """
        StartSession
    """,
    "Studio sign-on": """
        CreatePresignedDomainUrl
    """,
    "training plans": """
        CreateTrainingPlan DescribeReservedCapacity DescribeTrainingPlan DescribeTrainingPlanExtensionHistory
        ExtendTrainingPlan ListTrainingPlans ListUltraServersByReservedCapacity SearchTrainingPlanOfferings
    """,
    "training sessions": """
        CreateTrainingSession DeleteTrainingSession DescribeTrainingSession ListTrainingSessions
        StopTrainingSession
    """,
}

NOT_BUILT: Mapping[str, str] = {
    operation: capability for capability, operations in _BY_CAPABILITY.items() for operation in operations.split()
}
"""Operation → the capability."""
