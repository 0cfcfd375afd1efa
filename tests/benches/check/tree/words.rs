//! The words that texts are made of. None has `env` in it: which sources mention variables is decided elsewhere.

use super::random::Random;

/// What names and prose are made of: words of the trade.
const WORDS: [&str; 128] = [
    "account", "active", "address", "agent", "amount", "archive", "array", "asset", "async", "attempt",
    "batch", "billing", "body", "bucket", "buffer", "cache", "cart", "channel", "client", "cluster", "code",
    "column", "config", "content", "context", "count", "customer", "data", "default", "delivery", "device",
    "document", "domain", "draft", "email", "entry", "engine", "estimate", "error", "event", "export",
    "factory", "feature", "field", "file", "filter", "flag", "folder", "format", "group", "handler", "hash",
    "header", "history", "host", "image", "import", "index", "input", "instance", "invoice", "item", "job",
    "key", "label", "language", "layout", "level", "limit", "line", "link", "list", "locale", "log",
    "manager", "message", "method", "metric", "model", "module", "name", "node", "number", "object",
    "offset", "option", "order", "output", "owner", "package", "page", "parent", "parser", "path", "payment",
    "plan", "plugin", "policy", "price", "product", "profile", "project", "query", "queue", "range",
    "record", "region", "report", "request", "response", "result", "retry", "role", "route", "rule",
    "schema", "scope", "session", "shipment", "source", "state", "status", "stock", "table", "tenant",
    "total", "user", "view",
];

/// Words that a search for secrets stops at.
const DELICATE: [&str; 8] =
    ["token", "secret", "password", "credentials", "passwd", "api_key", "access_token", "private_key"];

/// One word in so many is delicate: some 250 a megabyte of code.
const PLAIN: usize = 450;

/// The variables that the code reads and the contract declares.
pub(super) const VARIABLES: [&str; 40] = [
    "PORT",
    "HOST",
    "LOG_LEVEL",
    "NODE_ENV",
    "DATABASE_URL",
    "REDIS_URL",
    "AMQP_URL",
    "S3_BUCKET",
    "AWS_REGION",
    "SMTP_HOST",
    "SMTP_PORT",
    "MAIL_FROM",
    "SENTRY_DSN",
    "PUBLIC_URL",
    "CORS_ORIGIN",
    "CACHE_TTL",
    "POOL_SIZE",
    "WORKERS",
    "TIMEOUT_MS",
    "RETRY_LIMIT",
    "FEATURE_CHECKOUT",
    "FEATURE_SEARCH",
    "STRIPE_API_KEY",
    "SESSION_SECRET",
    "JWT_ISSUER",
    "JWT_SECRET",
    "OAUTH_CLIENT_ID",
    "OAUTH_CLIENT_SECRET",
    "SEARCH_HOST",
    "SEARCH_INDEX",
    "QUEUE_NAME",
    "UPLOAD_LIMIT",
    "CDN_URL",
    "LOCALE",
    "TIME_ZONE",
    "CURRENCY",
    "METRICS_PORT",
    "TRACE_RATE",
    "IMAGE_TAG",
    "SLACK_CHANNEL",
];

/// A word.
pub(super) fn word(random: &mut Random) -> &'static str {
    if random.one_in(PLAIN) { random.pick(&DELICATE) } else { random.pick(&WORDS) }
}

/// A name of one or two words, `in_this_way` or `inThisWay`.
pub(super) fn name(random: &mut Random, snake: bool) -> String {
    let mut name = word(random).to_owned();
    if random.one_in(2) {
        let next = word(random);
        if snake {
            name.push('_');
            name.push_str(next);
        } else {
            let (first, rest) = next.split_at(1);
            name.push_str(&first.to_ascii_uppercase());
            name.push_str(rest);
        }
    }
    name
}

/// A line with names, words and numbers in the place of `$`, `%` and `~`.
pub(super) fn push(text: &mut String, line: &str, random: &mut Random, snake: bool) {
    let mut rest = line;
    while let Some(at) = rest.find(['$', '%', '~']) {
        text.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'$' => text.push_str(&name(random, snake)),
            b'%' => text.push_str(word(random)),
            _ => text.push_str(&random.below(1000).to_string()),
        }
        rest = &rest[at + 1..];
    }
    text.push_str(rest);
}
