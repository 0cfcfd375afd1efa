//! The arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Deploy a service behind a stable port, check it before it takes traffic, and take it back by itself when it fails
#[derive(Debug, Parser)]
#[command(
    name = "quickserve",
    bin_name = "quickserve",
    version,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Settings come from flags, then from variables QUICKSERVE_CONFIG, QUICKSERVE_ENVIRONMENT, \
                  QUICKSERVE_SERVICE, QUICKSERVE_FORMAT, QUICKSERVE_STATE_DIR, QUICKSERVE_IMAGE and \
                  QUICKSERVE_STRATEGY, then from quickserve.toml."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Work as if started in this folder
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Read this file instead of quickserve.toml in the folder or above it
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The environment; without it `local`, or the only one
    #[arg(short, long, global = true, value_name = "ENVIRONMENT")]
    pub(crate) environment: Option<String>,
    /// The service, where quickserve.toml has several
    #[arg(long, global = true, value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    /// How to tell what happens; `github` inside GitHub Actions, else `human`
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Tell every step
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Tell only how it ended
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Where journals, kept secrets and the router's state are
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// How to tell what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, on stderr
    Human,
    /// JSON, on stdout
    Json,
    /// For people, with annotations for GitHub Actions
    Github,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put a release behind the service's port
    Deploy(Deploy),
    /// Go back to the last good release, or to a named one
    Rollback(Rollback),
    /// Show what a deployment would change, and its steps; changes nothing
    Plan(Draft),
    /// Show what serves now, where, and whether it is consistent
    Status(Status),
    /// Show what happened, newest first
    History(History),
    /// Show the service's output
    Logs(Logs),
    /// Converge what an interrupted deployment left
    Resume,
    /// End a deployment in flight and go back to what served
    Abort,
    /// Remove all that QuickServe made for the service
    Down(Down),
    /// The local router's own commands
    #[command(subcommand)]
    Router(Router),
    /// Write a shell's completions to stdout
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Explain an exit code or the code of a finding
    Explain {
        /// Such as 4 or QS101
        code: String,
    },
}

/// What decides a release.
#[derive(Debug, Args)]
pub(crate) struct Draft {
    /// The image to deploy; of one container, where a task has several
    #[arg(long, value_name = "[CONTAINER=]REF")]
    pub(crate) image: Vec<String>,
    /// In which order tasks and traffic change: blue-green, rolling or recreate
    #[arg(long, value_name = "STRATEGY")]
    pub(crate) strategy: Option<String>,
}

/// `deploy`.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) draft: Draft,
    /// Deploy a release again that was rolled back
    #[arg(long)]
    pub(crate) retry: bool,
    /// While another deployment holds the service, wait for its end
    #[arg(long)]
    pub(crate) wait: bool,
}

/// `rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The release, by its name, the beginning of its name, or its version
    #[arg(long, value_name = "RELEASE")]
    pub(crate) to: Option<String>,
}

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Every service that quickserve.toml and the local router know
    #[arg(long)]
    pub(crate) all: bool,
}

/// `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// Only so many
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) lines: Option<usize>,
}

/// `logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Of this release only
    #[arg(long, value_name = "RELEASE")]
    pub(crate) release: Option<String>,
    /// Go on with what is written from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// The last lines of each container only
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) lines: Option<u32>,
}

/// `down`.
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Remove named volumes too, and the data in them
    #[arg(long)]
    pub(crate) volumes: bool,
}

/// `router`.
#[derive(Debug, Subcommand)]
pub(crate) enum Router {
    /// Run the router in the foreground
    Run,
    /// Show whether the router runs, and what it serves
    Status,
    /// Stop the router; refused while it has services
    Stop {
        /// Stop it although it has services, whose ports then answer nobody
        #[arg(long)]
        force: bool,
    },
}

impl Command {
    /// The runtime that it wants: the router serves requests on every core, the others wait for answers.
    pub(crate) fn runtime(&self) -> tokio::runtime::Builder {
        let mut builder = match self {
            Self::Router(Router::Run) => tokio::runtime::Builder::new_multi_thread(),
            _ => tokio::runtime::Builder::new_current_thread(),
        };
        builder.enable_all();
        builder
    }
}
