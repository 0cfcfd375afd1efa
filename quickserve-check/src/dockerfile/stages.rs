//! Stages, what each is built on, and what the final image inherits through them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quickserve_core::document::Span;

use super::instruction::{Body, Command, Flag, Instruction, Word, unquoted};
use crate::Text;

/// What a stage is built on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// An earlier stage.
    Stage(usize),
    /// Nothing.
    Scratch,
    /// An image, its build arguments replaced by their defaults.
    Image(String),
    /// An image that only the build's arguments tell.
    Unknown,
}

/// A stage: `FROM` and what follows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The base as it is written.
    pub image: Word,
    /// What `--platform` says, as it is written.
    pub platform: Option<Flag>,
    /// What others call it.
    pub alias: Option<String>,
    /// What it is built on.
    pub base: Base,
    /// What follows `FROM`.
    pub instructions: Vec<Instruction>,
    /// Build arguments that hold before `FROM`, with their defaults.
    globals: Arc<Values>,
}

/// Variables, each with its value where that is known.
pub(crate) type Values = BTreeMap<String, Option<String>>;

/// The longest value that is followed: `ENV A=$A$A`, repeated, would fill any memory.
const LONGEST: usize = 4 << 10;

/// A Dockerfile.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dockerfile {
    /// Its text.
    pub file: Text,
    /// Its stages, in order. May be empty where the file is wrong.
    pub stages: Vec<Stage>,
}

/// A value of `ENV` in the final image.
pub(crate) struct Variable<'a> {
    pub(crate) name: &'a str,
    /// Without quotes; as far as it is known, with earlier variables and defaults of arguments in it.
    pub(crate) value: String,
    pub(crate) span: &'a Span,
}

impl Stage {
    /// A variable without a default in the name of its base that no `ARG` before the first `FROM` has.
    pub(crate) fn undeclared(&self) -> Option<&str> {
        let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
        self.image.text.match_indices('$').find_map(|(at, _)| {
            let rest = &self.image.text[at + 1..];
            let (inner, ends) = rest.strip_prefix('{').map_or((rest, ""), |inner| (inner, "}"));
            let name = &inner[..inner.find(|char| !is_part(char)).unwrap_or(inner.len())];
            let is_bare = inner[name.len()..].starts_with(ends) && !name.is_empty();
            (is_bare && !self.globals.contains_key(name)).then_some(name)
        })
    }
}

/// The instructions in stages; what comes before the first `FROM` holds for all of them.
pub(crate) fn stages(instructions: Vec<Instruction>) -> Vec<Stage> {
    let mut globals = Arc::new(Values::new());
    let mut stages: Vec<Stage> = Vec::new();
    for instruction in instructions {
        match (instruction.body, stages.last_mut()) {
            (Body::From { image, alias }, _) => {
                let base = base(&image, &globals, &stages);
                let alias = alias.map(|alias| alias.text);
                let platform = instruction.flags.into_iter().find(|flag| flag.name == "platform");
                stages.push(Stage {
                    image,
                    platform,
                    alias,
                    base,
                    instructions: Vec::new(),
                    globals: Arc::clone(&globals),
                });
            }
            (Body::Arg(pairs), None) => {
                for pair in pairs {
                    let default = pair.value.and_then(|value| expand(&value, &globals));
                    Arc::make_mut(&mut globals).insert(pair.name, default);
                }
            }
            (body, Some(stage)) => stage.instructions.push(Instruction { body, ..instruction }),
            (_, None) => {}
        }
    }
    stages
}

fn base(image: &Word, globals: &Values, earlier: &[Stage]) -> Base {
    let Some(name) = expand(&image.text, globals).filter(|name| !name.is_empty()) else {
        return Base::Unknown;
    };
    let named = |stage: &Stage| stage.alias.as_ref().is_some_and(|alias| alias.eq_ignore_ascii_case(&name));
    match earlier.iter().rposition(named) {
        Some(index) => Base::Stage(index),
        None if name == "scratch" => Base::Scratch,
        None => Base::Image(name),
    }
}

