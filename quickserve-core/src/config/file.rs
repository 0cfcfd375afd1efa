//! The file as a whole: services, environments and what they inherit.

use std::collections::BTreeMap;

use semver::{Version, VersionReq};

use crate::config::claims::{Claim, check_claims};
use crate::config::mistakes::{Mistakes, Scope};
use crate::config::settings::{self, Settings};
use crate::document::{
    Codes, Decoder, Entry, Fields, Node, Source, Span, Table, is_misspelt, parse_toml, values,
};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Code, Finding, Problems};
use crate::service::ServiceKey;

const CODES: Codes = Codes {
    unknown: Code::CONFIG_UNKNOWN_KEY,
    kind: Code::CONFIG_TYPE,
    value: Code::CONFIG_VALUE,
    incomplete: Code::CONFIG_INCOMPLETE,
    elsewhere: &[
        ("service", AT_THE_TOP),
        ("required_version", AT_THE_TOP),
        ("strategy", IN_DEPLOY),
        ("tasks", IN_DEPLOY),
        ("desired_count", "write tasks = 2 in [deploy]"),
        ("replicas", "write tasks = 2 in [deploy]"),
        ("bake_time", IN_DEPLOY),
        ("timeout", IN_DEPLOY),
        ("drain_timeout", IN_DEPLOY),
        ("lease", IN_DEPLOY),
        ("hold", IN_DEPLOY),
        ("on_failure", IN_DEPLOY),
        ("keep_releases", IN_DEPLOY),
        ("keep_for", IN_DEPLOY),
        ("migrate", IN_DEPLOY),
        ("judge", IN_DEPLOY),
        ("canary_percent", IN_DEPLOY),
        ("connections", IN_ROUTER),
        ("head_size", IN_ROUTER),
        ("idle_timeout", IN_ROUTER),
        ("upload_pause", IN_ROUTER),
        ("download_pause", IN_ROUTER),
        ("answer_timeout", IN_ROUTER),
        ("metrics_port", IN_ROUTER),
        ("access_log", IN_ROUTER),
        ("retry_budget", IN_ROUTER),
        ("eject_after", IN_ROUTER),
        ("check_interval", IN_ROUTER),
        ("sticky", IN_ROUTER),
        ("dockerfile", "it belongs in [build]"),
        ("lint", "it belongs in [stages]"),
        ("test", "it belongs in [stages]"),
        ("scan", "it belongs in [stages]"),
        ("sign", "it belongs in [stages]"),
        ("environment", "variables go into [variables], places to deploy to into [environments.NAME]"),
        ("env", "variables go into [variables], places to deploy to into [environments.NAME]"),
        ("hosts", IN_ROUTE),
        ("ports", "write port = 3000 for the container and public_port = 8080 in [environments.local]"),
    ],
};
const AT_THE_TOP: &str = "it belongs at the top of the file, before the first [table]";
const IN_DEPLOY: &str = "it belongs in [deploy]";
const IN_ROUTER: &str = "it belongs in [router]";
const IN_ROUTE: &str = "it belongs in [route]";

/// Keys that are only at the top of the file.
const TOP: [&str; 4] = ["service", "required_version", "services", "environments"];

/// A quickserve.toml: the settings of every service in every environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    file: String,
    text: String,
    settings: BTreeMap<String, BTreeMap<String, Settings>>,
    /// What the file says for each, layers merged.
    tables: BTreeMap<ServiceKey, Table>,
    mistakes: Mistakes,
}

impl Config {
    /// Reads the text of a quickserve.toml; `file` is what problems call it.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place: syntax, unknown keys, wrong types, values out of
    /// range, what is missing, and a `required_version` that this crate's version does not meet.
    pub fn parse(text: &str, file: &str) -> Result<Self, Problems> {
        Self::parse_as(text, file, env!("CARGO_PKG_VERSION"))
    }

    /// Reads the text for what runs already: a mistake about one service or environment keeps from none of the
    /// others, and is told by [`mistakes`](Self::mistakes) and [`mistakes_of`](Self::mistakes_of).
    ///
    /// # Errors
    /// Everything that is wrong for all of them.
    pub fn parse_leniently(text: &str, file: &str) -> Result<Self, Problems> {
        let config = Self::read(text, file, env!("CARGO_PKG_VERSION"));
        match Problems::new(config.mistakes.of_all()) {
            None => Ok(config),
            Some(problems) => Err(problems),
        }
    }

