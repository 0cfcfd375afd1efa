//! QS505: what only a build needs, in the final image.

use quickserve_core::finding::{Code, Finding};

use super::{Judge, has, program, run_commands, run_texts, shown, span_of, verb};
use crate::dockerfile::image::Image;
use crate::dockerfile::instruction::{Body, Instruction, Word};
use crate::dockerfile::stages::Base;

/// Packages that compile, or that only compiling needs.
const PACKAGES: [&str; 28] = [
    "gcc",
    "g++",
    "build-essential",
    "build-base",
    "make",
    "cmake",
    "clang",
    "autoconf",
    "automake",
    "libtool",
    "pkg-config",
    "linux-headers",
    "musl-dev",
    "libc6-dev",
    "libc-dev",
    "git",
    "cargo",
    "rust",
    "rustc",
    "go",
    "golang",
    "golang-go",
    "default-jdk",
    "maven",
    "gradle",
    "node-gyp",
    "gcc-c++",
    "alpine-sdk",
];

pub(super) fn in_final_image(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = base(judge).into_iter().collect();
    for (_, is_final, instruction) in judge.all() {
        if !is_final || removes(instruction) {
            continue;
        }
        for words in run_commands(instruction) {
            let packages = installed(&words);
            let tools: Vec<&Word> = packages.into_iter().filter(|word| is_tool(&word.text)).collect();
            let Some(first) = tools.first() else { continue };
            let names: Vec<&str> = tools.iter().take(4).map(|word| without_version(&word.text)).collect();
            let more = if tools.len() > names.len() { ", …" } else { "" };
            let message = format!("tools for building stay in the final image: {}{more}", names.join(", "));
            let hint = "build in a stage of its own and copy the result, or remove them in the same RUN";
            findings.push(judge.file().warning(Code::BUILD_TOOLS, &first.span, message).with_hint(hint));
        }
    }
    findings
}

/// What a package manager is told to install.
fn installed(words: &[Word]) -> Vec<&Word> {
    let verbs: &[&str] = match program(words) {
        "apt-get" | "apt" | "yum" | "dnf" | "microdnf" | "tdnf" | "zypper" => &["install"],
        "apk" => &["add"],
        _ => return Vec::new(),
    };
    let Some(at) = words.iter().position(|word| verbs.contains(&&*word.text)) else { return Vec::new() };
    // `apk add --virtual .deps gcc`: its name is none of a package.
    words[at + 1..].iter().filter(|word| !word.text.starts_with(['-', '.', '$'])).collect()
}

fn without_version(package: &str) -> &str {
    package.split(['=', '~', '<', '>', ':']).next().unwrap_or(package)
}

fn is_tool(package: &str) -> bool {
    let name = without_version(package);
    let is_library = name.ends_with("-dev") || name.ends_with("-devel");
    let is_compiler = ["gcc-", "g++-", "clang-", "golang-"].iter().any(|start| {
        name.strip_prefix(start).is_some_and(|rest| rest.starts_with(|char: char| char.is_ascii_digit()))
    });
    let is_jdk = name.starts_with("openjdk") && !name.contains("jre");
    is_library || is_compiler || is_jdk || PACKAGES.contains(&name)
}

/// Whether a `RUN` removes packages again.
fn removes(instruction: &Instruction) -> bool {
    run_commands(instruction).iter().any(|words| match program(words) {
        "apk" => verb(words) == "del",
        "apt-get" | "apt" => matches!(verb(words), "purge" | "remove" | "autoremove"),
        "yum" | "dnf" | "microdnf" => matches!(verb(words), "remove" | "erase"),
        _ => false,
    })
}

/// A final image on top of one for building.
fn base(judge: &Judge<'_>) -> Option<Finding> {
    let root = judge.dockerfile.root()?;
    let Base::Image(name) = &root.base else { return None };
    let image = Image::new(name);
    let (short, tag) = (image.short(), image.tag.unwrap_or("latest"));
    let file = judge.file();
    let hint = "build in this stage, and copy the result to one on a smaller base";
    let is_for_building =
        matches!(short, "golang" | "rust" | "maven" | "gradle" | "gcc" | "buildpack-deps" | "haskell")
            || short == "mcr.microsoft.com/dotnet/sdk";
    if is_for_building {
        let message = format!("the final image is built on {name}, which is for building");
        return Some(file.warning(Code::BUILD_TOOLS, &root.image.span, message).with_hint(hint));
    }
    let is_jdk = matches!(short, "eclipse-temurin" | "amazoncorretto" | "openjdk" | "ibm-semeru-runtimes")
        && !tag.contains("jre")
        && !tag.contains("headless");
    if is_jdk {
        let message = format!("the final image is built on {name}, which has the compiler of Java");
        let hint = "a tag with jre is enough to run";
        return Some(file.info(Code::BUILD_TOOLS, &root.image.span, message).with_hint(hint));
    }
    // The full images of these are made of buildpack-deps.
    let is_full = matches!(short, "node" | "python" | "ruby" | "perl")
        && !["slim", "alpine", "windows", "nanoserver"].iter().any(|word| tag.contains(word));
    let message = format!("the final image is built on {name}, which has compilers and headers");
    is_full.then(|| {
        file.info(Code::BUILD_TOOLS, &root.image.span, message).with_hint("a tag with slim is enough to run")
    })
}

