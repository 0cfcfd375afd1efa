//! `env template`: a contract from what the code reads.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use quickserve_check::contract::{Reading, template};
use quickserve_core::{Error, ErrorKind};

use crate::failure::Failure;
use crate::output;
use crate::settings::Context;

pub(super) async fn run(context: &Context, output: Option<&Path>) -> Result<(), Failure> {
    let code = super::code(super::subject(context)?).await?;
    let text = template(&Reading::all(&code));
    let Some(path) = output else {
        output::data(&text);
        return Ok(());
    };
    let path = context.folder.join(path);
    let shown = context.shown(&path);
    // A contract that a person wrote says more than the code does.
    let created = OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = created.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::usage(format!("{shown} is there already"), "write to another file and compare the two")
        }
        _ => Error::new(ErrorKind::Unavailable, format!("write {shown}")).with_source(error).into(),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| {
        Error::new(ErrorKind::Unavailable, format!("write {shown}")).with_source(error).into()
    })
}
