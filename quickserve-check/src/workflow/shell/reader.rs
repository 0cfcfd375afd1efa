//! From characters to commands: one pass, each character looked at once.

use super::{Assignment, Block, BlockKind, Command, Connector, Redirect, Reference, Shell, Word};
use crate::workflow::mapped::Mapping;

/// How many lists may be around a command. Rules look at all of them for each command; one that is deeper, which no person
/// wrote, counts to the last of these.
const DEEPEST: usize = 100;

pub(super) fn read(text: &str, mapping: &Mapping) -> Shell {
    let text_block = Block { parent: None, kind: BlockKind::Text };
    let shell = Shell { blocks: vec![text_block], ..Shell::default() };
    let mut reader = Reader {
        text,
        mapping,
        at: 0,
        end: text.len(),
        depth: 0,
        unclosed: 0,
        documents: Vec::new(),
        depths: vec![0],
        shell,
    };
    reader.list(0, false);
    reader.shell.commands.sort_by_key(|command| command.span.start);
    reader.shell
}

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) mapping: &'a Mapping,
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) depth: usize,
    /// How many braces were found that nobody closes.
    pub(super) unclosed: usize,
    /// Here-documents that begin on the next line.
    documents: Vec<Document>,
    /// How many lists are around each.
    depths: Vec<usize>,
    shell: Shell,
}

struct Document {
    delimiter: String,
    indented: bool,
    expands: bool,
}

/// A command that is not whole yet.
#[derive(Default)]
struct Draft {
    assignments: Vec<Assignment>,
    words: Vec<Word>,
    redirects: Vec<Redirect>,
    start: Option<usize>,
    /// Inside of `[[`, where operators are words.
    in_test: bool,
}

/// A list that is open, and what closes it.
#[derive(Clone, Copy)]
struct Level {
    block: usize,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Closed by a keyword, or by the end.
    Words,
    /// Closed by a parenthesis.
    Parenthesis,
    /// A `case`, where a pattern comes next.
    Patterns,
    /// What follows a pattern, closed by `;;`.
    Clause,
}

impl Draft {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.assignments.is_empty() && self.redirects.is_empty()
    }
}

