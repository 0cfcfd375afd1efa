//! The contract suites against what needs no engine: the prober and the dotenv file. Those of the engine and of
//! the router are beside their other tests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use quickserve_core::contract::{
    self, ProberFixture, ProberStage, SecretsFixture, SecretsStage, Target, imitate,
};
use quickserve_core::health::HealthProber;
use quickserve_core::secrets::SecretStore;
use quickserve_docker::DotenvSecrets;
use quickserve_docker::prober::HttpProber;
use tempfile::TempDir;

struct Http;

#[async_trait]
impl ProberFixture for Http {
    async fn fresh(&self) -> Box<dyn ProberStage> {
        Box::new(Http)
    }
}

#[async_trait]
impl ProberStage for Http {
    fn prober(&self) -> Arc<dyn HealthProber> {
        Arc::new(HttpProber::default())
    }

    async fn target(&self, target: Target) -> Option<SocketAddr> {
        Some(imitate(target).await)
    }
}

struct Dotenv;

/// A dotenv file with these variables, and the folder of what is kept.
struct File {
    folder: TempDir,
    variables: Mutex<BTreeMap<String, String>>,
}

impl File {
    fn path(&self) -> PathBuf {
        self.folder.path().join(".env")
    }

    fn write(&self) {
        let variables = self.variables.lock().expect("the variables");
        let lines: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        std::fs::write(self.path(), lines.concat()).expect("a file");
    }
}

#[async_trait]
impl SecretsFixture for Dotenv {
    async fn fresh(&self) -> Box<dyn SecretsStage> {
        let file = File { folder: TempDir::new().expect("a folder"), variables: Mutex::default() };
        file.write();
        Box::new(file)
    }
}

#[async_trait]
impl SecretsStage for File {
    fn store(&self) -> Arc<dyn SecretStore> {
        Arc::new(DotenvSecrets::new(self.path(), self.folder.path().join("state")))
    }

    fn another_process(&self) -> Arc<dyn SecretStore> {
        self.store()
    }

    async fn put(&self, name: &str, value: &str) -> String {
        self.variables.lock().expect("the variables").insert(name.to_owned(), value.to_owned());
        self.write();
        name.to_owned()
    }

    fn pins(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn the_http_prober_holds_to_its_contract() {
    contract::prober(&Http).await;
}

#[tokio::test]
async fn a_dotenv_file_holds_to_the_contract_of_secret_stores() {
    contract::secrets(&Dotenv).await;
}