    /// Reads the text as a QuickServe of that version.
    fn parse_as(text: &str, file: &str, version: &str) -> Result<Self, Problems> {
        let config = Self::read(text, file, version);
        match Problems::new(config.mistakes()) {
            None => Ok(config),
            Some(problems) => Err(problems),
        }
    }

    fn read(text: &str, file: &str, version: &str) -> Self {
        let source = Source { file, text };
        let mut decoder = Decoder::new(source, CODES);
        let mut config = Self {
            file: file.to_owned(),
            text: text.to_owned(),
            settings: BTreeMap::new(),
            tables: BTreeMap::new(),
            mistakes: Mistakes::default(),
        };
        match parse_toml(source, Code::CONFIG_SYNTAX) {
            Ok(tree) => read(&mut decoder, &tree, version, &mut config),
            Err(findings) => decoder.extend(findings),
        }
        config.mistakes.add(&Scope::All, decoder.take());
        config
    }

    /// All that is wrong with the file, in its order; nothing where it was read by [`parse`](Self::parse).
    pub fn mistakes(&self) -> Vec<Finding> {
        self.mistakes.all()
    }

    /// What is wrong with what the file says for a service in an environment. That it cannot stand beside another one
    /// is not among it.
    pub fn mistakes_of(&self, key: &ServiceKey) -> Option<Problems> {
        Problems::new(self.mistakes.of(key))
    }

    /// A finding at the place where the file says this of a service, such as `["deploy", "tasks"]`; without a place
    /// where the file does not say it.
    #[must_use]
    pub fn place(&self, finding: Finding, key: &ServiceKey, path: &[&str]) -> Finding {
        let entry = path.split_last().and_then(|(last, tables)| {
            let mut table = self.tables.get(key)?;
            for name in tables {
                table = table.entry(name)?.node.as_table()?;
            }
            table.entry(last)
        });
        let Some(entry) = entry else { return finding };
        let source = Source { file: &self.file, text: &self.text };
        finding.at(source.place(entry.node.span.start)).with_excerpt(source.excerpt(&entry.node.span))
    }

    /// The services, sorted by name.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.settings.keys().map(String::as_str)
    }

    /// The environments of a service, sorted by name.
    pub fn environments(&self, service: &str) -> impl Iterator<Item = &str> {
        self.settings.get(service).into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }

    /// The settings of every service in every environment.
    pub fn all(&self) -> impl Iterator<Item = &Settings> {
        self.settings.values().flat_map(BTreeMap::values)
    }

    /// The settings of a service in an environment.
    ///
    /// Without a name it is the only service; without an environment it is `local` if there is one, else the
    /// only one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a name that the file does not have, [`ErrorKind::Invalid`] when none is
    /// given and there are several; the hint lists them.
    pub fn settings(&self, service: Option<&str>, environment: Option<&str>) -> Result<&Settings> {
        let environments = choose(&self.settings, "service", service, None)?;
        choose(environments, "environment", environment, Some("local"))
    }
}

fn choose<'m, T>(
    all: &'m BTreeMap<String, T>,
    what: &str,
    wanted: Option<&str>,
    default: Option<&str>,
) -> Result<&'m T> {
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    if let Some(wanted) = wanted {
        return all.get(wanted).ok_or_else(|| {
            let message = format!("quickserve.toml has no {what} `{wanted}`");
            Error::new(ErrorKind::NotFound, message).with_hint(settings::among(wanted, &names))
        });
    }
    if let Some(found) = default.and_then(|default| all.get(default)) {
        return Ok(found);
    }
    let mut values = all.values();
    if let (Some(only), None) = (values.next(), values.next()) {
        return Ok(only);
    }
    let message = format!("quickserve.toml has several {what}s and none is named");
    Err(Error::new(ErrorKind::Invalid, message).with_hint(format!("name one of {}", names.join(", "))))
}

