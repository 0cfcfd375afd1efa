//! JavaScript and TypeScript, on Node, Deno, Bun and Vite.

use super::blank::{C_LIKE, Quote, Syntax};
use super::context::{self, need};
use super::pattern::Pattern;
use super::usage::{Hit, Need};
use super::{indirect, language};

pub(super) static RULES: language::Rules = language::Rules {
    trigger: Pattern::new(
        r"process\.env|import\.meta\.env|(?:Bun|Deno)\.env|[eE]nv\w*\(|[cC]onfig(?:Service)?\.get",
    ),
    syntax: Syntax {
        quotes: &[Quote::line("\""), Quote::line("'"), Quote::lines("`")],
        slashes: true,
        ..C_LIKE
    },
    direct,
    indirect: Some(indirect::Rules {
        dynamic: Pattern::new(concat!(
            r"(?:(?:process|import\.meta|Bun)\.env(?:\?\.)?\[\s*|process\.env\.hasOwnProperty\(\s*|",
            r"Deno\.env\.(?:get|has)\(\s*)([A-Za-z_$][\w$]*)|\bin\s+process\.env",
        )),
        definition: Pattern::new(concat!(
            r"\b(?:function\s+|(?:const|let|var)\s+)([A-Za-z_$][\w$]*)\s*(?:<[^>]*>\s*)?(?:=\s*(?:async\s*)?(?:function\s*)?)?",
            r"(?:\(\s*([A-Za-z_$][\w$]*)\s*[:,)=?]|([A-Za-z_$][\w$]*)\s*=>)",
        )),
        env: true,
    }),
};

/// A reading; its groups are the name in each way to write it.
static READ: Pattern = Pattern::new(concat!(
    r"\b(?:process\.env|import\.meta\.env|Bun\.env)(?:(?:\?\.|\.|!\.)([A-Za-z_][A-Za-z0-9_]*)|",
    r#"(?:\?\.)?\[\s*["'`]([A-Za-z_][A-Za-z0-9_]*)["'`]\s*\])|\bDeno\.env\.get\(\s*["'`]([A-Za-z_][A-Za-z0-9_]*)["'`]\s*\)"#,
));

/// What makes it a writing.
static WRITES: Pattern = Pattern::new(r"^\s*=(?:[^=>]|$)");

/// `const { A, B = "x" } = process.env`.
static TAKEN_APART: Pattern = Pattern::new(
    r"\{([^{}]*)\}\s*(?::\s*[A-Za-z.<>, ]+)?=\s*(?:process|import\.meta|Bun)\.env\s*(?:[;,)\n}]|$)",
);

/// One part of it; its groups are the name and the default.
static PART: Pattern = Pattern::new(r"(?:^|,)\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?::\s*[A-Za-z_$][\w$]*\s*)?(=)?");

/// Another name for all variables: `const env = process.env`.
static ALIAS: Pattern =
    Pattern::new(r"\b(?:const|let|var)\s+([A-Za-z_$][\w$]*)\s*(?::[^=\n]*)?=\s*process\.env\s*(?:[;,\n]|$)");

/// A member of something, for another name.
static MEMBER: Pattern = Pattern::new(r"\b([A-Za-z_$][\w$]*)\.([A-Z][A-Z0-9_]+)\b");

/// A schema that all variables are checked against.
static SCHEMA: Pattern = Pattern::new(concat!(
    r"(?:(?i:parse|validate|cleanEnv|load|from|decode|assert|create|check)\w*\(\s*(?:[\w.]+\s*,\s*)?(?:process|import\.meta)\.env|",
    r"\b(?:createEnv|cleanEnv|envsafe|validationSchema|ConfigModule)\b)",
));

/// An entry of a schema; its groups are the name and what the value must be.
static ENTRY: Pattern = Pattern::new(concat!(
    r#"(?:^|[{,\s])["']?([A-Z][A-Z0-9_]*)["']?\s*:\s*((?:z|zod|Joi|joi|yup|v|t|S|Type|Schema|envalid)\s*\.[\w.]+|"#,
    r"(?:str|num|bool|url|port|email|host|json|makeValidator|string|number|boolean)\()",
));

/// `@nestjs/config`, by name; its groups are the method and the name.
static NEST: Pattern = Pattern::new(
    r#"[cC]onfig(?:Service)?\.(get|getOrThrow)(?:<[^<>()]*>)?\(\s*["'`]([A-Z][A-Z0-9_]+)["'`]\s*([,)])"#,
);

