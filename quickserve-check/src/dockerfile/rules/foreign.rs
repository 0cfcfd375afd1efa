//! QS516: a `RUN` by the tools of another distribution: the build ends there.

use std::collections::BTreeSet;

use quickserve_core::finding::{Code, Finding};

use super::{Judge, has, program, run_commands, run_texts};
use crate::dockerfile::image::Image;
use crate::dockerfile::instruction::{Body, Instruction, Word};
use crate::dockerfile::origin::stage_named;
use crate::dockerfile::stages::{Base, Dockerfile};

/// Families of distributions that differ in their tools.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Alpine,
    Debian,
}

/// Official images that are of Debian or Ubuntu where their tag does not say Alpine.
const ON_DEBIAN: [&str; 10] =
    ["debian", "ubuntu", "node", "python", "ruby", "golang", "rust", "php", "nginx", "buildpack-deps"];

impl Family {
    fn of(base: &Base) -> Option<Self> {
        let Base::Image(name) = base else { return None };
        let image = Image::new(name);
        let tag = image.tag.unwrap_or_default();
        let is_windows = ["windows", "nanoserver"].iter().any(|system| tag.contains(system));
        let is_alpine = image.short() == "alpine" || tag.contains("alpine");
        match image.short() {
            _ if is_windows => None,
            short if is_alpine && (short == "alpine" || ON_DEBIAN.contains(&short)) => Some(Self::Alpine),
            short if ON_DEBIAN.contains(&short) && image.digest.is_none_or(|_| image.tag.is_some()) => {
                Some(Self::Debian)
            }
            _ => None,
        }
    }

    /// What to write in the place of a command; nothing for one that is there.
    fn instead(self, words: &[Word]) -> Option<&'static str> {
        let adds = matches!(program(words), "adduser" | "addgroup");
        match (self, program(words)) {
            (Self::Alpine, "apt-get" | "apt" | "yum" | "dnf" | "microdnf") => Some("use apk add --no-cache"),
            (Self::Alpine, "useradd") => Some("use adduser -S, or install shadow"),
            (Self::Alpine, "groupadd") => Some("use addgroup -S, or install shadow"),
            (Self::Alpine, "usermod" | "groupmod") => Some("install shadow"),
            (Self::Debian, "apk" | "yum" | "dnf" | "microdnf") => {
                Some("use apt-get update && apt-get install -y")
            }
            (Self::Debian, _) if adds && (has(words, "-S") || has(words, "-D")) => {
                Some("write --system, as in adduser --system --group app")
            }
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Alpine => "Alpine",
            Self::Debian => "Debian",
        }
    }
}

pub(super) fn tools(judge: &Judge<'_>) -> Vec<Finding> {
    let dockerfile = judge.dockerfile;
    let built = built(dockerfile);
    let mut findings = Vec::new();
    for (index, _, instruction) in judge.all() {
        let chain = dockerfile.ancestors(index);
        let Some(root) = chain.last().and_then(|root| dockerfile.stages.get(*root)) else { continue };
        let Some(family) = Family::of(&root.base) else { continue };
        if asks_first(instruction) || brings_tools(dockerfile, &chain) {
            continue;
        }
        let commands = run_commands(instruction);
        let Some((words, hint)) = commands.iter().find_map(|words| Some((words, family.instead(words)?)))
        else {
            continue;
        };
        let Some(first) = words.first() else { continue };
        let name = program(words);
        let base = match &root.base {
            Base::Image(name) => name,
            Base::Scratch | Base::Unknown | Base::Stage(_) => continue,
        };
        let shown = if matches!(name, "adduser" | "addgroup") {
            format!("{name} of {base} has no such option")
        } else {
            format!("{name} is not in {base}, which is {}", family.name())
        };
        let message = format!("{shown}: the build fails");
        let span = &first.span;
        // Nobody may build the stage, and an argument may name another base.
        let is_certain = built.contains(&index) && !root.image.text.contains('$');
        let finding = if is_certain {
            judge.file().error(Code::FOREIGN_TOOL, span, message)
        } else {
            judge.file().warning(Code::FOREIGN_TOOL, span, message)
        };
        findings.push(finding.with_hint(hint));
    }
    findings
}

/// Whether a `RUN` looks which tools there are, or goes on without.
fn asks_first(instruction: &Instruction) -> bool {
    run_texts(instruction).iter().any(|text| {
        let text = text.as_str();
        ["command -v", "which ", "type ", "||", "if ", "case ", "os-release"]
            .iter()
            .any(|word| text.contains(word))
    })
}

/// Whether a stage gets such tools from a package or from elsewhere.
fn brings_tools(dockerfile: &Dockerfile, chain: &[usize]) -> bool {
    let instructions =
        chain.iter().filter_map(|index| dockerfile.stages.get(*index)).flat_map(|stage| &stage.instructions);
    instructions.into_iter().any(|instruction| match &instruction.body {
        Body::Run { .. } => run_commands(instruction).iter().any(|words| {
            matches!(program(words), "apk" | "apt-get" | "apt")
                && words.iter().skip(1).any(|word| {
                    matches!(&*word.text, "shadow" | "apt" | "dpkg" | "apk-tools" | "yum" | "dnf" | "busybox")
                })
        }),
        Body::Copy { destination, .. } => {
            let folder = destination.text.trim_end_matches('/');
            folder.is_empty() && instruction.flag("from").is_some() || folder.contains("bin")
        }
        _ => false,
    })
}

/// The stages that the last one needs.
fn built(dockerfile: &Dockerfile) -> BTreeSet<usize> {
    let mut built = BTreeSet::new();
    let mut open: Vec<usize> = dockerfile.stages.len().checked_sub(1).into_iter().collect();
    while let Some(index) = open.pop() {
        let Some(stage) = dockerfile.stages.get(index).filter(|_| built.insert(index)) else { continue };
        if let Base::Stage(base) = stage.base {
            open.push(base);
        }
        for instruction in &stage.instructions {
            let copied = instruction.flag("from").map(str::to_owned);
            let mounts = instruction.flags.iter().filter(|flag| flag.name == "mount");
            let mounted = mounts.filter_map(|flag| {
                let from = flag.value.split(',').find_map(|part| part.strip_prefix("from="))?;
                Some(from.to_owned())
            });
            open.extend(
                copied.into_iter().chain(mounted).filter_map(|name| stage_named(dockerfile, index, &name)),
            );
        }
    }
    built
}
