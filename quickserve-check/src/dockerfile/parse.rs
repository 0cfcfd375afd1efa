//! A Dockerfile into instructions, each with its place; all that is wrong with it at once.
//!
//! An own parser. The crate `parse-dockerfile` keeps places and knows here-documents, but it ends at the first error
//! (so that one wrong line would hide all that the others say), rejects two stages of one name (`BuildKit` warns), leaves
//! `ENV`, `ARG` and the words of a continued line in one text without places, and borrows the text it has read.

use std::ops::Range;

use quickserve_core::document::{Source, Span, parse_json};
use quickserve_core::finding::Code;

use super::Fault;
use super::instruction::{Body, Command, Flag, Instruction, Pair, Word};
use super::lines::{Directives, HereDocument, Joined, Line};

/// Every instruction with the flags that it takes. The stable syntax of docker/dockerfile:1 and the labs channel.
const INSTRUCTIONS: [(&str, &[&str]); 18] = [
    ("ADD", &["chown", "chmod", "link", "keep-git-dir", "checksum", "exclude", "unpack"]),
    ("ARG", &[]),
    ("CMD", &[]),
    ("COPY", &["from", "chown", "chmod", "link", "parents", "exclude"]),
    ("ENTRYPOINT", &[]),
    ("ENV", &[]),
    ("EXPOSE", &[]),
    ("FROM", &["platform"]),
    ("HEALTHCHECK", &["interval", "timeout", "start-period", "start-interval", "retries"]),
    ("LABEL", &[]),
    ("MAINTAINER", &[]),
    ("ONBUILD", &[]),
    ("RUN", &["mount", "network", "security", "device"]),
    ("SHELL", &[]),
    ("STOPSIGNAL", &[]),
    ("USER", &[]),
    ("VOLUME", &[]),
    ("WORKDIR", &[]),
];

/// The longest word that is shown where an instruction is asked for, in letters: that of `HEALTHCHECK`, and one more.
const LONGEST_WORD: usize = 12;

/// After so many faults it is no Dockerfile at all.
const MANY: usize = 50;

/// The instructions of a Dockerfile. What cannot be read is left out, and is among the faults.
pub(crate) fn parse(text: &str, faults: &mut Vec<Fault>) -> Vec<Instruction> {
    let (directives, lines) = super::lines::split(text, faults);
    let mut parser = Parser { directives, faults };
    let mut instructions = Vec::new();
    for line in lines {
        instructions.extend(parser.instruction(line));
        if parser.faults.len() >= MANY {
            break;
        }
    }
    // An unknown word in front may have been meant as FROM.
    if parser.faults.is_empty() {
        match instructions.iter().find(|instruction| instruction.name != "ARG") {
            Some(first) if first.name != "FROM" => {
                let fault = Fault::new(first.span.clone(), format!("{} stands before FROM", first.name));
                faults.push(fault.with_hint("only ARG may come before the first FROM"));
            }
            Some(_) => {}
            None => faults.push(
                Fault::new(0..0, "there is no FROM")
                    .with_hint("begin with the image to build on, or scratch"),
            ),
        }
    }
    instructions
}

/// The words of a line: separated by blanks that are neither in quotes nor escaped.
pub(crate) fn words(line: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut begin = None;
    let mut quote: Option<char> = None;
    let mut chars = line.char_indices();
    while let Some((at, char)) = chars.next() {
        if quote.is_none() && char.is_whitespace() {
            words.extend(begin.take().map(|begin| begin..at));
            continue;
        }
        begin.get_or_insert(at);
        match char {
            '\\' if quote != Some('\'') => drop(chars.next()),
            '"' | '\'' if quote.is_none() => quote = Some(char),
            _ if Some(char) == quote => quote = None,
            _ => {}
        }
    }
    words.extend(begin.map(|begin| begin..line.len()));
    words
}

struct Parser<'f> {
    directives: Directives,
    faults: &'f mut Vec<Fault>,
}