impl Reader<'_> {
    pub(super) fn rest(&self) -> &str {
        self.text.get(self.at..self.end).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) {
        self.at += self.peek().map_or(1, char::len_utf8);
    }

    pub(super) fn block(&mut self, parent: usize, kind: BlockKind) -> usize {
        let depth = self.depths.get(parent).map_or(1, |depth| depth + 1);
        if depth > DEEPEST {
            return parent;
        }
        self.depths.push(depth);
        self.shell.blocks.push(Block { parent: Some(parent), kind });
        self.shell.blocks.len() - 1
    }

    /// Reads commands into a list, until its end or the parenthesis that closes it.
    pub(super) fn list(&mut self, outer: usize, closed: bool) {
        let mut stack = vec![Level { block: outer, role: Role::Words }];
        let mut draft = Draft::default();
        let mut function: Option<String> = None;
        loop {
            self.blanks();
            let top = stack.last().copied().unwrap_or(Level { block: outer, role: Role::Words });
            let Some(char) = self.peek() else {
                self.finish(&mut draft, top.block, Connector::Sequence);
                return;
            };
            if top.role == Role::Patterns {
                self.pattern(&mut stack, top.block);
            } else if draft.in_test && "&|<>();\n".contains(char) {
                let doubled = self.rest().starts_with("&&") || self.rest().starts_with("||");
                let text = self.rest()[..if doubled { 2 } else { 1 }].to_owned();
                self.at += text.len();
                draft.words.push(Word { text, ..Word::default() });
            } else if "<>".contains(char) || self.rest().starts_with("&>") {
                self.redirect(&mut draft, top.block);
            } else if "\n;&|".contains(char) {
                let ends_clause = self.rest().starts_with(";;") || self.rest().starts_with(";&");
                let connector = self.connector();
                self.finish(&mut draft, top.block, connector);
                if ends_clause && top.role == Role::Clause {
                    stack.pop();
                }
                if char == '\n' {
                    self.skip_documents();
                }
            } else if self.rest().starts_with("((") {
                self.skip_parentheses();
            } else if char == '(' {
                self.at += 1;
                self.blanks();
                if draft.is_empty() {
                    let kind = function.take().map_or(BlockKind::Subshell, BlockKind::Function);
                    stack.push(Level { block: self.block(top.block, kind), role: Role::Parenthesis });
                } else if self.peek() == Some(')') && draft.words.len() == 1 {
                    self.at += 1;
                    function = std::mem::take(&mut draft).words.pop().map(|word| word.text);
                }
            } else if char == ')' {
                self.at += 1;
                self.finish(&mut draft, top.block, Connector::Sequence);
                if top.role == Role::Parenthesis {
                    stack.pop();
                } else if closed {
                    return;
                }
            } else {
                let word = self.word(top.block);
                let is_number = !word.quoted && word.text.bytes().all(|byte| byte.is_ascii_digit());
                if is_number && self.rest().starts_with(['<', '>']) {
                    // The number of a stream, not a word.
                    continue;
                }
                let may_be_keyword = draft.is_empty() && !word.quoted;
                if !(may_be_keyword && self.keyword(&word, &mut stack, &mut function)) {
                    draft.add(word);
                }
            }
        }
    }

    /// Reads a pattern of a `case`, or its end.
    fn pattern(&mut self, stack: &mut Vec<Level>, case: usize) {
        match self.peek() {
            Some(')') => {
                self.at += 1;
                stack.push(Level { block: self.block(case, BlockKind::Case), role: Role::Clause });
            }
            Some(char) if "(|;&<>\n".contains(char) => self.bump(),
            _ => {
                if self.word(case).text == "esac" {
                    stack.pop();
                }
            }
        }
    }

    /// Takes a word that begins or ends a compound command; says whether it is one.
    fn keyword(&mut self, word: &Word, stack: &mut Vec<Level>, function: &mut Option<String>) -> bool {
        let top = stack.last().map_or(0, |level| level.block);
        let (closes, opens) = match word.text.as_str() {
            "if" | "while" | "until" => (false, Some(BlockKind::Condition)),
            "elif" => (true, Some(BlockKind::Condition)),
            "then" => (true, Some(BlockKind::Then)),
            "else" => (true, Some(BlockKind::Else)),
            "do" => (true, Some(BlockKind::Loop)),
            "{" => (false, Some(function.take().map_or(BlockKind::Group, BlockKind::Function))),
            "fi" | "done" | "}" => (true, None),
            "!" | "time" => (false, None),
            "for" | "select" => {
                // `do` closes the list of its header.
                let block = self.block(top, BlockKind::Condition);
                stack.push(Level { block, role: Role::Words });
                return false;
            }
            "case" => {
                self.blanks();
                let mut subject = Draft::default();
                subject.add(word.clone());
                subject.add(self.word(top));
                self.finish(&mut subject, top, Connector::Sequence);
                self.blanks_and_lines();
                // `in`
                self.word(top);
                stack.push(Level { block: self.block(top, BlockKind::Case), role: Role::Patterns });
                return true;
            }
            "esac" => {
                for role in [Role::Clause, Role::Patterns] {
                    if stack.last().is_some_and(|level| level.role == role) {
                        stack.pop();
                    }
                }
                return true;
            }
            "function" => {
                self.blanks();
                *function = Some(self.word(top).text);
                self.blanks();
                if self.rest().starts_with("()") {
                    self.at += 2;
                }
                return true;
            }
            _ => return false,
        };
        let closable = stack.len() > 1 && stack.last().is_some_and(|level| level.role == Role::Words);
        if closes && closable {
            stack.pop();
        }
        if let Some(kind) = opens {
            let parent = stack.last().map_or(0, |level| level.block);
            stack.push(Level { block: self.block(parent, kind), role: Role::Words });
        }
        true
    }

    /// Ends a command and puts it into its list.
    fn finish(&mut self, draft: &mut Draft, block: usize, next: Connector) {
        let Draft { assignments, words, redirects, start, .. } = std::mem::take(draft);
        let ends = words.iter().map(|word| word.span.end);
        let ends = ends.chain(assignments.iter().map(|set| set.value.span.end));
        let end = ends.max().or_else(|| redirects.first().map(|redirect| redirect.target.span.end));
        let start = start.or_else(|| redirects.first().map(|redirect| redirect.target.span.start));
        if let (Some(start), Some(end)) = (start, end) {
            let span = start..end.max(start);
            self.shell.commands.push(Command { span, assignments, words, redirects, block, next });
        }
    }

    /// Takes an operator between commands.
    fn connector(&mut self) -> Connector {
        let operators = [
            (";;&", Connector::Sequence),
            (";;", Connector::Sequence),
            (";&", Connector::Sequence),
            ("&&", Connector::And),
            ("||", Connector::Or),
            ("|&", Connector::Pipe),
            ("|", Connector::Pipe),
            ("&", Connector::Background),
        ];
        let found = operators.iter().find(|(operator, _)| self.rest().starts_with(operator));
        let (length, connector) =
            found.map_or((1, Connector::Sequence), |(operator, connector)| (operator.len(), *connector));
        self.at += length;
        connector
    }

    /// Takes a redirection and its file, or a substitution that begins like one.
    fn redirect(&mut self, draft: &mut Draft, block: usize) {
        let start = self.at;
        let operators = ["<<<", "<<-", "<<", "<&", "<>", "<", "&>>", "&>", ">>", ">&", ">|", ">"];
        let operator = operators.iter().copied().find(|operator| self.rest().starts_with(operator));
        let operator = operator.unwrap_or(">");
        if operator.len() == 1 && self.rest()[1..].starts_with('(') {
            self.at += 2;
            self.substitution(block);
            draft.add(self.written(start, Word::default()));
            return;
        }
        self.at += operator.len();
        self.blanks();
        if self.peek().is_none_or(|char| "\n;&|<>()".contains(char)) {
            return;
        }
        let target = self.word(block);
        if operator == "<<" || operator == "<<-" {
            let (indented, expands) = (operator == "<<-", !target.quoted);
            self.documents.push(Document { delimiter: target.text.clone(), indented, expands });
        }
        draft.redirects.push(Redirect { operator: operator.to_owned(), target });
    }

    /// Skips here-documents, and keeps the variables that they name.
    fn skip_documents(&mut self) {
        for document in std::mem::take(&mut self.documents) {
            loop {
                let rest = self.rest();
                let line = rest.split_inclusive('\n').next().unwrap_or_default();
                let (start, length) = (self.at, line.len());
                let bare = line.trim_end_matches(['\n', '\r']);
                let bare = if document.indented { bare.trim_start_matches('\t') } else { bare };
                let ends = length == 0 || bare == document.delimiter;
                self.at += length;
                if ends {
                    break;
                }
                if document.expands {
                    let found = super::words::references(&self.text[start..start + length], start, true);
                    let found = found.into_iter().map(|found| self.mapped(found));
                    let found: Vec<Reference> = found.collect();
                    self.shell.in_documents.extend(found);
                }
            }
        }
    }

    /// Skips blanks, continued lines and a comment.
    fn blanks(&mut self) {
        loop {
            let rest = self.rest();
            let skipped = match rest.as_bytes() {
                [b' ' | b'\t' | b'\r', ..] => 1,
                [b'\\', b'\n', ..] => 2,
                [b'\\', b'\r', b'\n', ..] => 3,
                [b'#', ..] => rest.find('\n').unwrap_or(rest.len()),
                _ => return,
            };
            self.at += skipped;
        }
    }

    fn blanks_and_lines(&mut self) {
        self.blanks();
        while self.peek() == Some('\n') {
            self.at += 1;
            self.blanks();
        }
    }

    /// Skips parentheses and all between them, such as arithmetic.
    pub(super) fn skip_parentheses(&mut self) {
        let mut depth = 0_usize;
        while let Some(char) = self.peek() {
            self.bump();
            match char {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}

impl Draft {
    /// Adds a word: what the command sets, or one of its words.
    fn add(&mut self, word: Word) {
        self.start.get_or_insert(word.span.start);
        let first = self.words.first().map(|first| first.text.as_str());
        let declares = matches!(first, None | Some("export" | "local" | "readonly" | "declare" | "typeset"));
        if declares && let Some((name, value)) = word.text.split_once('=') {
            let name = name.trim_end_matches('+').to_owned();
            if is_name(&name) {
                let span = word.span.start..word.span.start + name.len();
                let value = Word { text: value.to_owned(), ..word };
                self.assignments.push(Assignment { name, span, value });
                return;
            }
        }
        self.in_test = (self.in_test || (first.is_none() && word.text == "[[")) && word.text != "]]";
        self.words.push(word);
    }
}

/// Whether it may be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    let begins = |char: char| char.is_ascii_alphabetic() || char == '_';
    text.starts_with(begins) && text.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}
