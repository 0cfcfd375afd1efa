//! A shop whose service is on the emulator's ECS, with images in its ECR and secrets in its Secrets Manager.

use std::process::Command;

use quickserve_tests::docker::{build, docker};
use quickserve_tests::{Calls, Emulator, artifact};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Ran, Shop};

const ECS: &str = "AmazonEC2ContainerServiceV20141113";
pub(super) const CLUSTER: &str = "main";
pub(super) const SERVICE: &str = "storefront";

/// Dropped, its containers and images are gone.
pub(super) struct Cloud {
    pub(super) shop: Shop,
    emulator: Emulator,
    images: Vec<String>,
    calls: Option<Calls>,
}

impl Cloud {
    /// An empty cluster, and a folder that describes a service for it.
    pub(super) fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let emulator = runtime.block_on(Emulator::start());
        emulator.repository(SERVICE);
        let cloud = Self { shop: Shop::empty(), emulator, images: Vec::new(), calls: None };
        cloud.emulator.role(Emulator::ACCOUNT, "ecsTaskExecutionRole", "ecs-tasks.amazonaws.com");
        cloud.emulator.allow_all(Emulator::ACCOUNT, "ecsTaskExecutionRole");
        cloud.ecs("CreateCluster", &json!({ "clusterName": CLUSTER }));
        let secret = json!({ "Name": "shop/stripe-key", "SecretString": "s3cret-value" });
        cloud.aws("secretsmanager", "secretsmanager.CreateSecret", &secret);
        cloud.configure("local", "bake_time = \"1s\"");
        cloud.define("shop/stripe-key", "");
        cloud
    }

    /// Writes quickserve.toml with this place of the journal and these lines of `[deploy]`.
    pub(super) fn configure(&self, journal: &str, deploy: &str) {
        let service = &self.shop.service;
        self.shop.write(
            "quickserve.toml",
            &format!(
                r#"service = "{service}"
task_definition = "task.json"
[environments.production]
platform = "ecs"
region = "us-east-1"
cluster = "{CLUSTER}"
ecs_service = "{SERVICE}"
service_definition = "service.json"
journal = "{journal}"
[environments.production.deploy]
{deploy}
timeout = "3m"
"#
            ),
        );
        self.shop.write("service.json", r#"{"launchType": "FARGATE"}"#);
    }

    /// Writes the task definition, with this source of its secret and more members of its container.
    pub(super) fn define(&self, secret: &str, more: &str) {
        let definition = format!(
            r#"{{
  "family": "storefront",
  "executionRoleArn": "arn:aws:iam::000000000000:role/ecsTaskExecutionRole",
  "containerDefinitions": [
    {{
      "name": "app",
      "image": "{}:${{IMAGE_TAG}}",{more}
      "memory": 256,
      "environment": [{{ "name": "DATABASE_URL", "value": "postgres://127.0.0.1:1/shop" }}],
      "secrets": [
        {{ "name": "STRIPE_API_KEY", "valueFrom": "{secret}" }}
      ]
    }}
  ]
}}
"#,
            self.repository()
        );
        self.shop.write("task.json", &definition);
    }

    fn repository(&self) -> String {
        format!("localhost:{}/{SERVICE}", self.emulator.port)
    }

    /// Pushes an image of storefront, and answers its reference.
    pub(super) fn push(&mut self, version: &str) -> String {
        let reference = format!("{}:{version}", self.repository());
        let folder = TempDir::new().expect("a folder");
        std::fs::copy(artifact("storefront"), folder.path().join("storefront")).expect("a copy");
        let dockerfile = format!(
            "FROM scratch\nCOPY storefront /storefront\nLABEL of={reference}\nENTRYPOINT [\"/storefront\"]\n"
        );
        std::fs::write(folder.path().join("Dockerfile"), dockerfile).expect("a file");
        build(&reference, folder.path());
        self.images.push(reference.clone());
        docker(&["push", "--quiet", &reference]);
        reference
    }

    /// Runs the command in the environment that is on ECS.
    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
        self.shop.run_with(&variables, &in_production(arguments))
    }

    /// What the command finds AWS by.
    pub(super) fn variables(&self) -> [(&'static str, String); 4] {
        let port = self.calls.as_ref().map_or(self.emulator.port, |calls| calls.port);
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
            ("AWS_ACCESS_KEY_ID", Emulator::ACCOUNT.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// Writes down what is called from now on.
    pub(super) fn watch(&mut self) {
        self.calls = Some(Calls::before(self.emulator.port));
    }

    /// What was called since.
    pub(super) fn calls(&self) -> &Calls {
        self.calls.as_ref().expect("nobody watches")
    }

    /// Makes a bucket, and lets the service keep its journal there.
    pub(super) fn share(&self, deploy: &str) {
        self.configure("s3://acme-deploy/journal", deploy);
        self.ends(0, &["aws", "bootstrap"]);
    }

    /// Runs it to this exit code.
    pub(super) fn ends(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{ran}");
        ran
    }

    fn aws(&self, service: &str, target: &str, request: &Value) -> Value {
        self.emulator.aws(Emulator::ACCOUNT, service, target, request)
    }

    fn ecs(&self, call: &str, request: &Value) -> Value {
        self.aws("ecs", &format!("{ECS}.{call}"), request)
    }

    /// What every change of ECS would change: the revisions of the family, and the service with its deployments.
    pub(super) fn state(&self) -> Value {
        let revisions = self.ecs("ListTaskDefinitions", &json!({ "familyPrefix": SERVICE }));
        let service = json!({ "cluster": CLUSTER, "services": [SERVICE] });
        let services = self.ecs("DescribeServices", &service);
        let deployments = services["services"][0]["deployments"].clone();
        json!({ "revisions": revisions["taskDefinitionArns"], "deployments": deployments })
    }

    /// The definition that the service's tasks run by.
    pub(super) fn live(&self) -> Value {
        let service = json!({ "cluster": CLUSTER, "services": [SERVICE] });
        let services = self.ecs("DescribeServices", &service);
        let revision = services["services"][0]["taskDefinition"].clone();
        let described = self.ecs("DescribeTaskDefinition", &json!({ "taskDefinition": revision }));
        described["taskDefinition"].clone()
    }
}

/// Arguments of a command that is about the environment on ECS.
pub(super) fn in_production<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    ["-e", "production"].into_iter().chain(arguments.iter().copied()).collect()
}

impl Drop for Cloud {
    fn drop(&mut self) {
        for image in &self.images {
            let _ = Command::new("docker").args(["image", "rm", "--force", image]).output();
        }
    }
}
