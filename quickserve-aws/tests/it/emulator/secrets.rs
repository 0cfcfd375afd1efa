//! The secret store's contract, held by Secrets Manager and by SSM.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use quickserve_aws::secrets::AwsSecrets;
use quickserve_core::ErrorKind;
use quickserve_core::contract::{SecretsFixture, SecretsStage, secrets};
use quickserve_core::release::SecretVersion;
use quickserve_core::secrets::{BoundSecret, SecretPresence, SecretStore};
use serde_json::{Value, json};

use super::Emulator;
use crate::support::clients;

struct Fixture {
    emulator: Arc<Emulator>,
    parameters: bool,
    stages: AtomicU32,
}

/// An account of its own.
struct Stage {
    emulator: Arc<Emulator>,
    account: String,
    parameters: bool,
}

impl Stage {
    fn manager(&self, operation: &str, request: &Value) -> Value {
        self.emulator.aws(&self.account, "secretsmanager", &format!("secretsmanager.{operation}"), request)
    }

    fn is_there(&self, name: &str) -> Option<String> {
        let listed = self.manager("ListSecrets", &json!({}));
        let secrets = listed["SecretList"].as_array().cloned().unwrap_or_default();
        secrets.iter().find(|secret| secret["Name"] == name)?["ARN"].as_str().map(str::to_owned)
    }

    fn put_secret(&self, name: &str, value: &str) -> String {
        if let Some(arn) = self.is_there(name) {
            self.manager("PutSecretValue", &json!({ "SecretId": arn, "SecretString": value }));
            return arn;
        }
        if !value.is_empty() {
            let made = self.manager("CreateSecret", &json!({ "Name": name, "SecretString": value }));
            return made["ARN"].as_str().expect("an ARN").to_owned();
        }
        // Neither of both services keeps an empty value; a secret that nobody gave one has no version. The
        // emulator gives it one all the same.
        let made = self.manager("CreateSecret", &json!({ "Name": name }));
        let stage = json!({ "SecretId": made["ARN"], "VersionStage": "AWSCURRENT",
            "RemoveFromVersionId": made["VersionId"] });
        self.manager("UpdateSecretVersionStage", &stage);
        made["ARN"].as_str().expect("an ARN").to_owned()
    }
}

#[async_trait]
impl SecretsFixture for Fixture {
    async fn fresh(&self) -> Box<dyn SecretsStage> {
        let account = format!("{:012}", 100_000 + self.stages.fetch_add(1, Ordering::Relaxed));
        Box::new(Stage { emulator: self.emulator.clone(), account, parameters: self.parameters })
    }
}

#[async_trait]
impl SecretsStage for Stage {
    fn store(&self) -> Arc<dyn SecretStore> {
        Arc::new(AwsSecrets::new(clients(self.emulator.port, &self.account)))
    }

    fn another_process(&self) -> Arc<dyn SecretStore> {
        self.store()
    }

    async fn put(&self, name: &str, value: &str) -> String {
        let name = format!("contract/{name}");
        if !self.parameters || value.is_empty() {
            return self.put_secret(&name, value);
        }
        let name = format!("/{name}");
        let request = json!({ "Name": name, "Value": value, "Type": "SecureString", "Overwrite": true });
        self.emulator.aws(&self.account, "ssm", "AmazonSSM.PutParameter", &request);
        name
    }

    fn pins(&self) -> bool {
        !self.parameters
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_manager_holds_the_contract_of_secret_stores() {
    let emulator = Arc::new(Emulator::start().await);
    secrets(&Fixture { emulator, parameters: false, stages: AtomicU32::new(0) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_hold_the_contract_of_secret_stores() {
    let emulator = Arc::new(Emulator::start().await);
    secrets(&Fixture { emulator, parameters: true, stages: AtomicU32::new(0) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_bound_as_its_kind_and_its_parts_say() {
    let stage = Stage {
        emulator: Arc::new(Emulator::start().await),
        account: "000000100099".into(),
        parameters: false,
    };
    let store = stage.store();
    let arn = stage.put_secret("shop/db", r#"{"password": "hunter2"}"#);
    let version = store.bind(&format!("{arn}:password::")).await.expect("bound");
    let SecretVersion::Pinned(id) = &version else { panic!("{version:?}") };
    let bound = store.resolve(&format!("{arn}:password::"), &version).await.expect("resolved");
    let BoundSecret::Reference(reference) = bound else { panic!("{bound:?}") };
    assert_eq!(reference, format!("{arn}:password::{id}"));
    // By its name ECS would not find it; by what comes out here it does.
    let named = store.resolve("shop/db", &SecretVersion::Floating(None)).await.expect("resolved");
    assert!(matches!(named, BoundSecret::Reference(reference) if reference == arn));
    let key = store.bind(&format!("{arn}:pasword::")).await.expect_err("no such key");
    assert_eq!((key.kind(), key.hint()), (ErrorKind::NotFound, Some("it has password")));
    let stage_name = store.bind(&format!("{arn}::AWSNEVER:")).await.expect_err("no such stage");
    assert_eq!(stage_name.hint(), Some("it has AWSCURRENT"));
    let binary = json!({ "Name": "shop/key", "SecretBinary": "aHVudGVyMg==" });
    stage.manager("CreateSecret", &binary);
    let error = store.bind("shop/key").await.expect_err("binary");
    assert!(error.hint().expect("a hint").contains("base64"), "{error:?}");
    let near = store.check(&["shop/dbb".to_owned()]).await.expect("checked");
    let [SecretPresence::Missing { near }] = near.as_slice() else { panic!("{near:?}") };
    assert_eq!(near.first().map(String::as_str), Some("shop/db"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_rotates_floats() {
    let stage = Stage {
        emulator: Arc::new(Emulator::start().await),
        account: "000000100098".into(),
        parameters: false,
    };
    let arn = stage.put_secret("shop/db", "hunter2");
    let rules = json!({ "SecretId": arn, "RotationRules": { "AutomaticallyAfterDays": 30 }, "RotateImmediately": false,
        "RotationLambdaARN": "arn:aws:lambda:us-east-1:000000100098:function:rotate" });
    stage.manager("RotateSecret", &rules);
    let version = stage.store().bind(&arn).await.expect("bound");
    assert!(matches!(version, SecretVersion::Floating(Some(_))), "{version:?}");
}
