//! Sources: lines as they are written in each language, with names and texts put in.
//!
//! In a line `$` is a name, `%` a word and `~` a number; `?` is the name of a variable of the environment.

use super::random::Random;
use super::words::{VARIABLES, name, push};

/// How a language is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Language {
    lines: &'static [&'static str],
    /// Lines that read a variable.
    readings: &'static [&'static str],
    /// What begins a comment.
    comment: &'static str,
    snake: bool,
}

/// One file in so many reads variables.
const READS: usize = 8;

/// One line in so many is a comment with a URL in it: some 90 a megabyte.
const URLS: usize = 200;

/// About that many bytes of code.
pub(super) fn write(language: &Language, size: usize, random: &mut Random, text: &mut String) {
    let end = text.len() + size;
    let mut readings = if random.one_in(READS) { 1 + random.below(4) } else { 0 };
    while text.len() < end {
        if random.one_in(URLS) {
            push(
                text,
                &format!("{} https://docs.%.example.org/%/~\n", language.comment),
                random,
                language.snake,
            );
        } else if readings > 0 && random.one_in(20) {
            readings -= 1;
            let line = random.pick(language.readings).replace('?', VARIABLES[random.below(VARIABLES.len())]);
            push(text, &line, random, language.snake);
            text.push('\n');
        } else {
            push(text, random.pick(language.lines), random, language.snake);
            text.push('\n');
        }
    }
}

/// A line that puts a text into a name.
pub(super) fn constant(language: &Language, value: &str, random: &mut Random) -> String {
    let name = name(random, language.snake);
    match language.comment {
        "#" => format!("    {name} = \"{value}\""),
        _ => format!("    {name} = \"{value}\";"),
    }
}

pub(super) const SCRIPT: Language = Language {
    lines: &[
        "import { $, $ } from './$';",
        "",
        "export async function $($: string, $ = ~): Promise<$> {",
        "  const $ = await this.$.$($, { $: '%-%', $: ~ });",
        "  if ($.$ === null || $.length > ~) {",
        "    throw new Error('% % % %');",
        "  }",
        "  return $.filter(($) => $.$ !== '%').map(({ $, $ }) => `${$}/${$}`);",
        "}",
        "// % % % % % %",
        "  const { $, $ } = $.$ ?? {};",
        "  $.$ = $[~] / $.$; /* % % */",
        "    <div className=\"%-% %\" onClick={() => $($)}>{$.$}</div>",
        "/** % % % % %, % % % */",
        "  return $;",
        "  },",
        "  $,",
    ],
    readings: &[
        "const $ = process.env.? || '%';",
        "  if (!process.env.?) throw new Error('% %');",
        "  $: process.env.?,",
    ],
    comment: "//",
    snake: false,
};

pub(super) const PYTHON: Language = Language {
    lines: &[
        "from $.$ import $, $",
        "",
        "class $($):",
        "    \"\"\"% % % % % %.\"\"\"",
        "    def $(self, $, $=None, **kwargs):",
        "        if not $ or self.$[$] != '%':",
        "            raise ValueError(f\"% % {$}\")",
        "        return [$.$($) for $ in self.$ if $ > ~]",
        "        self.$ = $.$($, $=~)  # % % %",
        "    @$.$('%', $=True)",
        "            $.$.append(($, '%_%', ~))",
        "        return $",
        "",
        "            $,",
        "    pass",
    ],
    readings: &["$ = os.environ['?']", "    $ = os.environ.get(\"?\", \"%\")", "$ = os.getenv('?')"],
    comment: "#",
    snake: true,
};

pub(super) const GO: Language = Language {
    lines: &[
        "func ($ *$) $($ context.Context, $ string) (*$, error) {",
        "\tif err != nil {",
        "\t\treturn nil, fmt.Errorf(\"% % %q: %w\", $, err)",
        "\t}",
        "\t$ := &$.$${$: $, $: ~}",
        "\tfor _, $ := range $.$ {",
        "\t\t$ = append($, $.$($))",
        "// $ % % % % % %.",
        "",
        "type $ struct {",
        "\t$ string `json:\"$\"`",
        "}",
        "\treturn nil",
        "}",
        "",
    ],
    readings: &["\t$ := os.Getenv(\"?\")", "\tif $, ok := os.LookupEnv(\"?\"); ok {"],
    comment: "//",
    snake: false,
};

pub(super) const JAVA: Language = Language {
    lines: &[
        "import org.example.$.$.$;",
        "",
        "    private final $ $;",
        "    @Override public $ $($ $, int $) {",
        "        if ($ == null) { throw new IllegalArgumentException(\"% % %\"); }",
        "        return $.stream().map($::$).filter($ -> $.$() > ~).toList();",
        "    }",
        "    /** % % % % {@link $} % %. */",
        "        this.$ = new $<>($, \"%.%\", ~L);",
        "        $.$($.$(), $); // % %",
        "        }",
        "",
        "        return $;",
    ],
    readings: &[
        "        String $ = System.getenv(\"?\");",
        "        $.$(System.getenv().getOrDefault(\"?\", \"%\"));",
    ],
    comment: "//",
    snake: false,
};

pub(super) const CSHARP: Language = Language {
    lines: &[
        "using Example.$.$;",
        "",
        "    public async Task<$> $($ $, int $ = ~)",
        "    {",
        "        var $ = await _$.$($, $ => $.$ == \"%\").ConfigureAwait(false);",
        "        throw new InvalidOperationException($\"% % {$}\");",
        "    }",
        "    /// <summary>% % % % %</summary>",
        "    }",
        "        return $;",
        "",
    ],
    readings: &["        var $ = Environment.GetEnvironmentVariable(\"?\") ?? \"%\";"],
    comment: "//",
    snake: false,
};

pub(super) const RUST: Language = Language {
    lines: &[
        "use crate::$::{$, $};",
        "",
        "/// % % % % % [`$`].",
        "pub fn $(&mut self, $: &str, $: usize) -> Result<$, $> {",
        "    let $ = self.$.iter().filter(|$| $.$() > ~).map($).collect::<Vec<_>>();",
        "    match $.$($)? {",
        "        Some($) => Err($::new(format!(\"% % {$}\"))),",
        "    }",
        "        // % % % %.",
        "    }",
        "}",
        "",
    ],
    readings: &[
        "    let $ = std::env::var(\"?\").expect(\"%\");",
        "    let $ = env::var(\"?\").unwrap_or_default();",
    ],
    comment: "//",
    snake: true,
};

pub(super) const RUBY: Language = Language {
    lines: &[
        "require '%/%'",
        "",
        "  def $($, $: nil)",
        "    return unless $.$?($)",
        "    @$ ||= $.$($).map { |$| $[:$] } # % %",
        "    raise ArgumentError, \"% % #{$}\" if $ > ~",
        "  end",
        "  validates :$, presence: true, length: { maximum: ~ }",
        "  end",
        "    $",
        "end",
    ],
    readings: &["  $ = ENV.fetch('?')", "    $ = ENV['?'] || '%'"],
    comment: "#",
    snake: true,
};

pub(super) const PHP: Language = Language {
    lines: &[
        "use App\\$\\$;",
        "",
        "    public function $(array $, int $ = ~): ?$",
        "    {",
        "        if (!isset($['%'])) {",
        "            throw new \\RuntimeException('% % %');",
        "        }",
        "        return array_map(fn ($) => $->$('%'), $);",
        "    // % % % %",
        "        }",
        "    }",
        "        return $;",
    ],
    readings: &["        $ = getenv('?');"],
    comment: "//",
    snake: false,
};
