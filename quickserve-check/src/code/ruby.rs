//! Ruby: `ENV`, in code and in templates of settings.

use super::blank::{HASH, Syntax};
use super::context::{self, need};
use super::pattern::Pattern;
use super::usage::{Hit, Need};
use super::{indirect, language};

pub(super) static RULES: language::Rules = language::Rules {
    trigger: Pattern::new(r"\bENV\b|require_keys|_env\("),
    syntax: Syntax { block: Some(("\n=begin", "\n=end")), slashes: false, ..HASH },
    direct,
    indirect: Some(indirect::Rules {
        dynamic: Pattern::new(r"\bENV(?:\[|\.(?:fetch|key\?|has_key\?|include\?)[( ])\s*([a-z_]\w*)"),
        definition: Pattern::new(r"\bdef\s+(?:self\.)?([a-z_]\w*)\(\s*([a-z_]\w*)"),
        env: false,
    }),
};

/// A reading; its groups are the name in each way to write it, the method, and what follows.
static READ: Pattern = Pattern::new(concat!(
    r#"\bENV(?:\[\s*["']([A-Za-z_]\w*)["']\s*\]|"#,
    r#"\.(fetch|key\?|has_key\?|include\?|dig|delete)[( ]\s*["']([A-Za-z_]\w*)["']\s*(,|\)\s*(?:\{|do\b))?\)?)"#,
));

static WRITES: Pattern = Pattern::new(r"^\s*=(?:[^=~>]|$)");

fn direct(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for captures in READ.all(text) {
        let (Some(all), Some(name)) = (captures.get(0), captures.get(1).or_else(|| captures.get(3))) else {
            continue;
        };
        if WRITES.is_match(context::after(text, all.end(), 8)) {
            continue;
        }
        if is_asked_behind(text, all.end(), name.as_str()) {
            hits.push(Hit::new(name, Need::Defaulted));
            continue;
        }
        let need = match captures.get(2).map(|method| method.as_str()) {
            None => need(text, &all.range()),
            // `ENV.fetch("X")` ends with a KeyError that names it, where nobody rescues that.
            Some("fetch") if captures.get(4).is_none() => match need(text, &all.range()) {
                Need::Required if !context::lines(text, all.end(), 6).contains("rescue") => Need::Validated,
                need => need,
            },
            Some("dig") if captures.get(4).is_none() => need(text, &all.range()),
            Some(method) if method.ends_with('?') && need(text, &all.range()) == Need::Validated => {
                Need::Validated
            }
            Some(_) => Need::Defaulted,
        };
        hits.push(Hit::new(name, need));
    }
    hits
}

/// Whether the line is for when the variable is there: `pidfile ENV["PIDFILE"] if ENV["PIDFILE"]`.
fn is_asked_behind(text: &str, end: usize, name: &str) -> bool {
    let rest = context::lines(text, end, 1);
    let condition = [" if ", " unless "].iter().find_map(|word| rest.find(word).map(|at| &rest[at..]));
    condition.is_some_and(|condition| condition.contains("ENV") && context::has_word(condition, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Language;

    fn read(text: &str) -> Vec<String> {
        language::read(Language::Ruby, text)
    }

    #[test]
    fn readings_and_their_defaults() {
        assert_eq!(read("a = ENV['A1']\nb = ENV[\"B1\"] || 'x'"), ["A1 Required", "B1 Defaulted"]);
        assert_eq!(
            read("a = ENV.fetch('A1')\nb = ENV.fetch('B1', 3)\nc = ENV.fetch('C1') { 5 }"),
            ["A1 Validated", "B1 Defaulted", "C1 Defaulted"]
        );
        assert_eq!(read("raise 'x' unless ENV['A1']"), ["A1 Validated"]);
        assert_eq!(read("ENV['A1'] or abort 'x'"), ["A1 Validated"]);
        assert_eq!(
            read("x if ENV['A1'].present?\nENV['B1'] = 'c' # ENV['C1']\nENV['D1'] ||= 'e'"),
            ["A1 Defaulted", "D1 Defaulted"]
        );
        assert_eq!(read("  url: <%= ENV['DATABASE_URL'] %>"), ["DATABASE_URL Required"]);
        for line in ["pidfile ENV['A1'] if ENV['A1']", "pidfile ENV['A1'] unless ENV['A1'].nil?"] {
            assert_eq!(read(line), ["A1 Defaulted", "A1 Defaulted"], "{line}");
        }
        assert_eq!(read("pidfile ENV['A1'] if ENV['B1']"), ["A1 Required", "B1 Defaulted"]);
    }

    #[test]
    fn loops() {
        assert_eq!(
            read("%w[A1 B1].each do |name|\n  raise name unless ENV.key?(name)\nend"),
            ["A1 Validated", "B1 Validated"]
        );
        assert_eq!(read("Dotenv.require_keys('A1', 'B1')"), ["A1 Validated", "B1 Validated"]);
    }
}
