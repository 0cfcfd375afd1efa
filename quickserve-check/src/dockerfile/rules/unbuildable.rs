//! QS510 and QS511: a base without a version, a stage that is not there, a command that goes nowhere.

use quickserve_core::finding::{Code, Finding};

use super::{Judge, run_texts};
use crate::dockerfile::instruction::{Body, Instruction};
use crate::dockerfile::shell;

/// Build arguments that are there without `ARG`. Docker's reference, "Automatic platform ARGs in the global scope".
const GIVEN: [&str; 2] = ["TARGET", "BUILD"];

/// `FROM node:${NODE_VERSION}-alpine` where no `ARG` before it has the name: it stands for nothing.
pub(super) fn bases(judge: &Judge<'_>) -> Vec<Finding> {
    let stages = judge.dockerfile.stages.iter();
    let finding = |stage: &crate::dockerfile::stages::Stage| {
        let name = stage.undeclared()?;
        let known = GIVEN.iter().any(|given| name.starts_with(given));
        let message = format!("no ARG before the first FROM has {name}, which is empty here");
        let finding = judge.file().error(Code::DOCKERFILE_SYNTAX, &stage.image.span, message);
        (!known).then(|| finding.with_hint(format!("write ARG {name}=... before the first FROM")))
    };
    stages.filter_map(finding).collect()
}

/// `COPY --from` of a name that is nearly that of a stage. This one too may be an image, or a build context with a name.
pub(super) fn stages(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut earlier: Vec<&str> = Vec::new();
    for stage in &judge.dockerfile.stages {
        for instruction in &stage.instructions {
            let from = instruction.flags.iter().find(|flag| flag.name == "from" && is_name(&flag.value));
            let Some(from) = from else { continue };
            if earlier.iter().any(|alias| alias.eq_ignore_ascii_case(&from.value)) {
                continue;
            }
            if let Some(near) =
                quickserve_core::document::nearest(&from.value, earlier.iter().copied().take(STAGES))
            {
                let message = format!("{} is no stage before this one", from.value);
                let finding = judge.file().warning(Code::MISSING_SOURCE, &from.span, message);
                findings.push(finding.with_hint(format!("did you mean {near}")));
            }
        }
        earlier.extend(stage.alias.as_deref());
    }
    findings
}

/// How many stages a name is compared with.
const STAGES: usize = 50;

/// Whether it can be the name of a stage and is hardly that of an image.
fn is_name(from: &str) -> bool {
    from.len() > 2
        && !from.contains(['/', ':', '$', '@', '.'])
        && !from.bytes().all(|byte| byte.is_ascii_digit())
}

/// A `RUN` that ends in the middle of a list.
pub(super) fn commands(judge: &Judge<'_>) -> Vec<Finding> {
    let finding = |(_, is_final, instruction): (usize, bool, &Instruction)| {
        let Body::Run { documents, .. } = &instruction.body else { return None };
        let text = run_texts(instruction).into_iter().next().filter(|_| documents.is_empty())?;
        let end = shell::dangling(text.as_str())?;
        let message = format!("nothing follows {}: no shell runs that", &text.as_str()[end.clone()]);
        let (code, span) = (Code::DOCKERFILE_SYNTAX, text.span(&end));
        let finding = if is_final {
            judge.file().error(code, &span, message)
        } else {
            // BuildKit builds no stage that nothing takes from.
            judge.file().warning(code, &span, message)
        };
        Some(finding.with_hint("remove it, or end the line with a backslash before the next command"))
    };
    judge.all().filter_map(finding).collect()
}