impl Parser<'_> {
    fn instruction(&mut self, line: Line) -> Option<Instruction> {
        let Line { text, documents } = line;
        let length = text.as_str().find(char::is_whitespace).unwrap_or(text.as_str().len());
        let name = text.as_str()[..length].to_ascii_uppercase();
        let place = text.span(&(0..length));
        let Some((_, known)) = INSTRUCTIONS.iter().find(|(known, _)| *known == name) else {
            let names = INSTRUCTIONS.map(|(name, _)| name);
            let near = quickserve_core::document::did_you_mean(&name, &names);
            // The line may be one of a secret that lost its beginning.
            let is_word = name.len() <= LONGEST_WORD && name.bytes().all(|byte| byte.is_ascii_alphabetic());
            let word = if near.is_some() || is_word { shown(&name) } else { "this".to_owned() };
            let fault = Fault::new(place, format!("{word} is no instruction"));
            self.faults.push(Fault { hint: near, ..fault });
            return None;
        };
        let span = text.whole();
        let (flags, rest) = self.flags(&name, known, &text.trimmed(length..text.as_str().len()));
        let takes_none = matches!(&*name, "CMD" | "ENTRYPOINT" | "LABEL");
        if rest.as_str().is_empty() && documents.is_empty() && !takes_none {
            self.fault(place, format!("{name} says nothing"));
            return None;
        }
        let body = match &*name {
            "FROM" => self.from(&rest)?,
            "RUN" => Body::Run { command: self.command(&name, rest), documents },
            "CMD" => Body::Cmd(self.command(&name, rest)),
            "ENTRYPOINT" => Body::Entrypoint(self.command(&name, rest)),
            "HEALTHCHECK" => self.health_check(&flags, &rest)?,
            "ENV" => self.env(&rest)?,
            "ARG" => Body::Arg(words(rest.as_str()).into_iter().map(|range| pair(&rest, &range)).collect()),
            "COPY" | "ADD" => self.copy(&name, &rest)?,
            "EXPOSE" => Body::Expose(all_words(&rest)),
            "USER" => Body::User(self.only(&name, &rest)?),
            "WORKDIR" => Body::Workdir(word(&rest, &(0..rest.as_str().len()))),
            "SHELL" => {
                let words = exec(&rest);
                if words.is_none() {
                    self.fault(rest.whole(), "SHELL is no JSON list of words");
                }
                Body::Shell(words?.into_iter().map(|word| word.text).collect())
            }
            "ONBUILD" => Body::OnBuild(Box::new(self.on_build(rest, documents)?)),
            "LABEL" => {
                let _checked = self.env(&rest);
                Body::Other
            }
            _ => Body::Other,
        };
        Some(Instruction { name, span, flags, body })
    }

    fn on_build(&mut self, text: Joined, documents: Vec<HereDocument>) -> Option<Instruction> {
        let name = text.as_str().split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        // Looked at before it is read: a line of nothing but ONBUILD is as deep as it is long.
        if matches!(&*name, "ONBUILD" | "FROM" | "MAINTAINER") {
            self.fault(text.whole(), format!("{name} cannot follow ONBUILD"));
            return None;
        }
        self.instruction(Line { text, documents })
    }

    fn fault(&mut self, span: Span, message: impl Into<String>) {
        self.faults.push(Fault::new(span, message));
    }

    fn flags(&mut self, instruction: &str, known: &[&str], text: &Joined) -> (Vec<Flag>, Joined) {
        let mut flags = Vec::new();
        let mut end = 0;
        for range in words(text.as_str()) {
            let Some(flag) = text.as_str()[range.clone()].strip_prefix("--") else { break };
            end = range.end;
            if flag.is_empty() {
                break;
            }
            let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
            let span = text.span(&range);
            // Another frontend may have others.
            let is_dockers = self.directives.syntax.as_deref().is_none_or(is_dockers_frontend);
            if is_dockers && !known.contains(&name) {
                let fault = Fault::new(span.clone(), format!("{instruction} has no flag --{}", shown(name)));
                self.faults
                    .push(Fault { hint: quickserve_core::document::did_you_mean(name, known), ..fault });
            }
            flags.push(Flag { name: name.to_owned(), value: super::instruction::unquoted(value), span });
        }
        (flags, text.trimmed(end..text.as_str().len()))
    }

    fn from(&mut self, rest: &Joined) -> Option<Body> {
        let words = all_words(rest);
        match &*words {
            [image] => Some(Body::From { image: image.clone(), alias: None }),
            [image, keyword, alias] if keyword.text.eq_ignore_ascii_case("AS") => {
                Some(Body::From { image: image.clone(), alias: Some(alias.clone()) })
            }
            _ => {
                let fault = Fault::new(rest.whole(), "FROM takes an image, or an image AS a name");
                self.faults.push(fault.with_hint("a comment needs a line of its own"));
                None
            }
        }
    }

    fn only(&mut self, name: &str, rest: &Joined) -> Option<Word> {
        let words = all_words(rest);
        if let [word] = &*words {
            return Some(word.clone());
        }
        let fault = Fault::new(rest.whole(), format!("{name} takes one word"));
        self.faults.push(fault.with_hint("a comment needs a line of its own"));
        None
    }

    fn copy(&mut self, name: &str, rest: &Joined) -> Option<Body> {
        let mut words = exec(rest).unwrap_or_else(|| all_words(rest));
        if words.len() < 2 {
            self.fault(rest.whole(), format!("{name} takes at least a source and a destination"));
            return None;
        }
        let destination = words.pop()?;
        words.retain(|word| !word.text.starts_with("<<"));
        Some(Body::Copy { sources: words, destination })
    }

    fn env(&mut self, rest: &Joined) -> Option<Body> {
        let ranges = words(rest.as_str());
        let text = rest.as_str();
        let first = ranges.first()?;
        if !text[first.clone()].contains('=') {
            let value = text[first.end..].trim();
            if value.is_empty() {
                // The word may be a value, and that a secret: it stays out of the message.
                let fault = Fault::new(rest.whole(), "a name without a value");
                self.faults.push(fault.with_hint("write name=value"));
                return None;
            }
            let name = text[first.clone()].to_owned();
            let pairs = vec![Pair { name, value: Some(value.to_owned()), span: rest.whole() }];
            return Some(Body::Env { pairs, legacy: true });
        }
        let mut pairs = Vec::new();
        for range in ranges {
            let pair = pair(rest, &range);
            // The word may be a part of a value that wants quotes, and the value a secret: its name stays out.
            if pair.value.is_none() || pair.name.is_empty() {
                let fault = Fault::new(pair.span, "a word that is not name=value");
                self.faults.push(fault.with_hint("put a value with blanks into double quotes"));
            } else {
                pairs.push(pair);
            }
        }
        Some(Body::Env { pairs, legacy: false })
    }

    fn health_check(&mut self, flags: &[Flag], rest: &Joined) -> Option<Body> {
        for flag in flags {
            let is_right = if flag.name == "retries" {
                flag.value.parse::<u32>().is_ok()
            } else {
                is_duration(&flag.value)
            };
            if !is_right && !flag.value.contains('$') {
                let what = if flag.name == "retries" { "number" } else { "time with its unit" };
                let fault = Fault::new(flag.span.clone(), format!("--{} is no {what}", flag.name));
                self.faults.push(fault.with_hint("such as --interval=30s --timeout=3s --retries=3"));
            }
        }
        let text = rest.as_str();
        let length = text.find(char::is_whitespace).unwrap_or(text.len());
        match &*text[..length].to_ascii_uppercase() {
            "NONE" => Some(Body::Healthcheck(None)),
            "CMD" if !text[length..].trim().is_empty() => {
                let command = self.command("HEALTHCHECK", rest.trimmed(length..text.len()));
                Some(Body::Healthcheck(Some(command)))
            }
            "CMD" => {
                self.fault(rest.whole(), "HEALTHCHECK CMD runs nothing");
                None
            }
            _ => {
                let fault = Fault::new(rest.whole(), "HEALTHCHECK takes CMD and a command, or NONE");
                self.faults.push(fault.with_hint("write HEALTHCHECK CMD before the command"));
                None
            }
        }
    }

    fn command(&mut self, name: &str, rest: Joined) -> Command {
        if let Some(words) = exec(&rest) {
            return Command::Exec(words, rest.whole());
        }
        // `[ -f x ] && ...` is a test of the shell; a bracket before a quote was meant as JSON, and no shell runs it.
        let list = rest.as_str().strip_prefix('[').map(str::trim_start);
        if list.is_some_and(|list| list.starts_with(['"', '\''])) && rest.as_str().ends_with(']') {
            let message =
                format!("{name} looks like a JSON list and is none: a shell would run it as it stands");
            let hint = "double quotes around each word, commas between them and none at the end";
            self.faults.push(Fault::new(rest.whole(), message).with_hint(hint));
        }
        Command::Shell(rest)
    }
}