/// The text with variables replaced; nothing where one is not known.
///
/// As Docker has it: `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}`.
pub(crate) fn expand(text: &str, values: &Values) -> Option<String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        let (before, after) = (&rest[..dollar], &rest[dollar + 1..]);
        if let Some(before) = before.strip_suffix('\\') {
            expanded.push_str(before);
            expanded.push('$');
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let (inner, after) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}')?,
            None => after.split_at(name_length(after)),
        };
        let (name, operator) = inner.split_at(name_length(inner));
        if name.is_empty() {
            return None;
        }
        let value = values.get(name).cloned().flatten();
        match operator {
            "" => expanded.push_str(&value?),
            _ => match (
                operator.strip_prefix(":-").or(operator.strip_prefix('-')),
                operator.strip_prefix(":+"),
            ) {
                (Some(word), _) => {
                    let known = value.filter(|value| !value.is_empty());
                    expanded.push_str(known.as_deref().unwrap_or(word));
                }
                (None, Some(word)) if value.is_some_and(|value| !value.is_empty()) => expanded.push_str(word),
                (None, Some(_)) => {}
                (None, None) => return None,
            },
        }
        rest = after;
    }
    expanded.push_str(rest);
    (expanded.len() <= LONGEST).then(|| unquoted(&expanded))
}

fn name_length(text: &str) -> usize {
    text.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(text.len())
}

impl Stage {
    /// What `COPY --from=name` calls it by.
    pub(crate) fn is_called(&self, index: usize, name: &str) -> bool {
        name == index.to_string() || self.alias.as_ref().is_some_and(|alias| alias.eq_ignore_ascii_case(name))
    }
}

impl Dockerfile {
    /// The stage that becomes the image: the last.
    pub fn last(&self) -> Option<&Stage> {
        self.stages.last()
    }

    /// A stage and all that it is built on, the last first.
    pub(crate) fn ancestors(&self, index: usize) -> Vec<usize> {
        let mut chain = Vec::new();
        let mut next = Some(index);
        // A base is always an earlier stage: this ends.
        while let Some(index) = next {
            chain.push(index);
            next = match self.stages.get(index).map(|stage| &stage.base) {
                Some(Base::Stage(base)) => Some(*base),
                _ => None,
            };
        }
        chain
    }

    /// The stages that become the image, the first first.
    pub fn chain(&self) -> Vec<&Stage> {
        let mut chain = self.final_indices();
        chain.reverse();
        chain.into_iter().filter_map(|index| self.stages.get(index)).collect()
    }

    /// The indices of [`chain`](Self::chain), the last first.
    pub(crate) fn final_indices(&self) -> Vec<usize> {
        self.stages.len().checked_sub(1).map(|last| self.ancestors(last)).unwrap_or_default()
    }

    /// All instructions that become the image, in order.
    pub(crate) fn instructions(&self) -> impl DoubleEndedIterator<Item = &Instruction> {
        self.chain().into_iter().flat_map(|stage| &stage.instructions)
    }

    /// What the final image is built on, resolved through stages and defaults of arguments; as it is written where
    /// only the build tells it, and "scratch" for nothing.
    pub fn base(&self) -> &str {
        let chain = self.chain();
        let Some(first) = chain.first() else { return "" };
        match &first.base {
            Base::Image(name) => name,
            Base::Scratch => "scratch",
            Base::Unknown | Base::Stage(_) => &first.image.text,
        }
    }

    /// What the final image is built on.
    pub(crate) fn root(&self) -> Option<&Stage> {
        self.chain().first().copied()
    }

