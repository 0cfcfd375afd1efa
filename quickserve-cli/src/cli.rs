//! The arguments.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quickserve_core::config::{self, duration};

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
#[derive(Debug, Default, Args)]
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
    /// SARIF 2.1.0, on stdout; for `check` only
    Sarif,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find everything that would keep a deployment from working, all at once; changes nothing
    Check(Check),
    /// Put a release behind the service's port
    Deploy(Deploy),
    /// Go back to the last good release, or to a named one
    Rollback(Rollback),
    /// Show what a deployment would change, and its steps; changes nothing
    Plan(Plan),
    /// Show what serves now, where, and whether it is consistent
    Status(Status),
    /// Find out why a service misbehaves, and what mends it
    Doctor(Doctor),
    /// The contract of variables: what it asks for, and what has it
    #[command(subcommand)]
    Env(Env),
    /// Show what happened, newest first
    History(History),
    /// Show the service's output
    Logs(Logs),
    /// Run a command in a container of its own, made as those of the release that serves
    Run(Run),
    /// Run a command in a task of the release that serves
    Exec(Exec),
    /// Replace the tasks of what serves by fresh ones, without losing a request
    Restart,
    /// Give what serves another number of tasks; with 0 requests are answered 503
    Scale(Scale),
    /// Converge what an interrupted deployment left; follow one in flight to its end
    Resume,
    /// Let a paused deployment go on
    Promote,
    /// Stop a deployment in flight before it changes traffic again
    Pause,
    /// End a deployment in flight and go back to what served
    Abort,
    /// Keep everybody from deploying; a rollback stays possible
    Lock(Lock),
    /// Lift the lock, whoever holds it
    Unlock,
    /// Remove all that QuickServe made for the service
    Down(Down),
    /// The local router's own commands
    #[command(subcommand)]
    Router(Router),
    /// What AWS has to have, and to allow, before anything is deployed there
    #[command(subcommand)]
    Aws(Aws),
    /// Write a shell's completions to stdout
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Explain an exit code or the code of a finding; without one, list all findings
    Explain {
        /// Such as 4 or QS101
        code: Option<String>,
    },
}

/// `check`. Without these, quickserve.toml says which files; without that too, those that the folder has.
#[derive(Debug, Default, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) draft: Draft,
    /// This ECS task definition
    #[arg(long, value_name = "FILE")]
    pub(crate) task_definition: Option<PathBuf>,
    /// These variables: a template such as .env.example is the contract, any other file has an environment's values
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// This Dockerfile
    #[arg(long, value_name = "FILE")]
    pub(crate) dockerfile: Option<PathBuf>,
}

impl Check {
    /// Whether files are named one by one.
    pub(crate) fn names_files(&self) -> bool {
        self.task_definition.is_some() || !self.env_file.is_empty() || self.dockerfile.is_some()
    }
}

/// What decides a release.
#[derive(Debug, Default, Args)]
pub(crate) struct Draft {
    /// The image to deploy; of one container, where a task has several
    #[arg(long, value_name = "[CONTAINER=]REF")]
    pub(crate) image: Vec<String>,
    /// A report of Trivy, Grype or in SARIF, which must be of the image to deploy; several with several such options
    #[arg(long, value_name = "FILE")]
    pub(crate) scan_report: Vec<PathBuf>,
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
    /// While another deployment holds the service, or somebody has locked it, wait so long for its end; as long
    /// as a deployment may take, unless said
    #[arg(long, value_name = "DURATION")]
    #[expect(clippy::option_option, reason = "clap's form of a flag with or without a value")]
    pub(crate) wait: Option<Option<Wait>>,
    /// Return as soon as the deployment has begun; it goes on in the background
    #[arg(long, conflicts_with = "background")]
    pub(crate) detach: bool,
    /// Be what goes on in the background, as the owner of this name
    #[arg(long, hide = true, value_name = "NONCE")]
    pub(crate) background: Option<String>,
}

impl Deploy {
    /// How long it waits for its turn.
    pub(crate) fn patience(&self, settings: &config::Deploy) -> Duration {
        match self.wait {
            None => Duration::ZERO,
            Some(None) => settings.timeout,
            Some(Some(Wait(wait))) => wait,
        }
    }
}

/// How long to wait, as quickserve.toml has durations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait(pub(crate) Duration);

impl FromStr for Wait {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        duration::parse(text).map(Self)
    }
}

/// `plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) draft: Draft,
    /// Plan a release also when it was rolled back before
    #[arg(long)]
    pub(crate) retry: bool,
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

