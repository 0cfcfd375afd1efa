//! The shapes of well-known tokens.

use std::sync::LazyLock;

use regex::Regex;

/// The shape of a kind of secret.
pub(super) struct Rule {
    /// What findings call it, with its article.
    pub(super) name: &'static str,
    /// How it begins, as an expression: what the text is searched for first, with those of all other rules.
    pub(super) begins: &'static str,
    /// All of it, from its beginning. The part that is secret is the group, or the whole.
    shape: &'static str,
    /// Whether the shape alone makes sure that it is a secret.
    pub(super) certain: bool,
}

/// A key that is meant for browsers where it is one of Firebase or Maps.
pub(super) const GOOGLE_KEY: &str = "a Google API key";

const fn token(name: &'static str, begins: &'static str, shape: &'static str) -> Rule {
    Rule { name, begins, shape, certain: true }
}

/// All shapes. Lengths are those that the issuers publish, or that their tokens have; without a largest one where
/// that is long, for an expression that counts far takes long to run.
pub(super) const RULES: [Rule; 35] = [
    token("an AWS access key", r"A[KS]IA[A-Z2-7]", r"(A[KS]IA[A-Z2-7]{16})"),
    token("a GitHub token", r"gh[pousr]_", r"(gh[pousr]_[A-Za-z0-9]{36,})"),
    token("a GitHub token", r"github_pat_", r"(github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})"),
    token("a GitLab token", r"gl(?:pat|dt|rt|cbt|ptt)-", r"(gl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_-]{20,})"),
    token("a Slack token", r"xox[abeoprs]-", r"(xox[abeoprs]-[A-Za-z0-9-]{24,})"),
    token("a Slack token", r"xapp-", r"(xapp-\d-[A-Z0-9]{8,}-\d{8,}-[a-z0-9]{32,})"),
    token(
        "a Slack webhook",
        r"hooks\.slack\.com/",
        r"(hooks\.slack\.com/(?:services|workflows)/T[A-Z0-9]{7,}/[AB][A-Z0-9]{7,}/[A-Za-z0-9]{20,})",
    ),
    token("a Stripe key", r"[sr]k_live_", r"([sr]k_live_[A-Za-z0-9]{16,})"),
    token("a Stripe webhook secret", r"whsec_", r"(whsec_[A-Za-z0-9+/]{32,})"),
    // Firebase documentation, "Learn about using and managing API keys": it names the project, and browsers have it.
    Rule { certain: false, ..token(GOOGLE_KEY, r"AIza", r"(AIza[A-Za-z0-9_-]{35})") },
    token("a Google OAuth secret", r"GOCSPX-", r"(GOCSPX-[A-Za-z0-9_-]{28})"),
    token("a SendGrid key", r"SG\.", r"(SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})"),
    // Twilio documentation, "API keys overview": the SID alone is a user name.
    token("a Twilio key with its secret", r"SK[0-9a-f]{6}", r"SK[0-9a-f]{32}:([A-Za-z0-9]{32})"),
    token("a Twilio account with its token", r"AC[0-9a-f]{6}", r"AC[0-9a-f]{32}:([0-9a-f]{32})"),
    token("an npm token", r"npm_", r"(npm_[A-Za-z0-9]{36})"),
    token("an npm token", r":_authToken=", r":_authToken=([A-Za-z0-9_-]{8,}[A-Za-z0-9_=-]{16,})"),
    token("a PyPI token", r"pypi-AgE", r"(pypi-AgE[A-Za-z0-9_-]{50,})"),
    token("a RubyGems key", r"rubygems_", r"(rubygems_[0-9a-f]{48})"),
    token("a Docker Hub token", r"dckr_pat_", r"(dckr_pat_[A-Za-z0-9_-]{27})"),
    token("an OpenAI key", r"sk-", r"(sk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,})"),
    token("an Anthropic key", r"sk-ant-", r"(sk-ant-(?:api|admin)\d\d-[A-Za-z0-9_-]{80,})"),
    token("a Hugging Face token", r"hf_", r"(hf_[A-Za-z]{34})"),
    token("a DigitalOcean token", r"do[opr]_v1_", r"(do[opr]_v1_[0-9a-f]{64})"),
    token("a Shopify token", r"shp(?:at|ca|pa|ss)_", r"(shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32})"),
    token("a Vault token", r"hvs\.", r"(hvs\.[A-Za-z0-9_-]{24,})"),
    token("a Grafana token", r"glsa_", r"(glsa_[A-Za-z0-9]{32}_[0-9a-f]{8})"),
    token("a New Relic key", r"NRAK-", r"(NRAK-[A-Z0-9]{27})"),
    token("a Square token", r"sq0(?:csp|atp)-", r"(sq0(?:csp|atp)-[A-Za-z0-9_-]{22,})"),
    token("a Mailgun key", r"key-[0-9a-f]{4}", r"(key-[0-9a-f]{32})"),
    token("an age key", r"AGE-SECRET-KEY-1", r"(AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58})"),
    token("a Telegram bot token", r":AA[A-Za-z0-9_-]{6}", r":(AA[A-Za-z0-9_-]{33})"),
    token("a key of Azure storage", r"AccountKey=", r"AccountKey=([A-Za-z0-9+/]{86}==)"),
    token("a key of Azure", r"SharedAccessKey=", r"SharedAccessKey=([A-Za-z0-9+/]{43}=)"),
    token(
        "a private key",
        r"-----BEGIN [A-Z0-9 ]{0,}PRIVATE KEY",
        concat!(
            r"-----BEGIN (?:[A-Z0-9]{2,} ){0,2}PRIVATE KEY(?: BLOCK)?-----",
            // Headers, line ends written out as in JSON, and the quotes and margins of source code.
            r"(?:\\[nr]|[\s\x22'`+,;|]|[A-Z][A-Za-z-]+: [^\n\\]*)*",
            r"([A-Za-z0-9+/=]{40,})",
        ),
    ),
    // It may be one for the public, or one that has expired.
    Rule {
        name: "a JSON web token",
        begins: r"eyJ[A-Za-z0-9_-]{10}",
        shape: r"(eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,})",
        certain: false,
    },
];

/// The expressions of [`RULES`], each bound to the beginning of the text.
pub(super) static SHAPES: LazyLock<Vec<Option<(Regex, Regex)>>> = LazyLock::new(|| {
    let compile = |rule: &Rule| {
        let begins = Regex::new(&format!("^(?:{})", rule.begins)).ok()?;
        Some((begins, Regex::new(&format!("^{}", rule.shape)).ok()?))
    };
    RULES.iter().map(compile).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_an_expression_with_the_secret_as_its_group() {
        for (rule, shape) in RULES.iter().zip(SHAPES.iter()) {
            let (_, shape) = shape.as_ref().expect(rule.name);
            assert_eq!(shape.captures_len(), 2, "{}", rule.name);
        }
    }
}
