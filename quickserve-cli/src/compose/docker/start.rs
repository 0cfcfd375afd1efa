//! How the router of this machine is found and started.

use quickserve_docker::router::{Launch, RouterControl};

use crate::own;
use crate::settings::Context;

/// The router of this machine, whether it runs or not.
pub(crate) fn router(context: &Context) -> RouterControl {
    RouterControl::new(context.state_dir.join("router"))
}

/// How a router's parent starts a worker: without any variable, so the arguments say everything.
pub(crate) fn worker_arguments(context: &Context) -> Vec<String> {
    own::worker_arguments(&context.state_dir)
}

/// How a router's parent is started: without any variable, so the arguments say everything.
pub(crate) fn router_arguments(context: &Context) -> Vec<String> {
    router_run(context, context.docker_host.as_deref())
}

/// The same for a router that keeps the tasks of this engine whole.
pub(crate) fn router_run(context: &Context, docker_host: Option<&str>) -> Vec<String> {
    let state = context.state_dir.display().to_string();
    let run = ["--state-dir".to_owned(), state, "router".to_owned(), "run".to_owned()];
    let engine = docker_host.iter().flat_map(|host| ["--docker-host".to_owned(), (*host).to_owned()]);
    run.into_iter().chain(engine).collect()
}

/// How to start the router.
pub(crate) fn launch(context: &Context) -> Launch {
    Launch::new(context.state_dir.join("router"), &context.executable, router_arguments(context))
}
