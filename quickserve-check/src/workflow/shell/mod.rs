//! A reader of shell text: which simple commands are in it, with the place of every word.
//!
//! Enough of POSIX sh and bash to judge deploy scripts: continued lines, comments, quotes, here-documents, compound
//! commands, functions and substitutions. It expands nothing and it refuses nothing; what it does not understand it
//! reads as words.
//!
//! Ours, since none of the crates fits: `yash-syntax` is under the GPL, `conch-parser` has had no release since 2019,
//! and `brush-parser` keeps no places inside of words and reads neither `${{ }}` nor a text with an error in it.

mod reader;
mod words;

use std::collections::BTreeSet;

use quickserve_core::document::Span;

use crate::workflow::mapped::Mapping;

/// The commands of a shell text. All spans are places in the file that holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shell {
    /// In the order of the text; one inside of a substitution follows the one that it is in.
    pub commands: Vec<Command>,
    /// The lists that the commands stand in. The first is the text itself.
    pub blocks: Vec<Block>,
    /// The variables that here-documents name.
    pub in_documents: Vec<Reference>,
}

/// A simple command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// From its first word to its last.
    pub span: Span,
    /// What it sets, before its words or instead of them.
    pub assignments: Vec<Assignment>,
    /// Its program and arguments.
    pub words: Vec<Word>,
    /// Where its input and output go.
    pub redirects: Vec<Redirect>,
    /// The list that it stands in: an index of [`Shell::blocks`].
    pub block: usize,
    /// What ties it to the next.
    pub next: Connector,
}

/// A list of commands that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The list around it; none for the text itself.
    pub parent: Option<usize>,
    /// What makes it a list.
    pub kind: BlockKind,
}

/// What makes commands a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockKind {
    /// The text itself.
    Text,
    /// What `if`, `elif`, `while` or `until` looks at.
    Condition,
    /// What follows `then`.
    Then,
    /// What follows `else`.
    Else,
    /// The body of a loop.
    Loop,
    /// Braces.
    Group,
    /// Parentheses.
    Subshell,
    /// `$( )`, backticks, `<( )`.
    Substitution,
    /// The body of a function with that name.
    Function(String),
    /// `case`, or one of its clauses.
    Case,
}

/// What ties a command to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Connector {
    /// `;`, a new line, or the end.
    #[default]
    Sequence,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `|`
    Pipe,
    /// `&`
    Background,
}

/// A word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// Without its quotes; variables and substitutions as they are written.
    pub text: String,
    /// Where it is written, quotes included.
    pub span: Span,
    /// Whether any of it is in quotes.
    pub quoted: bool,
    /// The variables that it names.
    pub references: Vec<Reference>,
}

/// `$NAME`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The variable, or the number of an argument.
    pub name: String,
    /// What follows the name inside of braces, such as `:-latest`.
    pub operator: String,
    /// Whether it is in quotes.
    pub quoted: bool,
    /// Where it is written.
    pub span: Span,
}

/// `NAME=value`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// Where the name is written.
    pub span: Span,
    /// What it is set to.
    pub value: Word,
}

/// `> file`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Such as `>>`.
    pub operator: String,
    /// The file, or the delimiter of a here-document.
    pub target: Word,
}

impl Shell {
    /// Reads a text, whose places the mapping tells.
    pub(crate) fn read(text: &str, mapping: &Mapping) -> Self {
        let mut shell = reader::read(text, mapping);
        shell.follow_wrappers();
        shell
    }

    /// A function such as `run() { echo "+ $*"; "$@"; }` runs the command that it is given: that one is what counts.
    fn follow_wrappers(&mut self) {
        let runs_arguments = |command: &Command| command.words.first().is_some_and(|word| word.text == "$@");
        let names: BTreeSet<String> = self
            .commands
            .iter()
            .filter(|command| runs_arguments(command))
            .filter_map(|command| self.function_around(command.block).map(str::to_owned))
            .collect();
        for command in &mut self.commands {
            let wraps = command.words.first().is_some_and(|word| !word.quoted && names.contains(&word.text));
            if wraps && command.words.len() > 1 {
                command.words.remove(0);
            }
        }
    }