/// Packages for development that stay in the final image, or come into it from another stage.
pub(super) fn development_dependencies(judge: &Judge<'_>) -> Vec<Finding> {
    let dockerfile = judge.dockerfile;
    let hint = "install with --omit=dev, or prune before the modules are copied: npm prune --omit=dev";
    let mut findings = Vec::new();
    if let Some(words) = left_with(dockerfile, &dockerfile.final_indices()) {
        let message = format!("`{}` leaves dependencies of development in the final image", shown(&words));
        findings.push(judge.file().warning(Code::BUILD_TOOLS, &span_of(&words), message).with_hint(hint));
    }
    for instruction in dockerfile.instructions() {
        let (Body::Copy { sources, .. }, Some(from)) = (&instruction.body, instruction.flag("from")) else {
            continue;
        };
        let Some(modules) =
            sources.iter().find(|source| source.text.trim_end_matches('/').ends_with("node_modules"))
        else {
            continue;
        };
        let stage =
            dockerfile.stages.iter().enumerate().rposition(|(index, stage)| stage.is_called(index, from));
        let Some(words) = stage.and_then(|stage| left_with(dockerfile, &dockerfile.ancestors(stage))) else {
            continue;
        };
        let line = judge.file().source().place(span_of(&words).start).line;
        let message =
            format!("node_modules of `{}` (line {line}) have what only development needs", shown(&words));
        findings.push(judge.file().warning(Code::BUILD_TOOLS, &modules.span, message).with_hint(hint));
    }
    findings
}

/// The command that installs dependencies of development in these stages, the last first, and nothing removes them.
fn left_with(dockerfile: &crate::dockerfile::Dockerfile, stages: &[usize]) -> Option<Vec<Word>> {
    let mut is_production = false;
    let mut left: Option<Vec<Word>> = None;
    for instruction in stages.iter().rev().flat_map(|stage| &dockerfile.stages[*stage].instructions) {
        match &instruction.body {
            Body::Env { pairs, .. } => {
                for pair in pairs.iter().filter(|pair| pair.name == "NODE_ENV") {
                    is_production = pair.value.as_deref().is_some_and(|value| !value.contains("dev"));
                }
            }
            // Where the argument decides, the build does.
            Body::Arg(pairs) if pairs.iter().any(|pair| pair.name == "NODE_ENV") => is_production = true,
            Body::Run { .. } => {
                let texts = run_texts(instruction);
                let is_set = texts.iter().any(|text| text.as_str().contains("NODE_ENV=production"));
                for words in run_commands(instruction) {
                    if prunes(&words) {
                        left = None;
                    } else if installs_all(&words) && !is_set && !is_production {
                        left = left.or(Some(words));
                    }
                }
            }
            _ => {}
        }
    }
    left
}

fn without_development(words: &[Word]) -> bool {
    const OPTIONS: [&str; 9] = [
        "--omit=dev",
        "--production",
        "--production=true",
        "--only=production",
        "--only=prod",
        "--prod",
        "-P",
        "--prod=true",
        "--no-dev",
    ];
    let after = |option: &str, value: &str| {
        words.windows(2).any(|pair| pair[0].text == option && pair[1].text.starts_with(value))
    };
    OPTIONS.iter().any(|option| has(words, option)) || after("--omit", "dev") || after("--only", "prod")
}

fn installs_all(words: &[Word]) -> bool {
    let verb = verb(words);
    let is_global = has(words, "-g") || has(words, "--global");
    let extra = words.iter().skip(1).filter(|word| !word.text.starts_with('-')).count();
    let installs = match program(words) {
        "npm" => verb == "ci" || matches!(verb, "install" | "i") && extra == 1,
        "pnpm" | "bun" => matches!(verb, "install" | "i") && extra == 1,
        "yarn" => verb.is_empty() && words.iter().all(|word| word.text != "--version") || verb == "install",
        _ => false,
    };
    installs && !is_global && !without_development(words)
}

fn prunes(words: &[Word]) -> bool {
    let removes_modules =
        program(words) == "rm" && words.iter().any(|word| word.text.contains("node_modules"));
    let installs_again = matches!(program(words), "npm" | "yarn" | "pnpm") && without_development(words);
    removes_modules || installs_again || matches!(program(words), "npm" | "pnpm") && verb(words) == "prune"
}
