//! What is done on AWS, by whom, to which resources.
//!
//! Which action has which resources is IAM's "Service Authorization Reference". An action without resources of its
//! own has `*`.

use std::collections::BTreeSet;

use quickserve_core::Result;

use super::place::Place;
use crate::preflight::{Declared, LogTarget, Subject};
use crate::s3::Location;
use crate::secrets::{ParameterRef, SecretRef, Source};

const ANY: &str = "*";

/// Some actions on some resources.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    /// The name of its statement: letters and digits only.
    pub(crate) sid: &'static str,
    pub(crate) purpose: Purpose,
    pub(crate) actions: &'static [&'static str],
    pub(crate) resources: Vec<String>,
    pub(crate) condition: Option<Condition>,
}

/// What actions are needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A deployment fails without them.
    Deploy,
    /// An image cannot be sent or copied without them.
    Push,
    /// Checks know less without them.
    Check,
}

/// Under which condition actions are allowed.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    /// Such as `ArnEquals`.
    pub(crate) operator: &'static str,
    /// Such as `ecs:cluster`.
    pub(crate) key: &'static str,
    pub(crate) value: String,
}

impl Need {
    fn new(
        purpose: Purpose,
        sid: &'static str,
        actions: &'static [&'static str],
        resources: impl IntoIterator<Item = String>,
    ) -> Self {
        Self { sid, purpose, actions, resources: resources.into_iter().collect(), condition: None }
    }

    fn under(mut self, operator: &'static str, key: &'static str, value: impl Into<String>) -> Self {
        self.condition = Some(Condition { operator, key, value: value.into() });
        self
    }
}

/// What the identity that deploys does.
pub(crate) fn deployer(subject: &Subject, place: &Place) -> Result<Vec<Need>> {
    let declared = Declared::read(subject)?;
    let mut needs = services(subject, &declared, place);
    needs.extend(roles(&declared, place));
    needs.extend(images(&declared, place));
    needs.extend(bindings(&declared, place));
    needs.extend(journal(subject, place));
    needs.extend(checks(subject, &declared, place));
    needs.retain(|need| !need.resources.is_empty());
    Ok(needs)
}

fn services(subject: &Subject, declared: &Declared, place: &Place) -> Vec<Need> {
    use Purpose::Deploy;
    let (cluster, service) = (subject.cluster_name(), subject.service_name());
    let ecs = |resource: String| [place.arn("ecs", resource)];
    let of_cluster = place.arn("ecs", format!("cluster/{cluster}"));
    let this = ecs(format!("service/{cluster}/{service}"));
    let definitions = ecs(format!("task-definition/{}:*", declared.family));
    let deployments = ecs(format!("service-deployment/{cluster}/{service}/*"));
    let revisions = ecs(format!("service-revision/{cluster}/{service}/*"));
    let mut needs = vec![
        Need::new(
            Deploy,
            "Deploy",
            &["ecs:DescribeServices", "ecs:ListServiceDeployments", "ecs:UpdateService"],
            this.clone(),
        ),
        Need::new(Deploy, "DeploymentsOfService", &["ecs:DescribeServiceDeployments"], deployments),
        Need::new(Deploy, "RevisionsOfService", &["ecs:DescribeServiceRevisions"], revisions),
        Need::new(
            Deploy,
            "TaskDefinitions",
            &["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:RegisterTaskDefinition"],
            [ANY.to_owned()],
        ),
        Need::new(Deploy, "TagTaskDefinitions", &["ecs:TagResource"], definitions),
        Need::new(Deploy, "ListTasks", &["ecs:ListTasks"], [ANY.to_owned()]).under(
            "ArnEquals",
            "ecs:cluster",
            of_cluster,
        ),
        Need::new(Deploy, "Tasks", &["ecs:DescribeTasks"], ecs(format!("task/{cluster}/*"))),
    ];
    if subject.definition.is_some() {
        // A first deployment makes the service, and removes it where it fails.
        let actions = &["ecs:CreateService", "ecs:DeleteService", "ecs:TagResource"];
        needs.push(Need::new(Deploy, "FirstDeployment", actions, this));
    }
    needs
}

