//! The `quickserve` command: arguments become settings, the library does the work, a renderer tells of it.

mod asked;
mod assemble;
mod change;
mod cli;
mod commands;
mod compose;
mod failure;
mod limits;
mod output;
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
    let code = runtime.block_on(commands::run(cli.command, &context));
    // Whoever interrupts twice does not wait for what still blocks.
    runtime.shutdown_background();
    ExitCode::from(code)
}