    /// Variables of the final image: each name once, with its last value, in the order of the file.
    pub(crate) fn variables(&self) -> Vec<Variable<'_>> {
        let mut variables = BTreeMap::new();
        self.walk(|instruction, known| {
            let Body::Env { pairs, .. } = &instruction.body else { return };
            for pair in pairs {
                let written = pair.value.as_deref().unwrap_or_default();
                let value = expand(written, known).unwrap_or_else(|| unquoted(written));
                variables.insert(&*pair.name, Variable { name: &pair.name, value, span: &pair.span });
            }
        });
        let mut variables: Vec<_> = variables.into_values().collect();
        variables.sort_by_key(|variable| variable.span.start);
        variables
    }

    /// Shows every instruction of the final image, with the variables that hold before it.
    pub(crate) fn walk<'a>(&'a self, mut visit: impl FnMut(&'a Instruction, &Values)) {
        let last = self.stages.len().saturating_sub(1);
        self.walk_to(last, |_, instruction, known| visit(instruction, known));
    }

    /// The same for a stage and all that it is built on, each with the index of its stage.
    pub(crate) fn walk_to<'a>(&'a self, last: usize, mut visit: impl FnMut(usize, &'a Instruction, &Values)) {
        let mut known = Values::new();
        let mut variables: BTreeSet<&str> = BTreeSet::new();
        let chain = self.ancestors(last).into_iter().rev();
        for (index, stage) in chain.filter_map(|index| Some((index, self.stages.get(index)?))) {
            let mut arguments: Vec<&str> = Vec::new();
            for instruction in &stage.instructions {
                visit(index, instruction, &known);
                match &instruction.body {
                    // A variable hides an argument of its name.
                    Body::Arg(pairs) => {
                        for pair in pairs.iter().filter(|pair| !variables.contains(&*pair.name)) {
                            let default = match &pair.value {
                                Some(value) => expand(value, &known),
                                None => stage.globals.get(&pair.name).cloned().flatten(),
                            };
                            known.insert(pair.name.clone(), default);
                            arguments.push(&pair.name);
                        }
                    }
                    Body::Env { pairs, .. } => {
                        let values = pairs.iter().map(|pair| {
                            (pair.name.clone(), expand(pair.value.as_deref().unwrap_or_default(), &known))
                        });
                        let values: Vec<_> = values.collect();
                        known.extend(values);
                        variables.extend(pairs.iter().map(|pair| &*pair.name));
                    }
                    _ => {}
                }
            }
            // Arguments end with their stage, variables do not.
            for argument in arguments.into_iter().filter(|argument| !variables.contains(argument)) {
                known.remove(argument);
            }
        }
    }

    /// The `ENV` of the final image: name, value, place; each name once, with its last value.
    pub fn environment(&self) -> Vec<(String, String, Span)> {
        let variables = self.variables().into_iter();
        variables.map(|variable| (variable.name.to_owned(), variable.value, variable.span.clone())).collect()
    }

    /// The ports that `EXPOSE` names, each once.
    pub fn exposed(&self) -> Vec<(u16, Span)> {
        let mut ports: Vec<(u16, Span)> = Vec::new();
        let mut seen = BTreeSet::new();
        self.walk(|instruction, known| {
            let Body::Expose(words) = &instruction.body else { return };
            for word in words {
                let Some(text) = expand(&word.text, known) else { continue };
                let range = text.split('/').next().unwrap_or_default();
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else { continue };
                for port in (first..=last).take(64) {
                    if seen.insert(port) {
                        ports.push((port, word.span.clone()));
                    }
                }
            }
        });
        ports
    }

    /// The user that the image runs as, as far as the Dockerfile says it.
    pub fn user(&self) -> Option<&str> {
        self.last_user().map(|word| &*word.text)
    }

    pub(crate) fn last_user(&self) -> Option<&Word> {
        self.instructions().rev().find_map(|instruction| match &instruction.body {
            Body::User(word) => Some(word),
            _ => None,
        })
    }

    /// The user with variables replaced; nothing where one is not known.
    pub(crate) fn known_user(&self) -> Option<String> {
        let mut user = None;
        self.walk(|instruction, known| {
            if let Body::User(word) = &instruction.body {
                user = expand(&word.text, known);
            }
        });
        user
    }

    /// The last `HEALTHCHECK` of the image: its instruction, and its command or nothing for `NONE`.
    pub(crate) fn health(&self) -> Option<(&Instruction, Option<&Command>)> {
        self.instructions().rev().find_map(|instruction| match &instruction.body {
            Body::Healthcheck(command) => Some((instruction, command.as_ref())),
            _ => None,
        })
    }

    /// The command of the image's own health check.
    pub fn health_check(&self) -> Option<&Command> {
        self.health()?.1
    }

    /// `ENTRYPOINT` of the image.
    pub fn entrypoint(&self) -> Option<&Command> {
        self.instructions().rev().find_map(|instruction| match &instruction.body {
            Body::Entrypoint(command) => Some(command),
            _ => None,
        })
    }

    /// `CMD` of the image. A stage that sets `ENTRYPOINT` loses the `CMD` of its base.
    pub fn cmd(&self) -> Option<&Command> {
        for stage in self.chain().into_iter().rev() {
            let mut has_entrypoint = false;
            for instruction in stage.instructions.iter().rev() {
                match &instruction.body {
                    Body::Cmd(command) => return Some(command),
                    Body::Entrypoint(_) => has_entrypoint = true,
                    _ => {}
                }
            }
            if has_entrypoint {
                return None;
            }
        }
        None
    }

    /// What runs in the image: `ENTRYPOINT`, `CMD`, and the health check, as far as there are.
    pub fn commands(&self) -> Vec<&Command> {
        [self.entrypoint(), self.cmd(), self.health_check()].into_iter().flatten().collect()
    }

    /// The program that the image starts, as it is written.
    pub fn program(&self) -> Option<String> {
        program(self.entrypoint().or_else(|| self.cmd())?)
    }

    /// The program that the image's own health check runs, as it is written.
    pub fn health_program(&self) -> Option<String> {
        program(self.health_check()?)
    }

    /// Where commands of the final image run; "/" where nothing says it.
    pub fn workdir(&self) -> String {
        let mut folder = String::from("/");
        self.walk(|instruction, known| {
            if let Body::Workdir(word) = &instruction.body {
                folder = join(&folder, &expand(&word.text, known).unwrap_or_else(|| word.text.clone()));
            }
        });
        folder
    }
}

