//! Python: `os.environ`, decouple, environs and django-environ, pydantic's settings.

use super::blank::{HASH, Quote, Syntax};
use super::context::{self, need};
use super::pattern::Pattern;
use super::usage::{Hit, Need};
use super::{indirect, language};

pub(super) static RULES: language::Rules = language::Rules {
    trigger: Pattern::new(r"environ|getenv|decouple|starlette\.config|BaseSettings|_env\("),
    syntax: Syntax {
        spaced: false,
        quotes: &[Quote::doc("\"\"\""), Quote::doc("'''"), Quote::line("\""), Quote::line("'")],
        ..HASH
    },
    direct,
    indirect: Some(indirect::Rules {
        dynamic: Pattern::new(
            r"(?:\benviron\[\s*|\benviron\.get\(\s*|\bgetenv\(\s*)([A-Za-z_][A-Za-z0-9_]*)|\bin\s+(?:os\.)?environ\b",
        ),
        definition: Pattern::new(r"\bdef\s+([A-Za-z_][A-Za-z0-9_]*)\(\s*([A-Za-z_][A-Za-z0-9_]*)"),
        env: false,
    }),
};

/// A reading; its groups are the name in each way to write it.
static READ: Pattern = Pattern::new(concat!(
    r#"\benviron(?:\[\s*[rb]?["']([A-Za-z_][A-Za-z0-9_]*)["']\s*\]|"#,
    r#"\.(?:get|pop|setdefault)\(\s*["']([A-Za-z_][A-Za-z0-9_]*)["']\s*([,)]))|"#,
    r#"\bgetenv\(\s*["']([A-Za-z_][A-Za-z0-9_]*)["']\s*([,)])"#,
));

