//! `logs`: what the service's tasks write.

use futures_util::StreamExt as _;
use quickserve_docker::{LogQuery, LogStream, logs};
use serde_json::json;

use crate::cli::{Format, Logs};
use crate::compose::{self, Access};
use crate::failure::Failure;
use crate::output;
use crate::render::{Reporter, Style, short_task};
use crate::settings::Context;
use crate::target::{Target, named};

pub(super) async fn run(context: &Context, arguments: &Logs, reporter: &Reporter) -> Result<(), Failure> {
    let (target, _) = Target::find_to_look(context)?;
    let stage = target.stage_to_look(context, reporter).await?;
    let local = stage.need_local("logs", |_| {
        "read the log group that the task definition names: aws logs tail GROUP --follow".to_owned()
    })?;
    let release = match &arguments.release {
        Some(word) => Some(named(compose::journal(context, &target, Access::Read).await?.state(), word)?),
        None => None,
    };
    let query = LogQuery { release, tail: arguments.lines, follow: arguments.follow, ..LogQuery::default() };
    let mut lines = logs(&local.engine, &target.key, query).await?;
    let style = Style::data(&context.terminal).within(None);
    let mut any = false;
    while let Some(line) = lines.next().await {
        let line = line?;
        any = true;
        let shown = if context.format == Format::Json {
            let stream = if line.stream == LogStream::Stderr { "stderr" } else { "stdout" };
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
        output::tell("no task has written anything; tasks that were taken back are gone with their output");
    }
    Ok(())
}