fn program(command: &Command) -> Option<String> {
    command
        .simple()
        .into_iter()
        .find_map(|words| words.into_iter().map(|word| word.text).find(|word| word != "exec"))
}

/// A path in the image, from a folder in it: absolute, without `.` and `..`.
pub(crate) fn join(folder: &str, path: &str) -> String {
    let full = if path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in full.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Dockerfile {
        let mut faults = Vec::new();
        let file = Text::new("Dockerfile", text);
        let dockerfile =
            Dockerfile { stages: stages(crate::dockerfile::parse::parse(text, &mut faults)), file };
        assert!(faults.is_empty(), "{faults:?}");
        dockerfile
    }

    #[test]
    fn bases_are_found_through_stages_and_arguments() {
        let text = "ARG NODE=18\nARG TAG=${NODE}-alpine\nFROM node:${TAG} AS Base\nFROM base AS x\nFROM $REGISTRY/y\n\
            FROM ${Z:-scratch}\nFROM x";
        let dockerfile = read(text);
        let bases: Vec<_> = dockerfile.stages.iter().map(|stage| stage.base.clone()).collect();
        assert_eq!(
            bases,
            [
                Base::Image("node:18-alpine".into()),
                Base::Stage(0),
                Base::Unknown,
                Base::Scratch,
                Base::Stage(1)
            ]
        );
        assert_eq!(dockerfile.base(), "node:18-alpine");
        assert_eq!(dockerfile.final_indices(), [4, 1, 0]);
    }

    #[test]
    fn the_final_image_inherits_through_its_stages() {
        let text = "FROM a AS base\nARG P=80\nENV PORT=$P HOST=h\nUSER me\nWORKDIR /app\nCMD [\"x\"]\nEXPOSE $PORT 9000-9001/udp\n\
            HEALTHCHECK CMD exec curl x\nFROM b AS other\nENV NO=1\nFROM base\nENV HOST=i X=$P\nWORKDIR sub/../web";
        let dockerfile = read(text);
        let environment: Vec<_> =
            dockerfile.environment().into_iter().map(|(name, value, _)| format!("{name}={value}")).collect();
        assert_eq!(environment, ["PORT=80", "HOST=i", "X=$P"]);
        let ports: Vec<_> = dockerfile.exposed().into_iter().map(|(port, _)| port).collect();
        assert_eq!(ports, [80, 9000, 9001]);
        assert_eq!((dockerfile.user(), &*dockerfile.workdir()), (Some("me"), "/app/web"));
        assert_eq!(
            (dockerfile.program(), dockerfile.health_program()),
            (Some("x".into()), Some("curl".into()))
        );
    }

    #[test]
    fn an_entrypoint_takes_the_command_of_its_base_away() {
        assert_eq!(read("FROM a AS b\nCMD [\"x\"]\nFROM b\nENTRYPOINT [\"y\"]").cmd(), None);
        assert!(read("FROM a\nCMD [\"x\"]\nENTRYPOINT [\"y\"]").cmd().is_some());
    }

    #[test]
    fn variables_are_replaced_as_docker_does() {
        let values = BTreeMap::from([("A".to_owned(), Some("1".to_owned())), ("B".to_owned(), None)]);
        let expanded = |text: &str| expand(text, &values);
        assert_eq!(expanded("x$A-${A}_${B:-2}${C-3}${A:+4}${B:+5}"), Some("x1-1_234".into()));
        assert_eq!(expanded("\"a b\"\\$A"), Some("a b$A".into()));
        assert_eq!(
            (expanded("$B"), expanded("${A"), expanded("$"), expanded("${A%x}")),
            (None, None, None, None)
        );
    }
}
