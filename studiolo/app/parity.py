"""What the original has, and what shows that we have it: the parity table is generated from this list and the catalog.

`types` and `surfaces` name what must be served for a feature to count as offered; a feature that names neither is not
offered. `limits` says what is missing from one that is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

_ML = "Microsoft.MachineLearningServices/workspaces"


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of the original."""

    area: str
    what: str
    types: tuple[str, ...] = ()
    surfaces: tuple[str, ...] = ()
    limits: str = ""

    def is_offered(self, types: Collection[str], surfaces: Collection[str]) -> bool:
        """Whether everything that the feature names is served."""
        named = bool(self.types or self.surfaces)
        return named and all(t.lower() in types for t in self.types) and all(s in surfaces for s in self.surfaces)


FEATURES: tuple[Feature, ...] = (
    Feature(
        "Hubs and projects",
        "Hubs, projects and plain workspaces by SDK, template, CLI and REST",
        (_ML,),
        limits="managed networks and closed public access are refused as not offered; no soft delete",
    ),
    Feature(
        "Hubs and projects",
        "ARM template deployments, nested, with conditions, copies and functions",
        ("Microsoft.Resources/deployments",),
        limits="no what-if, no linked templates, incremental mode only",
    ),
    Feature(
        "Encryption",
        "Customers' keys for hubs, in a vault or a file, at creation or later; withdrawing one stops serving within seconds",
        ("Studiolo.Keys/rotations",),
        limits="files and vaults that take no token or one that the operator keeps; no managed HSM, no identity of the hub at the vault",
    ),
    Feature(
        "Encryption",
        "A key per hub and project: rotation with sealing anew and progress, destruction of one project's bytes, master key rotation",
        ("Studiolo.Keys/rotations",),
        limits="keys of model calls and templates are wrapped anew and not sealed anew; the master key rotates while the studio is stopped",
    ),
    Feature(
        "Identity",
        "Service principals with secrets and certificates, system-assigned identities, token endpoint and rotating key sets",
        ("Studiolo.Directory/servicePrincipals",),
        ("tokens",),
        limits="no federated identities (workload identity)",
    ),
    Feature(
        "Identity",
        "Sign-in of people: authorization code with PKCE, device code, refresh tokens, on-behalf-of; passwords and one-time codes",
        ("Studiolo.Directory/users",),
        ("tokens", "sign-in"),
        limits="no implicit or hybrid flow, no password grant; consent is asked for every time; passkeys come with the studio",
    ),
    Feature(
        "Identity",
        "Managed identity endpoints for workloads (App Service's, Azure ML's and the instance-metadata shape), bound to one workload each",
        (),
        ("workloads",),
        limits="the instance-metadata address is told by AZURE_POD_IDENTITY_AUTHORITY_HOST to programs that `identity run` starts; "
        "169.254.169.254 itself is not served",
    ),
    Feature(
        "Identity",
        "Sign-in of people by an outside OpenID Connect provider, whose group claims are mapped to groups",
        ("Studiolo.Directory/identityProviders",),
        ("sign-in",),
        limits="people come in by the browser; groups follow at each sign-in and not in between; group overage is refused and not looked "
        "up; no SAML, no SCIM, no sign-out at the provider",
    ),
    Feature(
        "Identity",
        "Microsoft Graph v1.0: users, groups with members, service principals, applications",
        ("Studiolo.Directory/users", "Studiolo.Directory/groups", "Studiolo.Directory/applications"),
        ("graph",),
        limits="$filter with eq, in and startswith, $select, $top; no $search, $expand, $count, no delta, no batch",
    ),
    Feature(
        "Identity",
        "Role definitions, role and deny assignments with conditions, explained decisions",
        ("Microsoft.Authorization/roleDefinitions", "Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/denyAssignments"),
        limits="eligible assignments have a beginning and an end; no activation on request, no approvals",
    ),
    Feature(
        "Identity",
        "Management groups above subscriptions",
        ("Microsoft.Management/managementGroups",),
        limits="groups without a parent hang at the tenant's root itself; no hierarchy settings, no $expand",
    ),
    Feature(
        "Data",
        "Blob protocol with OAuth and SAS, sealed with a key per project",
        ("Microsoft.Storage/storageAccounts",),
        ("blobs",),
        limits="block blobs; no append or page blobs, leases, snapshots, versions; no Data Lake and no file protocol",
    ),
    Feature(
        "Data",
        "Data, model, code, environment and component assets with versions, labels and archiving",
        (
            f"{_ML}/data/versions",
            f"{_ML}/models/versions",
            f"{_ML}/codes/versions",
            f"{_ML}/environments/versions",
            f"{_ML}/components/versions",
        ),
    ),
    Feature("Data", "Datastores with short-lived credentials", (f"{_ML}/datastores",)),
    Feature(
        "Models",
        "Chat, completions and embeddings from a local model in the OpenAI and Azure OpenAI shapes",
        ("Microsoft.CognitiveServices/accounts/deployments",),
        ("models",),
        limits="the two packaged models; no tools, images or log probabilities",
    ),
    Feature("Models", "Model catalog, managed and serverless endpoints", (f"{_ML}/onlineEndpoints", f"{_ML}/serverlessEndpoints")),
    Feature("Safety", "Content filters and blocklists", ("Microsoft.CognitiveServices/accounts/raiPolicies",)),
    Feature("Connections", "Connections with stored credentials", (f"{_ML}/connections",)),
    Feature(
        "Secrets",
        "Vaults as resources that hubs name",
        ("Microsoft.KeyVault/vaults",),
        limits="the Key Vault protocol (reading and writing secrets) is not offered yet",
    ),
    Feature("Secrets", "Key Vault protocol", (), ("secrets",)),
    Feature(
        "Telemetry",
        "Application and log resources that workspaces name",
        ("Microsoft.Insights/components",),
        limits="declarations only: telemetry is not taken in yet",
    ),
    Feature("Telemetry", "Activity log", (), ("activity",)),
    Feature("Telemetry", "Traces (OTLP) and their search", (), ("traces",)),
    Feature("Flows", "Prompt flows: authoring, runs, serving", (f"{_ML}/flows",)),
    Feature("Evaluation", "Evaluations with built-in metrics", (f"{_ML}/evaluations",)),
    Feature("Search", "Indexes and retrieval", (f"{_ML}/indexes",)),
    Feature("Compute", "Computes, jobs, schedules, sweeps, AutoML", (f"{_ML}/computes", f"{_ML}/jobs", f"{_ML}/schedules")),
    Feature("Compute", "MLflow tracking", (), ("mlflow",)),
    Feature("Network", "Managed networks and outbound rules", (f"{_ML}/outboundRules",)),
    Feature("Images", "Environment images, SBOM, advisories", ("Microsoft.ContainerRegistry/registries",)),
    Feature("Sharing", "Registries", ("Microsoft.MachineLearningServices/registries",)),
    Feature("Costs", "Ledger, budgets, cost queries", ("Microsoft.Consumption/budgets",)),
    Feature("Policy", "Policy definitions and assignments", ("Microsoft.Authorization/policyDefinitions",)),
    Feature("Recovery", "Snapshots, backups, drills, soft delete", ("Studiolo.Recovery/snapshots",)),
    Feature("Studio", "The studio in the browser", (), ("studio",), limits="a first page shows hubs and projects"),
    Feature("Scale", "PostgreSQL, object stores, several replicas", (), ("replicas",)),
)
