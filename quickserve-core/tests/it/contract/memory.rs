//! The contract suites against the backends in memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::ObjectStore;
use quickserve_core::clock::Clock;
use quickserve_core::contract::{
    self, JournalFixture, JournalStage, PlatformFixture, PlatformStage, ProberFixture, ProberStage,
    RegistryFixture, RegistryStage, RouterFixture, RouterStage, SecretsFixture, SecretsStage, Target,
};
use quickserve_core::fault::{Fault, FaultPlan, Faults, Interceptor, NoFaults};
use quickserve_core::fence::{Epoch, Fence};
use quickserve_core::health::HealthProber;
use quickserve_core::journal;
use quickserve_core::memory::{Behaviour, MemoryClock, MemoryPlatform, MemoryRegistry, MemorySecrets, World};
use quickserve_core::orchestrator::{Drive, Orchestrator, SetSpec, Standing};
use quickserve_core::registry::Registry;
use quickserve_core::release::{Digest, Image, Release};
use quickserve_core::secrets::SecretStore;
use quickserve_core::traffic::TrafficRouter;
use quickserve_core::workload::Workload;
use tempfile::TempDir;

/// Worlds in memory, reached through interceptors of this kind.
pub(super) struct Memory(fn(Arc<dyn Clock>) -> Arc<dyn Interceptor>);

pub(super) const PLAIN: Memory = Memory(|_| Arc::new(NoFaults));
/// Every call is made twice: a client's own retry after an answer that was lost.
const REPEATED: Memory =
    Memory(|clock| Arc::new(Faults::new(FaultPlan::default().seeded(7, 100, [Fault::Repeat]), clock)));

struct Stage {
    clock: Arc<MemoryClock>,
    world: World,
    interceptor: fn(Arc<dyn Clock>) -> Arc<dyn Interceptor>,
}

impl Memory {
    fn stage(&self) -> Stage {
        let clock = Arc::new(MemoryClock::default());
        let world = World::new(clock.clone());
        world.set_behaviour(&release("crashes").id, Behaviour::Crashes { after: Duration::from_millis(30) });
        Stage { clock, world, interceptor: self.0 }
    }
}

impl Stage {
    fn interceptor(&self) -> Arc<dyn Interceptor> {
        (self.interceptor)(self.clock.clone())
    }

    fn memory(&self) -> MemoryPlatform {
        self.world.platform(self.interceptor())
    }
}

fn release(name: &str) -> Arc<Release> {
    let image = Image { reference: format!("{name}:1"), digest: Digest::of(name.as_bytes()), manifest: None };
    let images = BTreeMap::from([("app".to_owned(), image)]);
    Arc::new(Release::new("1", images, Vec::new(), Workload::single("app"), None).expect("a release"))
}

fn fence(epoch: u64) -> Fence {
    Fence { epoch: Epoch(epoch), op: 1, not_after: jiff::Timestamp::MAX }
}

#[async_trait]
impl PlatformFixture for Memory {
    async fn fresh(&self) -> Box<dyn PlatformStage> {
        Box::new(self.stage())
    }
}

impl PlatformStage for Stage {
    fn platform(&self) -> Arc<dyn Orchestrator> {
        Arc::new(self.memory())
    }

    fn another_process(&self) -> Arc<dyn Orchestrator> {
        Arc::new(self.memory())
    }

    fn release(&self) -> Arc<Release> {
        release("one")
    }

    fn another_release(&self) -> Arc<Release> {
        release("another")
    }

    fn crashing_release(&self) -> Arc<Release> {
        release("crashes")
    }

    fn crash_code(&self) -> i64 {
        1
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }
}

#[async_trait]
impl RouterFixture for Memory {
    async fn fresh(&self) -> Box<dyn RouterStage> {
        Box::new(self.stage())
    }
}

#[async_trait]
impl RouterStage for Stage {
    fn router(&self) -> Arc<dyn TrafficRouter> {
        Arc::new(self.world.router(self.interceptor()))
    }

    fn another_process(&self) -> Arc<dyn TrafficRouter> {
        Arc::new(self.world.router(self.interceptor()))
    }

    fn another_service(&self) -> Option<Arc<dyn TrafficRouter>> {
        None
    }

    async fn restart(&self) {}
}

#[async_trait]
impl ProberFixture for Memory {
    async fn fresh(&self) -> Box<dyn ProberStage> {
        Box::new(self.stage())
    }
}

#[async_trait]
impl ProberStage for Stage {
    fn prober(&self) -> Arc<dyn HealthProber> {
        Arc::new(self.world.prober(self.interceptor()))
    }

