//! The contract suites of platforms and of registries.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use quickserve_core::clock::Clock;
use quickserve_core::contract::{self, PlatformFixture, PlatformStage, RegistryFixture, RegistryStage};
use quickserve_core::orchestrator::Orchestrator;
use quickserve_core::registry::Registry;
use quickserve_core::release::Release;
use quickserve_docker::ImageStore;

use super::support::{Stage, docker, serving, single};

struct Docker;

#[async_trait]
impl PlatformFixture for Docker {
    async fn fresh(&self) -> Box<dyn PlatformStage> {
        Box::new(Stage::new("contract").await)
    }
}

impl PlatformStage for Stage {
    fn platform(&self) -> Arc<dyn Orchestrator> {
        Arc::new(self.platform.clone())
    }

    fn another_process(&self) -> Arc<dyn Orchestrator> {
        Arc::new(Self::another_process(self))
    }

    fn release(&self) -> Arc<Release> {
        Self::release(self, serving(&["serve", "8080"]))
    }

    fn another_release(&self) -> Arc<Release> {
        Self::release(self, serving(&["say", "another", "serve", "8080"]))
    }

    fn crashing_release(&self) -> Arc<Release> {
        Self::release(self, single(&["err", "it \x1b[31mbreaks\x07", "sleep", "100", "exit", "3"]))
    }

    fn crash_code(&self) -> i64 {
        3
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as _
    }
}

#[async_trait]
impl RegistryFixture for Docker {
    async fn fresh(&self) -> Box<dyn RegistryStage> {
        Box::new(Images { stage: Stage::new("contract").await, ids: Mutex::default() })
    }
}

/// Images of a service of its own; dropped, they are gone.
struct Images {
    stage: Stage,
    ids: Mutex<Vec<String>>,
}

#[async_trait]
impl RegistryStage for Images {
    fn registry(&self) -> Arc<dyn Registry> {
        Arc::new(ImageStore::new(self.stage.engine.clone(), self.stage.key.clone()))
    }

    async fn put(&self, name: &str, content: &str) -> String {
        let reference = format!("quickserve-{}-{name}:1", self.stage.key.service());
        let label = format!("LABEL content={content:?}");
        let import = Command::new("docker")
            .args(["import", "--change", &label, "-", &reference])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut import = import.expect("the docker client");
        // An archive of nothing.
        import.stdin.take().expect("a pipe").write_all(&[0; 1024]).expect("an archive");
        let output = import.wait_with_output().expect("the docker client");
        assert!(output.status.success(), "docker import {reference}");
        self.ids.lock().expect("the ids").push(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        reference
    }

    async fn forget(&self, reference: &str) {
        docker(&["rmi", reference]);
    }

    fn push_target(&self) -> Option<String> {
        // It would need a registry beside it: pushing has its own tests.
        None
    }

    fn keeps_documents(&self) -> bool {
        false
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        let ids = std::mem::take(self.ids.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner));
        let _ = Command::new("docker").args(["rmi", "-f"]).args(ids).stderr(Stdio::null()).output();
    }
}

#[tokio::test]
async fn task_sets_on_an_engine_hold_to_their_contract() {
    contract::task_sets(&Docker).await;
}

#[tokio::test]
async fn an_engine_holds_to_the_contract_of_orchestrators() {
    contract::orchestrator(&Docker).await;
}

#[tokio::test]
async fn the_image_store_holds_to_the_contract_of_registries() {
    contract::registry(&Docker).await;
}
