//! `logs`: what the service's tasks write.

use futures_util::StreamExt as _;
use jiff::Timestamp;
use quickserve_core::log::{LogEntry, LogQuery, LogStream};
use serde_json::json;

use crate::cli::{Format, Logs, Wait};
use crate::compose::{self, Access};
use crate::failure::Failure;
use crate::output;
use crate::render::{Reporter, Style, short_task};
use crate::settings::Context;
use crate::target::{Target, named};

pub(super) async fn run(context: &Context, arguments: &Logs, reporter: &Reporter) -> Result<(), Failure> {
    let (target, _) = Target::find_to_look(context)?;
    let stage = target.stage_to_look(context, reporter).await?;
    let release = match &arguments.release {
        Some(word) => Some(named(compose::journal(context, &target, Access::Read).await?.state(), word)?),
        None => None,
    };
    let clock = compose::clock();
    let query = LogQuery {
        release,
        task: None,
        container: arguments.container.clone(),
        since: arguments.since.map(|Wait(ago)| clock.now().checked_sub(ago).unwrap_or(Timestamp::MIN)),
        tail: arguments.lines,
        follow: arguments.follow,
    };
    let mut entries = stage.logs(&target, query).await?;
    let style = Style::data(&context.terminal).within(None);
    let mut any = false;
    while let Some(entry) = entries.next().await {
        let line = match entry? {
            LogEntry::Line(line) => line,
            LogEntry::Unread(why) => {
                output::tell(&why);
                continue;
            }
        };
        any = true;
        let shown = if context.format == Format::Json {
            let stream = line.stream.map(|stream| match stream {
                LogStream::Stdout => "stdout",
                LogStream::Stderr => "stderr",
            });
            json!({
                "time": line.time,
                "release": line.release,
                "task": line.task,
                "container": line.container,
                "stream": stream,
                "text": line.text,
            })
            .to_string()
        } else {
            let mut origin = short_task(&line.task.0).to_owned();
            if line.container != target.key.service() {
                origin = format!("{origin} {}", line.container);
            }
            format!("{} {}", style.paint("2", &format!("{origin} |")), line.text)
        };
        if !output::data_line(&shown) {
            break;
        }
    }
    if !any && context.format != Format::Json {
        output::tell(stage.silence());
    }
    Ok(())
}