    async fn target(&self, target: Target) -> Option<SocketAddr> {
        let behaviour = match target {
            Target::Nobody => return Some(([127, 0, 0, 1], 9).into()),
            Target::Answers(200) => Behaviour::Healthy { after: Duration::ZERO },
            Target::Answers(503) => Behaviour::NeverHealthy,
            _ => return None,
        };
        let release = release(&format!("{target:?}"));
        self.world.set_behaviour(&release.id, behaviour);
        let platform = self.memory();
        platform.register(&fence(1), &release).await.expect("a revision");
        let Drive::Stepwise { sets, .. } = platform.drive() else { panic!("stepwise") };
        let spec = SetSpec { release, tasks: 1, standing: Standing::Staged, doomed: [].into() };
        sets.advance(&fence(1), &spec).await.expect("a set").tasks[0].address
    }
}

#[async_trait]
impl RegistryFixture for Memory {
    async fn fresh(&self) -> Box<dyn RegistryStage> {
        Box::new(Images(Arc::default()))
    }
}

struct Images(Arc<MemoryRegistry>);

#[async_trait]
impl RegistryStage for Images {
    fn registry(&self) -> Arc<dyn Registry> {
        self.0.clone()
    }

    async fn put(&self, name: &str, content: &str) -> String {
        self.0.insert(format!("{name}:1"), content.as_bytes()).reference
    }

    async fn forget(&self, reference: &str) {
        self.0.remove(reference);
    }

    fn push_target(&self) -> Option<String> {
        Some("registry.example/pushed:1".to_owned())
    }

    fn keeps_documents(&self) -> bool {
        true
    }
}

#[async_trait]
impl SecretsFixture for Memory {
    async fn fresh(&self) -> Box<dyn SecretsStage> {
        Box::new(Secrets(Arc::default()))
    }
}

struct Secrets(Arc<MemorySecrets>);

#[async_trait]
impl SecretsStage for Secrets {
    fn store(&self) -> Arc<dyn SecretStore> {
        self.0.clone()
    }

    fn another_process(&self) -> Arc<dyn SecretStore> {
        self.0.clone()
    }

    async fn put(&self, name: &str, value: &str) -> String {
        self.0.insert(name, value);
        name.to_owned()
    }

    fn pins(&self) -> bool {
        true
    }
}

struct Objects(Arc<dyn ObjectStore>);

impl JournalStage for Objects {
    fn store(&self) -> Arc<dyn ObjectStore> {
        self.0.clone()
    }
}

#[async_trait]
impl JournalFixture for Memory {
    async fn fresh(&self) -> Box<dyn JournalStage> {
        Box::new(Objects(journal::in_memory()))
    }
}

/// Folders of this machine.
struct Folders;

#[async_trait]
impl JournalFixture for Folders {
    async fn fresh(&self) -> Box<dyn JournalStage> {
        Box::new(Folder(tempfile::tempdir().expect("a folder")))
    }
}

struct Folder(TempDir);

impl JournalStage for Folder {
    fn store(&self) -> Arc<dyn ObjectStore> {
        journal::local(self.0.path()).expect("a store")
    }
}

#[tokio::test]
async fn task_sets_in_memory_hold_to_their_contract() {
    contract::task_sets(&PLAIN).await;
}

#[tokio::test]
async fn the_platform_in_memory_holds_to_its_contract() {
    contract::orchestrator(&PLAIN).await;
}

#[tokio::test]
async fn the_router_in_memory_holds_to_its_contract() {
    contract::router(&PLAIN).await;
}

#[tokio::test]
async fn the_registry_in_memory_holds_to_its_contract() {
    contract::registry(&PLAIN).await;
}

#[tokio::test]
async fn secrets_in_memory_hold_to_their_contract() {
    contract::secrets(&PLAIN).await;
}

#[tokio::test]
async fn the_prober_in_memory_holds_to_its_contract() {
    contract::prober(&PLAIN).await;
}

#[tokio::test]
async fn a_journal_in_memory_holds_to_its_contract() {
    contract::journal(&PLAIN).await;
}

#[tokio::test]
async fn a_journal_in_a_folder_holds_to_its_contract() {
    contract::journal(&Folders).await;
}

#[tokio::test]
async fn the_contracts_hold_when_every_call_is_made_twice() {
    contract::task_sets(&REPEATED).await;
    contract::orchestrator(&REPEATED).await;
    contract::router(&REPEATED).await;
    contract::prober(&REPEATED).await;
}