/// A word of the file in a message: without its end where it is long.
fn shown(word: &str) -> String {
    word.chars().take(40).filter(|char| !char.is_control()).collect()
}

fn is_dockers_frontend(syntax: &str) -> bool {
    let name = syntax.trim_start_matches("docker.io/");
    name.starts_with("docker/dockerfile") && !name.contains("-labs") && !name.contains("upstream")
}

/// Go's durations: numbers with units, one after the other.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.');
        let unit = ["ns", "us", "µs", "ms", "s", "m", "h"].iter().find_map(|unit| {
            // `ms` before `m`: the order of the list.
            digits.strip_prefix(unit)
        });
        match unit {
            Some(after) if digits.len() < rest.len() => rest = after,
            _ => return text == "0",
        }
    }
    !text.is_empty()
}

fn word(text: &Joined, range: &Range<usize>) -> Word {
    Word { text: text.as_str()[range.clone()].to_owned(), span: text.span(range) }
}

fn all_words(text: &Joined) -> Vec<Word> {
    words(text.as_str()).iter().map(|range| word(text, range)).collect()
}

fn pair(text: &Joined, range: &Range<usize>) -> Pair {
    let written = &text.as_str()[range.clone()];
    let (name, value) = match written.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (written, None),
    };
    Pair { name: name.to_owned(), value, span: text.span(range) }
}