fn roles(declared: &Declared, place: &Place) -> Vec<Need> {
    let pass = |sid, roles: BTreeSet<String>, to: &str| {
        Need::new(Purpose::Deploy, sid, &["iam:PassRole"], roles).under(
            "StringEquals",
            "iam:PassedToService",
            to,
        )
    };
    vec![
        pass("GiveRolesToTasks", declared.roles(place), "ecs-tasks.amazonaws.com"),
        pass("GiveRoleToService", declared.shifting_roles(place), "ecs.amazonaws.com"),
    ]
}

fn images(declared: &Declared, place: &Place) -> Vec<Need> {
    let repositories = declared.repositories(place);
    let login = repositories.iter().map(|_| ANY.to_owned()).take(1);
    vec![
        Need::new(Purpose::Deploy, "RegistryLogin", &["ecr:GetAuthorizationToken"], login),
        // Tags keep the images of releases that may be gone back to.
        Need::new(
            Purpose::Deploy,
            "KeepImages",
            &[
                "ecr:BatchDeleteImage",
                "ecr:BatchGetImage",
                "ecr:DescribeImages",
                "ecr:GetDownloadUrlForLayer",
                "ecr:PutImage",
            ],
            repositories.clone(),
        ),
        Need::new(
            Purpose::Push,
            "PushImages",
            &[
                "ecr:BatchCheckLayerAvailability",
                "ecr:CompleteLayerUpload",
                "ecr:InitiateLayerUpload",
                "ecr:UploadLayerPart",
            ],
            repositories,
        ),
    ]
}

fn bindings(declared: &Declared, place: &Place) -> Vec<Need> {
    let parameters = declared.secrets.iter().any(|it| !matches!(it, Source::Secret(_)));
    vec![
        Need::new(
            Purpose::Deploy,
            "BindSecrets",
            &["secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds"],
            secrets(declared, place),
        ),
        Need::new(
            Purpose::Deploy,
            "BindParameters",
            &["ssm:DescribeParameters"],
            parameters.then(|| ANY.to_owned()),
        ),
    ]
}

/// Records, snapshots and leases of the service, of which only snapshots ever go.
fn journal(subject: &Subject, place: &Place) -> Vec<Need> {
    use Purpose::Deploy;
    let Some(Location { bucket, prefix, .. }) = &subject.journal else { return Vec::new() };
    let of_bucket = format!("arn:{}:s3:::{bucket}", place.partition);
    let slash = if prefix.is_empty() { "" } else { "/" };
    let (environment, service) = (subject.key.environment(), subject.key.service());
    let folder = format!("{of_bucket}{slash}{prefix}/{environment}/{service}");
    let objects = &["s3:GetObject", "s3:PutObject"];
    let settings = &[
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketVersioning",
        "s3:GetEncryptionConfiguration",
        "s3:GetLifecycleConfiguration",
    ];
    vec![
        Need::new(Deploy, "Journal", objects, [format!("{folder}/*")]),
        Need::new(Deploy, "JournalSnapshots", &["s3:DeleteObject"], [format!("{folder}/snapshots/*")]),
        // Without it S3 does not say that an object is not there.
        Need::new(Deploy, "JournalBucket", &["s3:ListBucket"], [of_bucket.clone()]),
        Need::new(Purpose::Check, "CheckJournal", settings, [of_bucket]),
    ]
}

