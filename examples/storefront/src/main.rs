//! A small real HTTP service with failure switches, for rehearsing deployments.
//!
//! `storefront` serves; `storefront healthcheck` asks the one that serves on `PORT` how it is.

mod app;
mod body;
mod client;
mod clock;
mod config;
mod database;
mod drain;
mod events;
mod faults;
mod health;
mod healthcheck;
mod identity;
mod output;
mod parse;
mod routes;
mod server;
mod websocket;

use std::process::ExitCode;

const USAGE: &str = "usage: storefront [healthcheck]";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [] => run(serve()),
        [command] if command == "healthcheck" => run(healthcheck::check()),
        _ => {
            output::error(USAGE);
            ExitCode::from(2)
        }
    }
}

async fn serve() -> ExitCode {
    match config::Settings::from_process() {
        Ok(settings) => server::run(settings).await,
        Err(problems) => {
            for problem in problems.lines() {
                output::error(&format!("error: {problem}"));
            }
            ExitCode::FAILURE
        }
    }
}

/// One thread is enough for an example, and keeps the order of events plain.
fn run(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(command);
            // A crash must not wait for a name lookup that still runs on a helper thread.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            output::error(&format!("error: cannot start the runtime: {error}"));
            ExitCode::FAILURE
        }
    }
}
