//! `env scan`: what the code reads, with file and line.

use quickserve_check::code::Need;
use serde_json::{Value, json};

use crate::cli::Format;
use crate::failure::Failure;
use crate::output;
use crate::render::{Line, Style, Tone, words};
use crate::settings::Context;

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let code = super::code(super::subject(context)?).await?;
    if context.format == Format::Json {
        let usages = code.usages.iter().map(|usage| {
            json!({
                "name": usage.name,
                "need": need(usage.need).0,
                "language": usage.language.to_string(),
                "where": usage.place,
            })
        });
        output::data_line(&json!({ "usages": usages.collect::<Vec<Value>>() }).to_string());
        return Ok(());
    }
    let style = Style::data(&context.terminal);
    let width = words::column(code.usages.iter().map(|usage| usage.name.as_str()));
    let mut usages: Vec<_> = code.usages.iter().collect();
    usages.sort_by(|one, next| (&one.name, &one.place).cmp(&(&next.name, &next.place)));
    let mut last = "";
    for usage in usages {
        let (word, tone) = need(usage.need);
        // The name once, then all its places.
        let name = if usage.name == last { "" } else { &usage.name };
        last = &usage.name;
        let line = Line::toned(word, format!("{name:width$}  {}", usage.place), tone);
        output::data_line(&style.show(&line));
    }
    if code.usages.is_empty() {
        output::data_line(
            &style.show(&Line::new("nothing", format!("in {} reads a variable", code.files.len()))),
        );
    }
    Ok(())
}

/// What the code does without it, in a word.
fn need(need: Need) -> (&'static str, Tone) {
    match need {
        Need::Defaulted => ("default", Tone::Faint),
        Need::Required => ("bare", Tone::Bad),
        Need::Validated => ("checked", Tone::Good),
    }
}