fn read(decoder: &mut Decoder<'_>, tree: &Node, version: &str, config: &mut Config) {
    let Some(root) = tree.as_table() else { return };
    if root.entries.is_empty() {
        decoder.incomplete(&(0..0), "the file is empty", "begin with service = \"name\"");
        return;
    }
    // Of a file for another version, nothing else can be judged.
    if !meets_version(decoder, root, version) {
        return;
    }
    let services = services(decoder, root);
    let top_environments = tables(decoder, root, "environments");
    check_layers(decoder, root, &services, &top_environments, &mut config.mistakes);
    let base = root.without(&TOP);
    let mut claims = Vec::new();
    for service in &services {
        let own = service.table.map_or_else(Table::default, |table| table.without(&["environments"]));
        let own_environments =
            service.table.map_or_else(Vec::new, |table| quiet_tables(table, "environments"));
        let mut environments: Vec<&Layer<'_>> = own_environments.iter().collect();
        for layer in &top_environments {
            if !own_environments.iter().any(|own| own.name == layer.name) {
                environments.push(layer);
            }
        }
        if environments.is_empty()
            && !misspells(root, "environments")
            && root.entry("environments").is_none_or(|entry| entry.node.as_table().is_some())
        {
            let hint = "add [environments.local] and under it public_port = 8080";
            decoder.incomplete(&service.span, "there is no environment to deploy to", hint);
        }
        config.mistakes.add(&service.scope(), decoder.take());
        for environment in environments {
            let scope = Scope::of(service.table.map(|_| service.name), Some(environment.name));
            let Some(key) = key(decoder, service, environment) else {
                config.mistakes.add(&scope, decoder.take());
                continue;
            };
            let layers = [&own]
                .into_iter()
                .chain(
                    top_environments
                        .iter()
                        .filter(|layer| layer.name == environment.name)
                        .map(|layer| layer.table),
                )
                .chain(
                    own_environments
                        .iter()
                        .filter(|layer| layer.name == environment.name)
                        .map(|layer| layer.table),
                );
            let merged = layers.fold(base.clone(), |below, over| below.overlaid(over));
            let mut fields = Fields::new(decoder, &merged, environment.span.clone());
            let settings = settings::read(&mut fields, key.clone());
            // Unknown keys are known from the layers.
            fields.settle();
            config.mistakes.add(&scope, decoder.take());
            claims.extend(Claim::of(&settings, &merged));
            let name = service.name.to_owned();
            config.settings.entry(name).or_default().insert(environment.name.to_owned(), settings);
            config.tables.insert(key, merged);
        }
    }
    check_claims(decoder, &claims);
    config.mistakes.add(&Scope::Between, decoder.take());
}

/// A named table: a service or an environment.
struct Layer<'t> {
    name: &'t str,
    span: Span,
    table: &'t Table,
}

/// A service and, in the form with several, its table.
struct Service<'t> {
    name: &'t str,
    span: Span,
    table: Option<&'t Table>,
}

impl Service<'_> {
    /// Whom a mistake in its table is about.
    fn scope(&self) -> Scope {
        Scope::of(self.table.map(|_| self.name), None)
    }
}

fn services<'t>(decoder: &mut Decoder<'_>, root: &'t Table) -> Vec<Service<'t>> {
    let named = root.entry("service");
    let several = tables(decoder, root, "services");
    if let Some(entry) = named
        && root.entry("services").is_some()
    {
        let hint = "keep `service` for one service, or [services.NAME] for several";
        decoder.incomplete(&entry.key_span, "`service` and `services` exclude each other", hint);
    }
    if let Some(Entry { node, .. }) = named {
        let name = values::raw_text(decoder, node);
        // What is below is read all the same, under another name.
        return vec![Service { name: name.unwrap_or("service"), span: node.span.clone(), table: None }];
    }
    if several.is_empty() {
        let service = Service { name: "service", span: 0..0, table: None };
        if misspells(root, "service") {
            return vec![service];
        }
        let hint = "begin with service = \"name\", or with a table [services.NAME] for each of several";
        decoder.incomplete(&(0..0), "`service` is missing", hint);
        return vec![service];
    }
    let several = several.into_iter();
    several.map(|Layer { name, span, table }| Service { name, span, table: Some(table) }).collect()
}

