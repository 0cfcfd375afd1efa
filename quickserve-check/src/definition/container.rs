//! A container of a task definition, as it is written.

use quickserve_core::document::{Entry, Node, Span, Value};

use super::program::simple_command;

/// One entry of `containerDefinitions`. It may be wrong in any way: what is not there, or of another type, is absent.
#[derive(Debug, Clone, Copy)]
pub struct Container<'d> {
    node: &'d Node,
}

/// An entry of `portMappings` that names a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The port inside the container, and its place.
    pub container: (u16, Span),
    /// The port of the host, where one is written, and its place.
    pub host: Option<(u16, Span)>,
    /// Whether it is UDP.
    pub udp: bool,
}

/// What a health check asks, where it is plainly one URL of the task itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthUrl {
    /// The port.
    pub port: u16,
    /// The path, at least `/`.
    pub path: String,
    /// The command's place.
    pub span: Span,
}

impl<'d> Container<'d> {
    pub(super) fn new(node: &'d Node) -> Self {
        Self { node }
    }

    /// Its name, or what to call it without one.
    pub fn name(&self) -> &'d str {
        self.get("name").and_then(Node::as_str).unwrap_or("the container")
    }

    /// The place for what is missing in it: its name, or its opening brace.
    pub fn span(&self) -> Span {
        let start = self.node.span.start;
        self.get("name").map_or(start..start + 1, |name| name.span.clone())
    }

    /// Whether the task ends when it does.
    pub fn essential(&self) -> bool {
        self.get("essential").is_none_or(|node| node.value != Value::Boolean(false))
    }

    /// The reference of its image, as it is written.
    pub fn image(&self) -> Option<&'d Node> {
        self.get("image")
    }

    /// The TCP ports that it listens on, by `containerPort`.
    pub fn ports(&self) -> Vec<(u16, Span)> {
        let mappings = self.mappings().into_iter();
        mappings.filter(|mapping| !mapping.udp).map(|mapping| mapping.container).collect()
    }

    /// All its port mappings that name one port.
    pub fn mappings(&self) -> Vec<Mapping> {
        let port = |node: &'d Node, key: &str| {
            let node = node.get(key)?;
            Some((u16::try_from(integer(node)?).ok()?, node.span.clone()))
        };
        let mapping = |node: &'d Node| {
            let udp = node.get("protocol").and_then(Node::as_str) == Some("udp");
            Some(Mapping { container: port(node, "containerPort")?, host: port(node, "hostPort"), udp })
        };
        self.items("portMappings").iter().filter_map(mapping).collect()
    }

    /// Its plain variables: name, value, and the name's place.
    pub fn environment(&self) -> Vec<(&'d str, &'d Node, Span)> {
        self.pairs("environment", "value")
    }

    /// Its secret variables: name, what they come from, and the name's place.
    pub fn secrets(&self) -> Vec<(&'d str, &'d Node, Span)> {
        self.pairs("secrets", "valueFrom")
    }

    /// The words of its own `entryPoint` and `command`.
    pub(super) fn runs(self) -> Vec<&'d str> {
        let lists = ["entryPoint", "command"].into_iter().flat_map(|key| self.items(key));
        lists.filter_map(Node::as_str).collect()
    }

    /// The command of its health check, and the place of what it runs; none where there is no check, or it is disabled.
    pub fn health_command(&self) -> Option<(Vec<&'d str>, Span)> {
        let command = self.get("healthCheck")?.get("command")?;
        let words: Vec<&str> = command.items().iter().filter_map(Node::as_str).collect();
        let runs = words.len() > 1 && matches!(words.first(), Some(&("CMD" | "CMD-SHELL")));
        runs.then(|| (words, command.items().get(1).map_or(&command.span, |line| &line.span).clone()))
    }

    /// The one URL of the task itself that its health check asks for.
    pub fn health_url(&self) -> Option<HealthUrl> {
        let (command, span) = self.health_command()?;
        let words = command.iter().skip(1).flat_map(|part| part.split_whitespace());
        let mut urls = words.filter_map(|word| {
            let word = word.trim_matches(|char: char| matches!(char, '"' | '\'' | ';' | ')' | '('));
            local_url(word)
        });
        let (port, path) = urls.next()?;
        urls.next().is_none().then_some(HealthUrl { port, path, span })
    }

    /// The program that its health check runs first, if it is plainly one.
    pub fn health_program(&self) -> Option<(&'d str, Span)> {
        let (command, span) = self.health_command()?;
        let program = match command.as_slice() {
            ["CMD", program, ..] => super::program::basename(program),
            [_, line, ..] => simple_command(line)?,
            _ => return None,
        };
        Some((program, span))
    }

    pub(super) fn get(self, key: &str) -> Option<&'d Node> {
        self.node.get(key)
    }

    pub(super) fn entry(self, key: &str) -> Option<&'d Entry> {
        let entry = self.node.as_table()?.entry(key)?;
        (entry.node.value != Value::Null).then_some(entry)
    }

    pub(crate) fn items(self, key: &str) -> &'d [Node] {
        self.get(key).map(Node::items).unwrap_or_default()
    }

    /// A whole number, at the key itself or in a table under it.
    pub(super) fn integer(self, key: &str) -> Option<i64> {
        integer(self.get(key)?)
    }

    fn pairs(self, list: &str, value: &str) -> Vec<(&'d str, &'d Node, Span)> {
        let pair = |node: &'d Node| {
            let name = node.get("name")?;
            Some((name.as_str()?, node.get(value)?, name.span.clone()))
        };
        self.items(list).iter().filter_map(pair).collect()
    }
}

/// The whole number that a value is.
pub(super) fn integer(node: &Node) -> Option<i64> {
    match node.value {
        Value::Integer(number) => Some(number),
        _ => None,
    }
}

/// Port and path of a URL of the machine itself.
pub(crate) fn local_url(word: &str) -> Option<(u16, String)> {
    let (rest, default) = match word.strip_prefix("http://") {
        Some(rest) => (rest, 80),
        None => (word.strip_prefix("https://")?, 443),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let hosts = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"];
    let port = hosts.iter().find_map(|host| authority.strip_prefix(host))?;
    let port = if port.is_empty() { default } else { port.strip_prefix(':')?.parse().ok()? };
    Some((port, if path.is_empty() { "/".to_owned() } else { path.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_the_task_itself_count() {
        let url = |word: &str| local_url(word);
        assert_eq!(url("http://localhost:3000/health"), Some((3000, "/health".to_owned())));
        assert_eq!(url("https://127.0.0.1"), Some((443, "/".to_owned())));
        for other in
            ["http://example.com:80/", "localhost:3000", "http://localhost:${PORT}/", "http://localhostx/"]
        {
            assert_eq!(url(other), None, "{other}");
        }
    }
}