fn direct(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for captures in READ.all(text) {
        let (Some(all), Some(name)) = (captures.get(0), (1..=3).find_map(|group| captures.get(group))) else {
            continue;
        };
        let is_method =
            matches!(name.as_str(), "hasOwnProperty" | "toString" | "MODE" | "DEV" | "PROD" | "SSR")
                && (all.as_str().starts_with("import") || name.as_str().starts_with(char::is_lowercase));
        let writes = WRITES.is_match(context::after(text, all.end(), 8))
            || context::before(text, all.start()).trim_end().ends_with("delete");
        if !is_method && !writes && !is_quoted(context::before(text, all.start())) {
            hits.push(Hit::new(name, need(text, &all.range())));
        }
    }
    taken_apart(text, &mut hits);
    aliases(text, &mut hits);
    schema(text, &mut hits);
    for captures in NEST.all(text) {
        if let Some(name) = captures.get(2) {
            let need = match (&captures[1], &captures[3]) {
                ("getOrThrow", _) => Need::Validated,
                (_, ",") => Need::Defaulted,
                _ => captures.get(0).map_or(Need::Required, |all| need(text, &all.range())),
            };
            hits.push(Hit::new(name, need));
        }
    }
    hits
}

/// Whether what follows is in a string: `"set process.env.TOKEN"`. In a template, `${` makes it code again.
fn is_quoted(before: &str) -> bool {
    let mut quote = None;
    let mut chars = before.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (_, '\\') => drop(chars.next()),
            (None, '"' | '\'') => quote = Some(char),
            (None, '`') => return false,
            (Some(open), _) if open == char => quote = None,
            _ => {}
        }
    }
    quote.is_some() && !before.contains("${")
}

fn taken_apart(text: &str, hits: &mut Vec<Hit>) {
    for captures in TAKEN_APART.all(text) {
        let Some(parts) = captures.get(1) else { continue };
        for part in PART.all(parts.as_str()) {
            let Some(name) = part.get(1) else { continue };
            let span = parts.start() + name.start()..parts.start() + name.end();
            let need = match part.get(2) {
                Some(_) => Need::Defaulted,
                None => asked_below(text, &captures, name.as_str()),
            };
            hits.push(Hit { name: name.as_str().to_owned(), span, need });
        }
    }
}

/// What the lines below do with a variable that was taken out: `if (!A) throw ...`.
fn asked_below(text: &str, captures: &regex::Captures<'_>, name: &str) -> Need {
    let end = captures.get(0).map_or(0, |all| all.end());
    let below = context::after(text, end, 600);
    let asked = context::words(below, name)
        .map(|at| need(text, &(end + at..end + at + name.len())))
        .find(|need| *need == Need::Validated);
    asked.unwrap_or(Need::Required)
}

fn aliases(text: &str, hits: &mut Vec<Hit>) {
    for alias in ALIAS.all(text) {
        for captures in MEMBER.all(text) {
            if let (Some(all), Some(name)) = (captures.get(0), captures.get(2))
                && captures[1] == alias[1]
                && !WRITES.is_match(context::after(text, all.end(), 8))
            {
                hits.push(Hit::new(name, need(text, &all.range())));
            }
        }
    }
}