/// The words of `["program", "argument"]`; nothing where it is no JSON list of strings.
fn exec(text: &Joined) -> Option<Vec<Word>> {
    if !text.as_str().starts_with('[') {
        return None;
    }
    let source = Source { file: "", text: text.as_str() };
    let tree = parse_json(source, Code::DOCKERFILE_SYNTAX, Code::DOCKERFILE_SYNTAX).ok()?;
    let items = tree.as_list()?.iter();
    items.map(|item| Some(Word { text: item.as_str()?.to_owned(), span: text.span(&item.span) })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Instruction> {
        let mut faults = Vec::new();
        let instructions = parse(text, &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        instructions
    }

    fn faults(text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        parse(text, &mut faults);
        faults
            .into_iter()
            .map(|fault| format!("{}: {}", text[..fault.span.start].matches('\n').count() + 1, fault.message))
            .collect()
    }

    #[test]
    fn what_docker_accepts_is_read() {
        let text = "# syntax=docker/dockerfile:1.7\n\
            ARG V=1\n\
            from --platform=$BUILDPLATFORM golang:${V} as build\n\
            RUN --mount=type=cache,target=/root/.cache --network=none go build \\\r\n  -o /x . # no comment\r\n\
            COPY --link --chown=1:1 [\"a b\", \"c\", \"/d/\"]\n\
            COPY <<EOF /etc/x\nRUN nonsense\nEOF\n\
            ONBUILD RUN <<-E\n\tx\n\tE\n\
            SHELL [\"/bin/bash\", \"-c\"]\n\
            ENV A=1 B=\"2 3\" C=a\\ b\n\
            LABEL a=b \"c d\"='e f'\n\
            HEALTHCHECK --interval=1m30s --retries=3 CMD [\"x\", \"y\"]\n\
            CMD []\n\
            STOPSIGNAL SIGINT\n\
            VOLUME [\"/data\"]";
        let names: Vec<_> = read(text).into_iter().map(|instruction| instruction.name).collect();
        assert_eq!(
            names.join(" "),
            "ARG FROM RUN COPY COPY ONBUILD SHELL ENV LABEL HEALTHCHECK CMD STOPSIGNAL VOLUME"
        );
    }

    #[test]
    fn words_of_a_continued_line_know_their_place() {
        let text = "FROM a\nENV A=1 \\\n    # why\n    B=\"2 3\"\nCMD [\"x\", \\\n  \"yz\"]";
        let instructions = read(text);
        let Body::Env { pairs, legacy: false } = &instructions[1].body else { panic!("no ENV") };
        assert_eq!(&text[pairs[1].span.clone()], "B=\"2 3\"");
        let Body::Cmd(Command::Exec(words, _)) = &instructions[2].body else { panic!("no list") };
        assert_eq!((&*words[1].text, &text[words[1].span.clone()]), ("yz", "\"yz\""));
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let text = "FROM a b\nRUNN x\nCOPY a\nUSER\nENV A=1 B\nFROM --platfrom=x a\nUSER a # b\n\
            HEALTHCHECK curl x\nHEALTHCHECK --interval=30 CMD x\nCMD ['a', 'b']\nONBUILD FROM a\nSHELL a\nENV A";
        assert_eq!(
            faults(text),
            [
                "1: FROM takes an image, or an image AS a name",
                "2: RUNN is no instruction",
                "3: COPY takes at least a source and a destination",
                "4: USER says nothing",
                "5: a word that is not name=value",
                "6: FROM has no flag --platfrom",
                "7: USER takes one word",
                "8: HEALTHCHECK takes CMD and a command, or NONE",
                "9: --interval is no time with its unit",
                "10: CMD looks like a JSON list and is none: a shell would run it as it stands",
                "11: FROM cannot follow ONBUILD",
                "12: SHELL is no JSON list of words",
                "13: a name without a value",
            ]
        );
        assert_eq!(faults("RUN x\nFROM a"), ["1: RUN stands before FROM"]);
        assert_eq!(faults(""), ["1: there is no FROM"]);
        assert_eq!(faults("# syntax=acme/builder\nFROM --fast=1 a"), [""; 0]);
        assert_eq!(faults("FROM a\nRUN [ -f \"x\" ] && y\nCMD [ \"a\" ]"), [""; 0]);
    }

    #[test]
    fn durations_are_those_of_go() {
        for good in ["30s", "1m30s", "1.5h", "500ms", "0"] {
            assert!(is_duration(good), "{good}");
        }
        for bad in ["30", "", "s", "1x", "1m30"] {
            assert!(!is_duration(bad), "{bad}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

        #[test]
        fn no_text_makes_it_panic(text in "((FROM|RUN|ENV|COPY|CMD|ONBUILD|HEALTHCHECK|# escape=`|<<E|E|\\[\"a\"\\]|\\\\|\"|'|=|--x|\\$\\{a|é|\r| |\n)|.){0,40}") {
            let mut faults = Vec::new();
            for instruction in parse(&text, &mut faults) {
                if let Body::Run { command, .. } | Body::Cmd(command) = &instruction.body {
                    command.simple();
                }
            }
            super::super::stages::stages(parse(&text, &mut faults));
        }
    }
}