/// `"X" in os.environ`; its group is the name.
static IN: Pattern = Pattern::new(r#"["']([A-Za-z_][A-Za-z0-9_]*)["']\s+(?:not\s+)?in\s+(?:os\.)?environ\b"#);

static WRITES: Pattern = Pattern::new(r"^\s*=(?:[^=]|$)");

/// A call of a library that reads variables; its groups are the function, the name and what follows.
static CALL: Pattern = Pattern::new(
    r#"\b(config|env(?:\.[a-z_]+)?|Env(?:\.[a-z_]+)?)\(\s*["']([A-Z][A-Z0-9_]*)["']\s*((?:,[^()\n]*(?:\([^()]*\)[^()\n]*)*)?\)?)"#,
);

/// django-environ's list of variables with their type and default; its group is the name.
static DECLARED: Pattern = Pattern::new(r"\b([A-Z][A-Z0-9_]*)\s*=\s*\(\s*[A-Za-z_.]+\s*,");

/// The head of a class of settings.
static SETTINGS: Pattern = Pattern::new(r"(?m)^class\s+\w+\([^)\n]*\bBaseSettings\b[^)\n]*\)\s*:[^\n]*\n");

/// A field of it; its groups are its name and the default.
static FIELD: Pattern = Pattern::new(r"(?m)^(?:    |\t)([a-zA-Z][A-Za-z0-9_]*)\s*:\s*([^=\n]+)(=[^\n]*)?$");

/// As an argument, an attribute, or an item of a dictionary.
static PREFIX: Pattern = Pattern::new(r#"\benv_prefix["']?\s*[=:]\s*["']([A-Za-z0-9_]*)["']"#);

/// Another name for a field.
static ALIASED: Pattern =
    Pattern::new(r#"(?:validation_alias|alias|env)\s*=\s*["']([A-Za-z_][A-Za-z0-9_]*)["']"#);

fn direct(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for captures in READ.all(text) {
        let name = [1, 2, 4].into_iter().find_map(|group| captures.get(group));
        let (Some(all), Some(name)) = (captures.get(0), name) else { continue };
        let delimiter = captures.get(3).or_else(|| captures.get(5)).map(|delimiter| delimiter.as_str());
        let is_set = captures.get(1).is_some() && WRITES.is_match(context::after(text, all.end(), 8));
        if is_set || context::before(text, all.start()).trim_start().starts_with("del ") {
            continue;
        }
        let start = all.start() - if text[..all.start()].ends_with("os.") { 3 } else { 0 };
        let mut need = if delimiter == Some(",") { Need::Defaulted } else { need(text, &(start..all.end())) };
        // `os.environ["X"]` ends with a KeyError that names it, where nobody catches that.
        let raises = captures.get(1).is_some() && !context::lines(text, all.end(), 6).contains("except");
        if raises && need == Need::Required {
            need = Need::Validated;
        }
        hits.push(Hit::new(name, need));
    }
    for captures in IN.all(text) {
        if let (Some(all), Some(name)) = (captures.get(0), captures.get(1)) {
            let fails =
                all.as_str().contains(" not ") && context::FAILS.is_match(context::lines(text, all.end(), 4));
            hits.push(Hit::new(name, if fails { Need::Validated } else { Need::Defaulted }));
        }
    }
    libraries(text, &mut hits);
    settings(text, &mut hits);
    hits
}

/// decouple, starlette, environs, django-environ: each ends the program where there is neither value nor default.
fn libraries(text: &str, hits: &mut Vec<Hit>) {
    let has_config = text.contains("decouple") || text.contains("starlette.config");
    let has_env = text.contains("environ.Env") || text.contains("environs") || text.contains("FileAwareEnv");
    if !has_config && !has_env {
        return;
    }
    let declared: Vec<_> = DECLARED.all(text).filter_map(|captures| captures.get(1)).collect();
    for captures in CALL.all(text) {
        let (function, Some(name), rest) = (&captures[1], captures.get(2), &captures[3]) else { continue };
        if (function == "config" && !has_config) || (function != "config" && !has_env) {
            continue;
        }
        let second = rest.trim_start_matches(',').trim_start();
        let is_keyword = |keyword: &str| second.starts_with(keyword);
        let has_default = rest.contains("default")
            || (rest.starts_with(',')
                && !["cast", "subcast", "validate", ")"].iter().any(|keyword| is_keyword(keyword)))
            || declared.iter().any(|declared| declared.as_str() == name.as_str());
        hits.push(Hit::new(name, if has_default { Need::Defaulted } else { Need::Validated }));
    }
}

/// pydantic's settings: each field is a variable.
fn settings(text: &str, hits: &mut Vec<Hit>) {
    let mut at = 0;
    while let Some(head) = SETTINGS.captures(&text[at..]).and_then(|captures| captures.get(0)) {
        let start = at + head.end();
        let length: usize = text[start..]
            .split_inclusive('\n')
            .take_while(|line| line.trim().is_empty() || line.starts_with([' ', '\t', ')']))
            .map(str::len)
            .sum();
        let body = &text[start..start + length];
        let prefix = PREFIX.captures(body).or_else(|| PREFIX.captures(head.as_str()));
        let prefix = prefix.map_or(String::new(), |captures| captures[1].to_owned());
        for captures in FIELD.all(body) {
            let (Some(field), Some(kind)) = (captures.get(1), captures.get(2)) else { continue };
            let (kind, default) = divided(whole(&body[kind.start()..]));
            if field.as_str() == "model_config" || kind.contains("ClassVar") {
                continue;
            }
            let alias = ALIASED.captures(default).or_else(|| ALIASED.captures(kind));
            let alias = alias.map(|captures| captures[1].to_owned());
            let name = alias.unwrap_or_else(|| format!("{prefix}{}", field.as_str()).to_ascii_uppercase());
            let need = if is_required(default) { Need::Validated } else { Need::Defaulted };
            hits.push(Hit { name, span: start + field.start()..start + field.end(), need });
        }
        at = start;
    }
}

/// A value up to the end of its line, or of its brackets.
fn whole(text: &str) -> &str {
    let mut depth = 0_usize;
    let end = text.find(|char: char| {
        match char {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        char == '\n' && depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}

/// A type, and the default behind its equals sign; arguments of a type have such signs as well.
fn divided(field: &str) -> (&str, &str) {
    let mut depth = 0_usize;
    let at = field.find(|char: char| {
        match char {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        char == '=' && depth == 0
    });
    field.split_at(at.unwrap_or(field.len()))
}

/// Whether a field needs a value: it has no default, or `...` in its place, or a `Field` without one.
fn is_required(default: &str) -> bool {
    let value = default.trim_start_matches('=').trim();
    let value = value.strip_prefix("pydantic.").unwrap_or(value);
    let Some(arguments) = value.strip_prefix("Field(") else { return value.is_empty() || value == "..." };
    let arguments = arguments.trim().trim_end_matches(')');
    let keyword = |argument: &str| {
        let (name, value) = argument.split_once('=')?;
        let name = name.trim();
        let is_name =
            !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        (is_name && !value.starts_with('=')).then(|| (name.to_owned(), value.trim().to_owned()))
    };
    let arguments = split(arguments);
    let first = arguments.first().map_or("", |first| first.trim());
    let is_given = arguments
        .iter()
        .filter_map(|argument| keyword(argument))
        .any(|(name, value)| name == "default_factory" || (name == "default" && value != "..."));
    let by_place = !first.is_empty() && first != "..." && keyword(first).is_none();
    !is_given && !by_place
}

/// The arguments of a call, at the commas that are in no bracket and in no text.
fn split(arguments: &str) -> Vec<&str> {
    let (mut depth, mut quote) = (0_usize, None);
    arguments
        .split(|char: char| {
            match (char, quote) {
                ('"' | '\'', None) => quote = Some(char),
                (char, Some(open)) if char == open => quote = None,
                ('(' | '[' | '{', None) => depth += 1,
                (')' | ']' | '}', None) => depth = depth.saturating_sub(1),
                _ => {}
            }
            char == ',' && depth == 0 && quote.is_none()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Language;

    fn read(text: &str) -> Vec<String> {
        language::read(Language::Python, text)
    }

    #[test]
    fn readings_and_their_defaults() {
        assert_eq!(read("url = os.environ[\"DATABASE_URL\"]"), ["DATABASE_URL Validated"]);
        let caught = "try:\n    url = os.environ['A1']\nexcept KeyError:\n    url = None\n";
        assert_eq!(read(caught), ["A1 Required"]);
        assert_eq!(
            read("url = os.environ.get('A1', 'x')\nb = os.getenv('B1')"),
            ["A1 Defaulted", "B1 Required"]
        );
        assert_eq!(read("debug = os.environ.get('DEBUG') == '1'"), ["DEBUG Defaulted"]);
        assert_eq!(read("port = int(os.getenv('PORT', 8000))"), ["PORT Defaulted"]);
        assert_eq!(read("x = getenv('A1') or 'b'"), ["A1 Defaulted"]);
        assert_eq!(read("if 'A1' not in os.environ:\n    raise SystemExit('A1')"), ["A1 Validated"]);
        assert_eq!(
            read("key = os.environ.get('KEY')\nif not key:\n    raise ValueError('x')"),
            ["KEY Validated"]
        );
    }

    #[test]
    fn writings_comments_and_documentation_are_no_readings() {
        let text = "\"\"\"Reads os.environ['A1'].\"\"\"\n# os.environ['B1']\nos.environ['C1'] = 'x'\ndel os.environ['D1']\n";
        assert_eq!(read(text), [""; 0]);
    }

    #[test]
    fn loops_and_functions() {
        let text = "REQUIRED = [\n    'A1',\n    'B1',\n]\nmissing = [v for v in REQUIRED if v not in os.environ]\nif missing:\n    sys.exit(1)\n";
        assert_eq!(read(text), ["A1 Validated", "B1 Validated"]);
        let text = "def get_env(name):\n    try:\n        return os.environ[name]\n    except KeyError:\n        raise Improper(name)\n\nx = get_env('A1')";
        assert_eq!(read(text), ["A1 Validated"]);
    }

    #[test]
    fn libraries_end_the_program() {
        let text = "from decouple import config\nA = config('A1')\nB = config('B1', default=False, cast=bool)\nC = config('C1', cast=int)";
        assert_eq!(read(text), ["A1 Validated", "B1 Defaulted", "C1 Validated"]);
        let text = "import environ\nenv = environ.Env(DEBUG=(bool, False))\nD = env('DEBUG')\nU = env.db('DATABASE_URL')\nS = env.str('S1', 'x')";
        assert_eq!(read(text), ["DEBUG Defaulted", "DATABASE_URL Validated", "S1 Defaulted"]);
        assert!(read("config('A1')\nos.environ").is_empty());
    }

    #[test]
    fn fields_of_settings() {
        let text = "class Settings(BaseSettings):\n    model_config = SettingsConfigDict(env_prefix='APP_')\n    database_url: str\n    port: int = 8000\n    key: str = Field(..., alias='API_KEY')\n\n    def x(self):\n        pass\n\nclass Other:\n    name: str\n";
        assert_eq!(read(text), ["APP_DATABASE_URL Validated", "APP_PORT Defaulted", "API_KEY Validated"]);
    }

    #[test]
    fn fields_without_a_default_are_required() {
        let text = "class Settings(BaseSettings):\n    model_config = {\"env_prefix\": \"app_\"}\n    a: str = Field()\n    b: str = Field(description=\"the default, of a kind\")\n    c: str = Field(\n        ...,\n        min_length=1,\n    )\n    d: int = Field(8000, gt=0)\n    e: str = Field(default=\"x\")\n    f: list = Field(default_factory=list)\n    g: str = Field(default=...)\n    h: Annotated[str, Field(alias=\"H1\")]\n    i: str = ...\n    j: int = Field(gt=0)\n";
        let expected = [
            "APP_A Validated",
            "APP_B Validated",
            "APP_C Validated",
            "APP_D Defaulted",
            "APP_E Defaulted",
            "APP_F Defaulted",
            "APP_G Validated",
            "H1 Validated",
            "APP_I Validated",
            "APP_J Validated",
        ];
        assert_eq!(read(text), expected);
        let head = "class Settings(BaseSettings, env_prefix=\"SHOP_\"):\n    key: str\n";
        assert_eq!(read(head), ["SHOP_KEY Validated"]);
        let old =
            "class Settings(BaseSettings):\n    key: str\n\n    class Config:\n        env_prefix = 'OLD_'\n";
        assert_eq!(read(old), ["OLD_KEY Validated"]);
    }
}
