//! quickserve.toml: where it is, and the settings in it that are meant.

use std::path::{Path, PathBuf};

use quickserve_check::Text;
use quickserve_core::config::{Config, Settings};
use quickserve_core::finding::{Finding, Problems};

use crate::failure::Failure;
use crate::output;
use crate::render::{Line, Style, Tone};
use crate::settings::{Context, Verbosity};

const NAME: &str = "quickserve.toml";

/// A quickserve.toml, read.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) config: Config,
    /// The file's folder, to which the paths in it are relative.
    pub(crate) folder: PathBuf,
}

impl Project {
    /// Whether there is a file, right or wrong.
    pub(crate) fn is_there(context: &Context) -> bool {
        context.config.is_some() || find(&context.folder).is_some()
    }

    /// Refuses a flag that chooses in a file which is not read: to pass it over would check something else than was asked.
    pub(crate) fn refuse_choice(context: &Context, flag: Option<&str>) -> Result<(), Failure> {
        let Some(flag) = flag else { return Ok(()) };
        Err(if Self::is_there(context) {
            let message = format!("{flag} chooses in {NAME}, which is not read where files are named");
            Failure::usage(message, format!("leave {flag} out, or name no files"))
        } else {
            let message = format!("{flag} chooses in {NAME}, and there is none");
            Failure::usage(message, format!("leave {flag} out, or begin a {NAME}"))
        })
    }

    /// Finds and reads the file.
    pub(crate) fn read(context: &Context) -> Result<Self, Failure> {
        Self::parsed(context, Config::parse)
    }

    /// The same for what runs already: what is wrong about one service keeps from none of the others.
    pub(crate) fn read_leniently(context: &Context) -> Result<Self, Failure> {
        Self::parsed(context, Config::parse_leniently)
    }

    fn parsed(
        context: &Context,
        parse: impl Fn(&str, &str) -> Result<Config, Problems>,
    ) -> Result<Self, Failure> {
        let path = match &context.config {
            Some(path) => path.clone(),
            None => find(&context.folder).ok_or_else(|| missing(context))?,
        };
        let shown = context.shown(&path);
        let text = Text::read(&path, &shown).map_err(|finding| {
            Failure::usage(finding.message, finding.hint.unwrap_or_else(|| format!("make it a {NAME}")))
        })?;
        let config = parse(&text.text, &shown)?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { config, folder })
    }

    /// The settings of the service and environment that are meant.
    pub(crate) fn settings(&self, context: &Context) -> Result<&Settings, Failure> {
        Ok(self.config.settings(context.service.as_deref(), context.environment.as_deref())?)
    }

    /// The same of a file that was read leniently: what is wrong with them is the answer.
    pub(crate) fn settings_despite(&self, context: &Context) -> Result<&Settings, Failure> {
        let settings = self.settings(context)?;
        match self.config.mistakes_of(&settings.key) {
            Some(problems) => Err(problems.into()),
            None => Ok(settings),
        }
    }

    /// What is wrong with the rest of a file that was read leniently, in words.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut findings = self.config.mistakes();
        quickserve_check::hide(&mut findings);
        let words = |finding: &Finding| {
            let place = finding.place().map(|place| format!(" ({place})")).unwrap_or_default();
            format!("another part of quickserve.toml is wrong: {}{place}", finding.message)
        };
        findings.iter().map(words).collect()
    }

    /// The same, told where a person reads it.
    pub(crate) fn tell_mistakes(&self, context: &Context) {
        if context.verbosity == Verbosity::Quiet {
            return;
        }
        let style = Style::told(&context.terminal);
        for text in self.mistakes() {
            output::tell(&style.show(&Line::toned("caution", text, Tone::Bad)));
        }
    }

    /// A path of the file, from where the user stands.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

/// The file in a folder, or in the nearest one above.
fn find(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(NAME)).find(|path| path.is_file())
}

fn missing(context: &Context) -> Failure {
    let folder = context.shown(&context.folder);
    let message = match folder.as_str() {
        "." => format!("there is no {NAME} here, nor in any folder above"),
        folder => format!("there is no {NAME} in {folder}, nor in any folder above"),
    };
    let hint = "begin one with these lines: service = \"shop\", port = 3000, [environments.local], \
                public_port = 8080";
    Failure::usage(message, hint)
}
