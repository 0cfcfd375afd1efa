//! The contract suite of routers, through the control socket of a router that runs.

use std::sync::Arc;

use async_trait::async_trait;
use quickserve_core::contract::{self, RouterFixture, RouterStage};
use quickserve_core::traffic::TrafficRouter;
use quickserve_docker::router::RouterControl;
use tokio::sync::Mutex;

use super::support::{Router, key, named};

struct Running;

struct Stage {
    control: RouterControl,
    router: Mutex<Option<Router>>,
}

#[async_trait]
impl RouterFixture for Running {
    async fn fresh(&self) -> Box<dyn RouterStage> {
        let router = Router::start().await;
        Box::new(Stage { control: router.control.clone(), router: Mutex::new(Some(router)) })
    }
}

#[async_trait]
impl RouterStage for Stage {
    fn router(&self) -> Arc<dyn TrafficRouter> {
        Arc::new(self.control.service(key()))
    }

    fn another_process(&self) -> Arc<dyn TrafficRouter> {
        Arc::new(RouterControl::new(self.control.dir()).service(key()))
    }

    fn another_service(&self) -> Option<Arc<dyn TrafficRouter>> {
        Some(Arc::new(self.control.service(named("neighbour"))))
    }

    async fn restart(&self) {
        let mut router = self.router.lock().await;
        let folder = router.take().expect("a router").kill().await;
        *router = Some(Router::start_in(folder, "router").await);
    }
}

#[tokio::test]
async fn a_running_router_holds_to_its_contract() {
    contract::router(&Running).await;
}
