//! What is no source: manuals, data, and what programs write.

use super::random::Random;
use super::words::{push, word};

const HEX: &str = "0123456789abcdef";

/// Lines of each, with `$`, `%` and `~` as in code; in bundles the pieces of one line.
const MANUAL: [&str; 7] = [
    "## % %",
    "",
    "% % % % `$` % % % %, % % % % % %. % % % % %.",
    "- **%**: see [% %](https://docs.%.example.org/%/~) % % %",
    "    $ --%-% %",
    "% % % % % % % %, % % % % % % %",
    "| `$` | % % % | ~ |",
];
const JSON: [&str; 6] = [
    "    \"$\": \"% % %\",",
    "    \"$\": { \"$\": ~, \"%\": [\"%\", \"%\", ~] },",
    "    \"$\": true,",
    "    \"$\": ~,",
    "    \"$\": \"%.% % {$}\",",
    "    \"%\": \"https://api.%.example.org/%/~\",",
];
const YAML: [&str; 6] = ["$: %", "$:", "  - % # % %", "  $: ~", "  %: \"% %\"", "  $: %.%/%:~"];
const MARKUP: [&str; 5] = [
    "  <div class=\"%-% %\"><span data-%=\"~\">% % %</span></div>",
    ".%-% .% { margin: ~px ~px; color: #~; background: url(/%/%.png) }",
    "  <path d=\"M~.~ ~.~c~ ~-~.~ ~ ~ ~.~z\"/>",
    "  <a href=\"https://www.%.example.org/%\">% %</a>",
    "@media (max-width: ~px) { .% > .% { display: % } }",
];
const BUNDLE: [&str; 8] = [
    "function(e,t,n){\"use strict\";n.r(t),n.d(t,\"$\",(function(){return $}));",
    "var r=n(~),o=r.$(e.$);return t.$===~?null:o.$(t,n)",
    "}},~:function(e,t){e.exports={$:\"%-%\",$:!0}},",
    "t.default=Object.assign({},e,{$:t.$||~}),",
    "switch(e.$){case\"%\":return $(t);default:throw Error(\"% % %\")}",
    "for(var i=0;i<e.length;i++)t.push(e[i].$);",
    "e.$.$=function(e){return this.$&&e>~?$:void 0},",
    "n.$(\"/%/%?%=\"+t.$),",
];
const ROWS: [&str; 2] = ["INSERT INTO % ($, $) VALUES (~, '% %', '%@%.example.org', NULL);", "-- % % %"];

pub(super) fn manual(size: usize, random: &mut Random, text: &mut String) {
    lines(&MANUAL, "\n", size, random, text);
}

pub(super) fn json(size: usize, random: &mut Random, text: &mut String) {
    lines(&JSON, "\n", size, random, text);
}

pub(super) fn yaml(size: usize, random: &mut Random, text: &mut String) {
    lines(&YAML, "\n", size, random, text);
}

pub(super) fn markup(size: usize, random: &mut Random, text: &mut String) {
    lines(&MARKUP, "\n", size, random, text);
}

pub(super) fn bundle(size: usize, random: &mut Random, text: &mut String) {
    lines(&BUNDLE, "", size, random, text);
}

pub(super) fn rows(size: usize, random: &mut Random, text: &mut String) {
    lines(&ROWS, "\n", size, random, text);
}

/// Packages with their checksums.
pub(super) fn lock(size: usize, random: &mut Random, text: &mut String) {
    let end = text.len() + size;
    while text.len() < end {
        let (name, checksum) = (word(random), random.text(64, HEX));
        push(text, &format!("\n[[package]]\nname = \"{name}-%\"\nversion = \"~.~.~\"\n"), random, true);
        push(text, "source = \"registry+https://registry.example.org\"\n", random, true);
        text.extend(["checksum = \"", &checksum, "\"\n"]);
    }
}

fn lines(of: &[&str], end_of_line: &str, size: usize, random: &mut Random, text: &mut String) {
    let end = text.len() + size;
    while text.len() < end {
        push(text, random.pick(of), random, false);
        text.push_str(end_of_line);
    }
}

/// What begins as a picture does, and is random from there on.
pub(super) fn binary(size: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0".to_vec();
    while bytes.len() < size {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes
}
