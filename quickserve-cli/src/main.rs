//! The `quickserve` command: arguments become settings, the library does the work, a renderer tells of it.

mod asked;
mod assemble;
mod attended;
mod change;
mod cli;
mod commands;
mod companion;
mod compose;
mod failure;
mod limits;
mod output;
mod own;
mod project;
mod render;
mod session;
mod settings;
mod signals;
mod target;
mod usage;

use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = settings::Environment::read();
    let (cli, context) = match usage::parse(environment) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    let runtime = match cli.command.runtime().build() {
        Ok(runtime) => runtime,
        Err(error) => return usage::no_runtime(&context, &error),
    };
    let code = match cli.command {
        cli::Command::Router(command) => runtime.block_on(commands::router_command(command, &context)),
        command => run(&runtime, command, &context),
    };
    // Whoever interrupts twice does not wait for what still blocks.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Runs a command that comes to an end. Apart from `main`, where a router's process, which stays, would keep the room on
/// the stack that all commands together need.
#[inline(never)]
fn run(runtime: &tokio::runtime::Runtime, command: cli::Command, context: &settings::Context) -> u8 {
    runtime.block_on(commands::run(command, context))
}
