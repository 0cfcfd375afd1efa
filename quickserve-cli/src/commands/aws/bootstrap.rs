//! `aws bootstrap`: the journal's bucket, made with the settings that it should have, or given what it lacks.

use quickserve_aws::Clients;
use quickserve_aws::bootstrap::{JournalBucket, Step, inspect, plan};
use quickserve_aws::journal::Location;
use quickserve_core::ErrorKind;
use quickserve_core::config::{JournalLocation, Settings};
use quickserve_core::finding::Finding;
use serde_json::{Value, json};

use crate::cli::{Bootstrap, Format};
use crate::compose::{self, clock};
use crate::failure::Failure;
use crate::output;
use crate::project::Project;
use crate::render::{Line, Reporter, Style, Told, Tone, words};
use crate::settings::{Context, Verbosity};

/// What a bucket lacks, and what it is asked for as.
struct Work {
    clients: Clients,
    place: Location,
    bucket: JournalBucket,
    /// None of it is there yet.
    is_new: bool,
    steps: Vec<Step>,
}

pub(super) async fn run(
    context: &Context,
    arguments: &Bootstrap,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let settings = settings(context)?;
    let place = place(arguments, settings.as_ref())?;
    let aws = settings.as_ref().map(|settings| settings.aws.clone()).unwrap_or_default();
    let clients = compose::aws_clients(&aws).await?;
    let bucket = JournalBucket::new(&clients, &place, clock())?;
    let work = Work::of(clients, place, bucket, arguments.print, reporter).await?;
    if arguments.print {
        return work.print(context).await;
    }
    work.announce(context);
    for step in &work.steps {
        work.bucket.apply(step).await?;
    }
    let findings = inspect(&work.clients, &work.place, clock()).await?;
    work.tell_done(context, settings.as_ref(), &findings, reporter);
    Ok(())
}

/// The environment that is meant, also where something about it is wrong: that its journal is missing is why this is run.
fn settings(context: &Context) -> Result<Option<Settings>, Failure> {
    if !Project::is_there(context) {
        return Ok(None);
    }
    Ok(Some(Project::read_leniently(context)?.settings(context)?.clone()))
}

/// The argument, else the environment's journal.
fn place(arguments: &Bootstrap, settings: Option<&Settings>) -> Result<Location, Failure> {
    let configured = settings.and_then(|settings| match &settings.journal {
        JournalLocation::Url(url) => Some(url),
        JournalLocation::Local => None,
    });
    match arguments.place.as_ref().or(configured) {
        Some(place) => Ok(place.parse()?),
        None => Err(Failure::usage(
            "no bucket is named",
            "name it: quickserve aws bootstrap s3://bucket/prefix, or write it as `journal` in quickserve.toml",
        )),
    }
}

impl Work {
    async fn of(
        clients: Clients,
        place: Location,
        bucket: JournalBucket,
        print: bool,
        reporter: &Reporter,
    ) -> Result<Self, Failure> {
        let seen = match bucket.look().await {
            Ok(seen) => seen,
            // Whoever may not look wants to hand the commands to somebody who may.
            Err(error) if print && error.kind() == ErrorKind::PermissionDenied => {
                let why = error.causes().join(": ");
                reporter.caution(format!("nobody has looked whether the bucket is there: {why}"));
                None
            }
            Err(error) => return Err(error.into()),
        };
        let is_new = seen.is_none();
        let steps = plan(seen, bucket.region())?;
        Ok(Self { clients, place, bucket, is_new, steps })
    }

    /// What does the same by hand, for a shell.
    async fn commands(&self) -> Result<Vec<String>, Failure> {
        let mut commands = Vec::new();
        for step in &self.steps {
            if *step == Step::RefusePlain {
                let policy = if self.is_new {
                    self.bucket.new_policy_document()?
                } else {
                    self.bucket.policy_document().await?
                };
                commands.push(format!("cat >policy.json <<'END'\n{policy:#}\nEND"));
            }
            commands.push(step.command(self.bucket.name(), self.bucket.region()));
        }
        Ok(commands)
    }

    async fn print(&self, context: &Context) -> Result<(), Failure> {
        let commands = self.commands().await?;
        if context.format == Format::Json {
            let told = json!({ "bucket": self.json(), "commands": commands, "done": false, "findings": [] });
            output::data_line(&told.to_string());
            return Ok(());
        }
        if commands.is_empty() {
            tell(context, &[self.as_it_should_be()]);
        }
        commands.iter().all(|command| output::data_line(command));
        Ok(())
    }

    fn json(&self) -> Value {
        let steps: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        json!({ "name": self.bucket.name(), "region": self.bucket.region(), "journal": self.place.to_string(), "steps": steps })
    }

    fn as_it_should_be(&self) -> Line {
        let text = format!("{} in {} is as it should be", self.bucket.name(), self.bucket.region());
        Line::toned("bucket", text, Tone::Good)
    }

    /// Says what will be done, before it is.
    fn announce(&self, context: &Context) {
        if self.steps.is_empty() {
            return;
        }
        let there = if self.is_new { "does not exist yet" } else { "is there" };
        let mut lines = vec![Line::new("bucket", format!("{} {there}", self.bucket.name()))];
        let steps = self.steps.iter().enumerate();
        lines.extend(
            steps.map(|(index, step)| Line::new(if index == 0 { "plan" } else { "" }, step.to_string())),
        );
        tell(context, &lines);
    }

    fn tell_done(
        &self,
        context: &Context,
        settings: Option<&Settings>,
        findings: &[Finding],
        reporter: &Reporter,
    ) {
        if context.format == Format::Json {
            let told = json!({ "bucket": self.json(), "commands": [], "done": true, "findings": Told::all(findings) });
            output::data_line(&told.to_string());
            return;
        }
        let mut lines = Vec::new();
        match self.steps.len() {
            0 if findings.is_empty() => lines.push(self.as_it_should_be()),
            0 => {}
            done => lines.push(Line::toned("done", words::count(done as u64, "step"), Tone::Good)),
        }
        // A rule that deletes is somebody's decision: it is told, and left.
        lines.extend(findings.iter().map(Line::finding));
        let named = settings.map(|settings| (settings.key.environment(), &settings.journal));
        match named {
            Some((_, JournalLocation::Url(url))) if *url == self.place.to_string() => {}
            Some((environment, _)) => lines.push(Line::new(
                "next",
                format!(
                    "write journal = \"{}\" in [environments.{environment}] of quickserve.toml",
                    self.place
                ),
            )),
            None => {
                lines.push(Line::new(
                    "next",
                    format!("write journal = \"{}\" in quickserve.toml", self.place),
                ));
            }
        }
        tell(context, &lines);
        if findings.iter().any(|finding| finding.severity == quickserve_core::finding::Severity::Error) {
            reporter.caution("deployments are refused until that is mended");
        }
    }
}

/// Lines for a person.
fn tell(context: &Context, lines: &[Line]) {
    if context.format == Format::Json || context.verbosity == Verbosity::Quiet {
        return;
    }
    let style = Style { colour: context.terminal.colour };
    for line in lines {
        output::tell(&style.show(line));
    }
}