fn schema(text: &str, hits: &mut Vec<Hit>) {
    if !SCHEMA.is_match(text) {
        return;
    }
    for captures in ENTRY.all(text) {
        let (Some(name), Some(rule)) = (captures.get(1), captures.get(2)) else { continue };
        // It goes on until the next entry, at most some lines below. Its first word may stand lines above.
        let start = rule.start() + rule.as_str().find(['(', '.']).unwrap_or(0);
        let all = context::lines(text, start, 4);
        let next = ENTRY.captures(all).and_then(|next| next.get(0));
        let rule = next.map_or(all, |next| &all[..next.start()]);
        let is_optional =
            ["default", "optional(", "nullish(", "Default", ".catch("].iter().any(|word| rule.contains(word))
                || (captures[2].starts_with(['J', 'j']) && !rule.contains("required("));
        hits.push(Hit::new(name, if is_optional { Need::Defaulted } else { Need::Validated }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Language;

    fn read(text: &str) -> Vec<String> {
        language::read(Language::JavaScript, text)
    }

    #[test]
    fn readings_and_their_defaults() {
        assert_eq!(read("connect(process.env.DATABASE_URL)"), ["DATABASE_URL Required"]);
        assert_eq!(read("connect(process.env['DATABASE_URL']!)"), ["DATABASE_URL Required"]);
        assert_eq!(read("const p = process.env.PORT || 3000"), ["PORT Defaulted"]);
        assert_eq!(read("const p = parseInt(process.env.PORT ?? '3000', 10)"), ["PORT Defaulted"]);
        assert_eq!(read("if (process.env.NODE_ENV === 'production') {}"), ["NODE_ENV Defaulted"]);
        assert_eq!(read("const u = import.meta.env.VITE_API_URL;"), ["VITE_API_URL Required"]);
        assert_eq!(read("const u = `${process.env.HOST}:1`"), ["HOST Required"]);
        assert_eq!(read("Deno.env.get('TOKEN')"), ["TOKEN Required"]);
        assert_eq!(read("version: process.env.IMAGE_TAG || \"unknown\","), ["IMAGE_TAG Defaulted"]);
    }

    #[test]
    fn writings_and_comments_are_no_readings() {
        assert!(
            read("process.env.A1 = 'x'; delete process.env.B1; // process.env.C1\n/* process.env.D1 */")
                .is_empty()
        );
        assert!(read("if (import.meta.env.DEV) {}; process.env.npm_package_version").is_empty());
    }

    #[test]
    fn what_stands_in_a_string_is_no_reading() {
        assert!(read("throw new Error('set process.env.A1 first'); log(\"process.env.B1\")").is_empty());
        assert_eq!(
            read("log('a', process.env.A1, `it's ${process.env.B1}`)"),
            ["A1 Required", "B1 Required"]
        );
    }

    #[test]
    fn another_variables_check_is_not_its_own() {
        for other in [
            "if (!process.env.B1) throw new Error('x')",
            "if (!url) throw new Error('x')",
            "if (!url) throw new Error('no key')",
            "if (!url) {\n  throw new Error('no key');\n}",
        ] {
            let text = format!("const key = process.env['A1'];\nconst url = process.env.B1;\n{other};\n");
            assert!(read(&text).contains(&"A1 Required".to_owned()), "{text}: {:?}", read(&text));
            let text = format!("const key = process.env['A1'];\n{other};\n");
            assert!(read(&text).contains(&"A1 Required".to_owned()), "{text}: {:?}", read(&text));
        }
    }

    #[test]
    fn taken_apart() {
        let text = "const { DB_HOST, DB_PORT = '5432', API_KEY: key, ...rest } = process.env;\nif (!DB_HOST) throw new Error('x');";
        assert_eq!(read(text), ["DB_HOST Validated", "DB_PORT Defaulted", "API_KEY Required"]);
    }

    #[test]
    fn looked_for_at_the_start() {
        let text = "if (!process.env.DATABASE_URL) {\n  throw new Error('no');\n}";
        assert_eq!(read(text), ["DATABASE_URL Validated"]);
        let text = "const url = process.env.DATABASE_URL;\nif (!url) {\n  process.exit(1);\n}";
        assert_eq!(read(text), ["DATABASE_URL Validated"]);
    }

    #[test]
    fn loops_over_lists_of_names() {
        let study = include_str!("../../../tests/fixtures/case-study/server.js");
        assert_eq!(
            read(study),
            [
                "DATABASE_URL Validated",
                "AWS_REGION Validated",
                "STRIPE_API_KEY Validated",
                "IMAGE_TAG Defaulted"
            ]
        );
        assert_eq!(
            read("for (const name of ['A1', 'B1']) {\n  if (!process.env[name]) throw new Error(name)\n}"),
            ["A1 Validated", "B1 Validated"]
        );
        assert_eq!(
            read(
                "const missing = ['A1', 'B1'].filter((k) => !(k in process.env));\nif (missing.length) process.exit(1)"
            ),
            ["A1 Validated", "B1 Validated"]
        );
        assert!(read("const METHODS = ['GET', 'POST'];\nconst x = process.env[y];\nserve(1)").is_empty());
    }

    #[test]
    fn helpers() {
        assert_eq!(
            read("const a = requireEnv('A1'), b = env('B1', 'x'), c = getEnv(\"C1\")"),
            ["A1 Validated", "B1 Defaulted", "C1 Required"]
        );
        let own = "function need(name) {\n  const v = process.env[name];\n  if (!v) throw new Error(name);\n  return v;\n}\nneed('A1');";
        assert_eq!(read(own), ["A1 Validated"]);
        let arrow =
            "const opt = (key: string, fallback: string) => process.env[key] ?? fallback;\nopt('A1', 'b');";
        assert_eq!(read(arrow), ["A1 Defaulted"]);
        assert_eq!(
            read("config.get('A1'); this.configService.getOrThrow<string>('B1')"),
            ["A1 Required", "B1 Validated"]
        );
        assert_eq!(
            read("const env = process.env;\nlisten(env.PORT || 1, env.HOST)"),
            ["PORT Defaulted", "HOST Required"]
        );
    }

    #[test]
    fn schemas() {
        let zod = "const env = z.object({\n  DATABASE_URL: z.string().url(),\n  PORT: z.coerce.number().default(3000),\n  LOG: z\n    .string()\n    .optional(),\n}).parse(process.env)";
        assert_eq!(read(zod), ["DATABASE_URL Validated", "PORT Defaulted", "LOG Defaulted"]);
        let envalid = "cleanEnv(process.env, { API_KEY: str(), PORT: port({ default: 3000 }) })";
        assert_eq!(read(envalid), ["API_KEY Validated", "PORT Defaulted"]);
        assert!(read("const s = z.object({ A1: z.string() }); s.parse(body); process.env").is_empty());
        let far = "schema.parse(process.env);\nconst schema = z.object({\n  PORT: z\n  // a\n  // b\n\n  // c\n    .string().optional() })";
        assert_eq!(read(far), ["PORT Defaulted"]);
    }
}