    /// Whether a command stands in the function that another calls.
    pub(crate) fn is_body_of(&self, inner: &Command, call: &Command) -> bool {
        let name = call.words.first().map(|word| word.text.as_str());
        name.is_some() && self.function_around(inner.block) == name
    }

    /// The function that a list is the body of, or stands in.
    pub(crate) fn function_around(&self, block: usize) -> Option<&str> {
        self.around(block).find_map(|block| match &block.kind {
            BlockKind::Function(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The commands after this one in its own list.
    pub(crate) fn after<'a>(&'a self, command: &'a Command) -> impl Iterator<Item = &'a Command> {
        let later = |other: &&Command| other.block == command.block && other.span.start > command.span.start;
        self.commands.iter().filter(later)
    }

    /// A list and those around it, the innermost first.
    pub(crate) fn around(&self, block: usize) -> impl Iterator<Item = &Block> {
        let outer = |block: &&Block| block.parent.and_then(|parent| self.blocks.get(parent));
        std::iter::successors(self.blocks.get(block), move |block| outer(block))
    }

    /// Every variable that is named anywhere.
    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        let words = self.commands.iter().flat_map(Command::all_words);
        words.flat_map(|word| &word.references).chain(&self.in_documents)
    }

    /// Every variable that is set, also by `export` and its kin.
    pub(crate) fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.commands.iter().flat_map(|command| &command.assignments)
    }
}

impl Command {
    /// Its words, what it sets, and the files of its redirections.
    pub(crate) fn all_words(&self) -> impl Iterator<Item = &Word> {
        let values = self.assignments.iter().map(|assignment| &assignment.value);
        self.words.iter().chain(values).chain(self.redirects.iter().map(|redirect| &redirect.target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Shell {
        Shell::read(text, &Mapping::identity())
    }

    #[test]
    fn braces_that_nobody_closes_take_no_time_squared() {
        let plain = "${a} ".repeat(20_000);
        for hostile in [
            "${a ".repeat(20_000),
            "${a:-".repeat(20_000),
            format!("{}{}", "${a:-".repeat(700), "}".repeat(700)).repeat(15),
        ] {
            crate::effort::assert_at_most(40, || drop(read(&plain)), || drop(read(&hostile)));
        }
    }

    /// Each command as its words, with what ties it to the next.
    fn commands(text: &str) -> Vec<String> {
        let shown = |command: &Command| {
            let sets = command.assignments.iter().map(|set| format!("{}={}", set.name, set.value.text));
            let words: Vec<String> = sets.chain(command.words.iter().map(|word| word.text.clone())).collect();
            let next = match command.next {
                Connector::Sequence => "",
                Connector::And => " &&",
                Connector::Or => " ||",
                Connector::Pipe => " |",
                Connector::Background => " &",
            };
            format!("{}{next}", words.join(" "))
        };
        read(text).commands.iter().map(shown).collect()
    }

    #[test]
    fn commands_are_words_without_quotes_and_comments() {
        assert_eq!(commands("# no\necho 'a b' \"c\" d#e # f\n"), ["echo a b c d#e"]);
        assert_eq!(commands("a && b || c; d | e & f"), ["a &&", "b ||", "c", "d |", "e &", "f"]);
        assert_eq!(commands("aws ecs \\\n  wait x \\\r\n  y"), ["aws ecs wait x y"]);
        assert_eq!(commands("A=1 B=\"$C\" run"), ["A=1 B=$C run"]);
    }

    #[test]
    fn compound_commands_are_lists() {
        let shell = read("if a; then\n b\nelif c; then d; else e; fi\nf() { g; }\nfor x in 1 2; do h; done");
        let kinds: Vec<_> = shell
            .commands
            .iter()
            .map(|command| (command.words[0].text.as_str(), shell.blocks[command.block].kind.clone()))
            .collect();
        let expected = [
            ("a", BlockKind::Condition),
            ("b", BlockKind::Then),
            ("c", BlockKind::Condition),
            ("d", BlockKind::Then),
            ("e", BlockKind::Else),
            ("g", BlockKind::Function("f".into())),
            ("for", BlockKind::Condition),
            ("h", BlockKind::Loop),
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn a_function_that_runs_its_arguments_is_passed_over() {
        let text =
            "run() { echo \"+ $*\"; \"$@\"; }\nsay() { echo \"$@\"; }\nrun aws ecs wait x\nsay aws\nrun\n";
        assert_eq!(commands(text), ["echo + $*", "$@", "echo $@", "aws ecs wait x", "say aws", "run"]);
    }

    #[test]
    fn a_case_has_clauses() {
        assert_eq!(commands("case $1 in\n (a|b) x;;\n *) y ;;\nesac; z"), ["case $1", "x", "y", "z"]);
        assert_eq!(
            commands("x=$(case $1 in a) b;; esac); c"),
            ["x=$(case $1 in a) b;; esac)", "case $1", "b", "c"]
        );
    }

    #[test]
    fn what_is_inside_of_a_substitution_is_read() {
        let shell = read("A=\"$(aws x \"$(b)\")\" `c d` <(e)");
        let words: Vec<_> = shell
            .commands
            .iter()
            .map(|command| command.words.first().map(|word| word.text.as_str()).unwrap_or_default())
            .collect();
        assert_eq!(words, ["`c d`", "aws", "b", "c", "e"]);
        let around: Vec<_> = shell.around(shell.commands[2].block).map(|block| block.kind.clone()).collect();
        assert_eq!(around, [BlockKind::Substitution, BlockKind::Substitution, BlockKind::Text]);
    }

    #[test]
    fn here_documents_are_skipped_and_their_variables_kept() {
        let shell = read("cat <<EOF > f\nrm -rf $X\nEOF\ncat <<-'E'\n\t$Y\n\tE\ndone_it <<< $Z\n");
        assert_eq!(shell.commands.len(), 3);
        let names: Vec<_> = shell.in_documents.iter().map(|reference| reference.name.as_str()).collect();
        assert_eq!(names, ["X"]);
    }

    #[test]
    fn variables_are_found_with_their_operators() {
        let shell = read("a \"${1:-latest}\" $B/${C} '$D' \"x$E\" ${{ github.sha }} ${F:-$G}");
        let found: Vec<_> = shell
            .references()
            .map(|reference| {
                format!("{}{}{}", reference.name, reference.operator, u8::from(reference.quoted))
            })
            .collect();
        assert_eq!(found, ["1:-latest1", "B0", "C0", "E1", "F:-$G0", "G0"]);
        assert_eq!(shell.commands[0].words[5].text, "${{ github.sha }}");
    }

    #[test]
    fn tests_of_bash_are_words() {
        assert_eq!(commands("[[ $a && ( b < c ) ]] && d"), ["[[ $a && ( b < c ) ]] &&", "d"]);
        assert_eq!(commands("((i++)); a"), ["a"]);
        assert_eq!(commands("xs=(a b)\nc 2>&1 >/dev/null"), ["xs=(a b)", "c"]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]
        #[test]
        fn no_text_makes_it_panic(
            text in "([a-c=$(){};&|<>'\"`\\\\#! \\n\\té]|if |then |fi|case |in |esac|\\$\\(|\\$\\{|<<E\\n|\\[\\[ |do |done){0,60}"
        ) {
            read(&text);
        }
    }

    #[test]
    fn braces_in_each_other_take_no_time_squared() {
        let around = |text: &str| {
            let shell = read(text);
            shell.commands.iter().map(|command| shell.around(command.block).count()).sum::<usize>()
        };
        let flat = "{ a; }; ".repeat(30_000);
        let deep = "{ a; ".repeat(30_000);
        crate::effort::assert_at_most(
            40,
            || {
                std::hint::black_box(around(&flat));
            },
            || {
                std::hint::black_box(around(&deep));
            },
        );
    }

    #[test]
    fn deep_nesting_ends() {
        read(&"$(".repeat(20_000));
        read(&"( ".repeat(20_000));
        read(&"`".repeat(20_001));
    }
}