/// Whether the table has an unknown key that must be this one: its own problem says so.
fn misspells(table: &Table, key: &str) -> bool {
    let unknown = table.entries.iter().filter(|entry| !TOP.contains(&entry.key.as_str()));
    unknown.map(|entry| &entry.key).any(|unknown| is_misspelt(unknown, key))
}

/// The tables in a table of tables, such as all of `[environments.NAME]`.
fn tables<'t>(decoder: &mut Decoder<'_>, table: &'t Table, key: &str) -> Vec<Layer<'t>> {
    let Some(entry) = table.entry(key) else { return Vec::new() };
    let Some(named) = entry.node.as_table() else {
        let hint = format!("write [{key}.NAME] and its keys below");
        decoder.wrong_type_hint(&entry.node, "a table of tables", hint);
        return Vec::new();
    };
    for entry in named.entries.iter().filter(|entry| entry.node.as_table().is_none()) {
        let hint = format!("write [{key}.NAME] and its keys below");
        decoder.wrong_type_hint(&entry.node, "a table", hint);
    }
    quiet_tables(table, key)
}

fn quiet_tables<'t>(table: &'t Table, key: &str) -> Vec<Layer<'t>> {
    let named = table.entry(key).and_then(|entry| entry.node.as_table());
    let entries = named.into_iter().flat_map(|named| &named.entries);
    let layer = |entry: &'t Entry| {
        let table = entry.node.as_table()?;
        Some(Layer { name: &entry.key, span: entry.key_span.clone(), table })
    };
    entries.filter_map(layer).collect()
}

/// Checks each layer by itself, so that a mistake is found although it is overridden everywhere.
fn check_layers(
    decoder: &mut Decoder<'_>,
    root: &Table,
    services: &[Service<'_>],
    environments: &[Layer<'_>],
    mistakes: &mut Mistakes,
) {
    check_layer(decoder, root, &TOP);
    mistakes.add(&Scope::All, decoder.take());
    for environment in environments {
        check_layer(decoder, environment.table, &[]);
        mistakes.add(&Scope::of(None, Some(environment.name)), decoder.take());
    }
    for (service, table) in services.iter().filter_map(|service| Some((service, service.table?))) {
        check_layer(decoder, table, &["environments"]);
        let environments = tables(decoder, table, "environments");
        mistakes.add(&service.scope(), decoder.take());
        for environment in environments {
            check_layer(decoder, environment.table, &[]);
            mistakes.add(&Scope::of(Some(service.name), Some(environment.name)), decoder.take());
        }
    }
}

fn check_layer(decoder: &mut Decoder<'_>, table: &Table, more: &[&'static str]) {
    let Ok(key) = ServiceKey::new("service", "local") else { return };
    decoder.partial = true;
    let mut fields = Fields::new(decoder, table, 0..0);
    settings::read(&mut fields, key);
    settings::check_layer(&mut fields);
    fields.known(more);
    fields.finish();
    decoder.partial = false;
}

fn key(decoder: &mut Decoder<'_>, service: &Service<'_>, environment: &Layer<'_>) -> Option<ServiceKey> {
    let alone = [
        (&service.span, ServiceKey::new(service.name, "local")),
        (&environment.span, ServiceKey::new("service", environment.name)),
    ];
    for (span, key) in alone {
        if let Err(error) = key {
            decoder.bad_value(span, &error, error.hint().unwrap_or_default());
        }
    }
    ServiceKey::new(service.name, environment.name).ok()
}

fn meets_version(decoder: &mut Decoder<'_>, root: &Table, version: &str) -> bool {
    let Some(Entry { node, .. }) = root.entry("required_version") else { return true };
    let Some(text) = values::raw_text(decoder, node) else { return true };
    let Ok(required) = VersionReq::parse(text) else {
        let message = format!("{text:?} is not a requirement on a version");
        decoder.bad_value(&node.span, message, "write it as Cargo does, such as \"^1\" or \">=1.4, <3\"");
        return true;
    };
    let met = Version::parse(version).is_ok_and(|version| required.matches(&version));
    if !met {
        let message = format!("QuickServe {required} is required, this is {version}");
        decoder.report(Code::REQUIRED_VERSION, &node.span, message).hint =
            Some("install that version, or change `required_version`".to_owned());
    }
    met
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