/// `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Run those of the commands that only bring about what was decided before
    #[arg(long)]
    pub(crate) fix: bool,
}

/// `env`.
#[derive(Debug, Subcommand)]
pub(crate) enum Env {
    /// Show what the contract asks for, and where each value comes from
    Show,
    /// Show what one environment has and another has not
    Diff {
        /// An environment of quickserve.toml
        #[arg(value_name = "ENVIRONMENT")]
        one: String,
        /// Another one
        #[arg(value_name = "ENVIRONMENT")]
        other: String,
    },
    /// Find the variables that the code reads
    Scan,
    /// Write a contract from what the code reads, to stdout or a file that is not there yet
    Template {
        /// Such as .env.example
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// Only so many
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) lines: Option<usize>,
    /// Commands of `run` and `exec` too
    #[arg(long)]
    pub(crate) all: bool,
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

/// `lock`.
#[derive(Debug, Args)]
pub(crate) struct Lock {
    /// Why, for whoever wants to deploy meanwhile
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Reason,
}

/// What a person gives as a reason: one line that says something.
#[derive(Debug, Clone)]
pub(crate) struct Reason(pub(crate) String);

impl FromStr for Reason {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
        let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        if line.is_empty() { Err("it says nothing") } else { Ok(Self(line)) }
    }
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// As this container of the task; without it, as the one that takes requests
    #[arg(long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// Instead of the container's entry point
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entry_point: Option<String>,
    /// What follows the container's entry point
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// `exec`.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// In this task, as `status` names it, or by its number; without it, in the first one
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// In this container of the task; without it, in the one that takes requests
    #[arg(long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// What to run
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// `scale`.
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// How many tasks
    #[arg(value_name = "N")]
    pub(crate) tasks: u32,
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
    Run {
        /// The Docker engine whose tasks it keeps whole
        #[arg(long, value_name = "ADDRESS", hide = true)]
        docker_host: Option<String>,
    },
    /// Serve behind a router's parent, which starts this itself
    #[command(hide = true)]
    Worker,
    /// Show whether the router runs, and what it serves
    Status,
    /// Let this version of quickserve take the router over; no request is lost
    Upgrade {
        /// How long the version of before may go on with connections that last, such as WebSockets
        #[arg(long, value_name = "DURATION", default_value = "10m")]
        drain: String,
    },
    /// Show what the router has written to its log
    Logs {
        /// Go on with what is written from now on
        #[arg(short, long)]
        follow: bool,
        /// The last lines only; 100
        #[arg(short = 'n', long, value_name = "N")]
        lines: Option<usize>,
        /// The access log instead, of services with `access_log = true`: a line of JSON a request
        #[arg(long)]
        access: bool,
    },
    /// Have systemd or launchd start the router at boot, and whenever it ends
    Install {
        /// Only show what would be written
        #[arg(long)]
        print: bool,
    },
    /// Take that back
    Uninstall,
    /// Stop the router; refused while it has services
    Stop {
        /// Stop it although it has services, whose ports then answer nobody
        #[arg(long)]
        force: bool,
    },
}

/// `aws`.
#[derive(Debug, Subcommand)]
pub(crate) enum Aws {
    /// Make the bucket for journals with the settings that it should have, or give it what it lacks
    Bootstrap(Bootstrap),
    /// Print the least policies of whoever deploys and of the task's execution role, as JSON
    Policy(Policy),
}

/// `aws bootstrap`.
#[derive(Debug, Args)]
pub(crate) struct Bootstrap {
    /// Such as `s3://acme-deploy/journal`; without it, the environment's `journal`
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    pub(crate) place: Option<String>,
    /// Only print the commands of AWS's own tool that do the same
    #[arg(long)]
    pub(crate) print: bool,
}

/// `aws policy`.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    /// Only this one, as `aws iam put-role-policy` takes it
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<Role>,
}

/// Whom a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// The identity that deploys
    Deployer,
    /// The role that ECS takes to pull images, read secrets and write logs
    Execution,
}

impl Command {
    /// The runtime that it wants: a router's worker serves requests on every core, the others wait for answers.
    pub(crate) fn runtime(&self) -> tokio::runtime::Builder {
        let mut builder = match self {
            Self::Router(Router::Worker) => tokio::runtime::Builder::new_multi_thread(),
            _ => tokio::runtime::Builder::new_current_thread(),
        };
        builder.enable_all();
        builder
    }
}