fn checks(subject: &Subject, declared: &Declared, place: &Place) -> Vec<Need> {
    use Purpose::Check;
    let cluster = subject.cluster_name();
    let ecs = |resource: String| [place.arn("ecs", resource)];
    let balanced = subject.workload.endpoint.is_some().then(|| ANY.to_owned());
    let secrets = (!declared.secrets.is_empty()).then(|| ANY.to_owned());
    let repositories = declared.repositories(place);
    let names = repositories.first().map(|_| ANY.to_owned());
    let lines = declared.log_groups(place, |_| true).into_iter().map(|group| format!("{group}:log-stream:*"));
    let shifting = declared.shifting_roles(place);
    let ours = subject.assume_role.iter().map(|role| place.role(role));
    let roles: BTreeSet<String> = declared.roles(place).into_iter().chain(shifting).chain(ours).collect();
    // In every other network mode tasks have no addresses of their own.
    let subnets = (declared.network_mode.as_deref() == Some("awsvpc")).then(|| ANY.to_owned());
    let alarms = (!subject.alarms.is_empty()).then(|| ANY.to_owned());
    let logs = (!declared.logs.is_empty()).then(|| ANY.to_owned());
    vec![
        Need::new(
            Check,
            "CheckCluster",
            &["ecs:DescribeClusters", "ecs:ListContainerInstances"],
            ecs(format!("cluster/{cluster}")),
        ),
        Need::new(
            Check,
            "CheckInstances",
            &["ecs:DescribeContainerInstances"],
            ecs(format!("container-instance/{cluster}/*")),
        ),
        Need::new(Check, "CheckRoles", &["iam:GetRole", "iam:SimulatePrincipalPolicy"], roles),
        Need::new(Check, "CheckImages", &["ecr:GetLifecyclePolicy"], repositories),
        Need::new(Check, "CheckNamesOfImages", &["ecr:DescribeRepositories"], names),
        Need::new(Check, "CheckNamesOfSecrets", &["secretsmanager:ListSecrets"], secrets),
        Need::new(
            Check,
            "CheckTraffic",
            &[
                "elasticloadbalancing:DescribeListeners",
                "elasticloadbalancing:DescribeRules",
                "elasticloadbalancing:DescribeTargetGroupAttributes",
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
            ],
            balanced,
        ),
        Need::new(Check, "CheckSubnets", &["ec2:DescribeSubnets"], subnets),
        Need::new(Check, "CheckLogs", &["logs:DescribeLogGroups"], logs),
        Need::new(Check, "CheckOutput", &["logs:GetLogEvents"], lines),
        Need::new(Check, "CheckAlarms", &["cloudwatch:DescribeAlarms"], alarms),
    ]
}

/// What ECS does with the execution role. ECS documentation, "Amazon ECS task execution IAM role".
pub(crate) fn execution_role(subject: &Subject, place: &Place) -> Result<Vec<Need>> {
    use Purpose::Deploy;
    let declared = Declared::read(subject)?;
    let repositories = declared.repositories(place);
    let login = repositories.iter().map(|_| ANY.to_owned()).take(1);
    let pull = &["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
    let streams = |wanted: fn(&LogTarget) -> bool| {
        declared.log_groups(place, wanted).into_iter().map(|group| format!("{group}:*"))
    };
    let mut needs = vec![
        Need::new(Deploy, "RegistryLogin", &["ecr:GetAuthorizationToken"], login),
        Need::new(Deploy, "PullImages", pull, repositories),
        Need::new(Deploy, "WriteLogs", &["logs:CreateLogStream", "logs:PutLogEvents"], streams(|_| true)),
        Need::new(Deploy, "MakeLogGroups", &["logs:CreateLogGroup"], streams(|logs| logs.is_made)),
        Need::new(Deploy, "ReadSecrets", &["secretsmanager:GetSecretValue"], secrets(&declared, place)),
        Need::new(Deploy, "ReadParameters", &["ssm:GetParameters"], parameters(&declared, place)),
        Need::new(Deploy, "Decrypt", &["kms:Decrypt"], place.keys.iter().map(|key| place.key(key))),
    ];
    needs.retain(|need| !need.resources.is_empty());
    Ok(needs)
}

fn secrets(declared: &Declared, place: &Place) -> BTreeSet<String> {
    let named = declared.secrets.iter().filter_map(|source| match source {
        Source::Secret(secret) | Source::Either(_, secret) => Some(secret),
        Source::Parameter(_) => None,
    });
    named.map(|secret| secret_arn(secret, place)).collect()
}

/// Secrets Manager documentation, "Secret ARN": six characters that AWS chooses follow the name.
fn secret_arn(secret: &SecretRef, place: &Place) -> String {
    if secret.id.starts_with("arn:") {
        return secret.id.clone();
    }
    place.arn("secretsmanager", format!("secret:{}-??????", secret.id))
}

fn parameters(declared: &Declared, place: &Place) -> BTreeSet<String> {
    let named = declared.secrets.iter().filter_map(|source| match source {
        Source::Parameter(parameter) | Source::Either(parameter, _) => Some(parameter),
        Source::Secret(_) => None,
    });
    let arn = |parameter: &ParameterRef| {
        let region = parameter.region.as_deref().unwrap_or(&place.region);
        place.arn_in("ssm", region, format!("parameter/{}", parameter.name.trim_start_matches('/')))
    };
    named.map(arn).collect()
}
