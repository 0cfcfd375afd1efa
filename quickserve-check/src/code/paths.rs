//! Which files of a project count, by their names.

use std::path::Path;

/// Folders that are not walked into: git's own, and what a program put there.
const SKIPPED: [&str; 16] = [
    ".git",
    "node_modules",
    "bower_components",
    "vendor",
    "target",
    "dist",
    "__pycache__",
    ".venv",
    "venv",
    ".tox",
    ".next",
    ".nuxt",
    ".gradle",
    ".terraform",
    ".mypy_cache",
    ".pytest_cache",
];

/// Folders of tests, examples and manuals, which no deployment runs.
const BESIDE: [&str; 26] = [
    "test",
    "tests",
    "spec",
    "specs",
    "__tests__",
    "__mocks__",
    "testdata",
    "testing",
    "fixture",
    "fixtures",
    "__fixtures__",
    "mocks",
    "example",
    "examples",
    "sample",
    "samples",
    "doc",
    "docs",
    "e2e",
    "cypress",
    "bench",
    "benches",
    "benchmarks",
    "stories",
    "testutils",
    "integration-tests",
];

/// Whether the walk leaves a folder of that name out.
pub(crate) fn is_skipped(folder: &str) -> bool {
    SKIPPED.contains(&folder)
}

/// Whether a file is one of tests, examples or manuals. `path` is relative to the project.
pub(crate) fn is_beside(path: &Path) -> bool {
    let is_folder_beside = path.parent().is_some_and(|folder| {
        let mut parts = folder.iter().filter_map(|part| part.to_str());
        parts.any(|part| BESIDE.contains(&part.to_ascii_lowercase().as_str()))
    });
    is_folder_beside || path.file_name().and_then(|name| name.to_str()).is_some_and(is_test)
}

/// Whether a file is a test by its name, as the usual runners find them, or a manual.
fn is_test(name: &str) -> bool {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let lower = stem.to_ascii_lowercase();
    let by_language = match extension {
        "py" => lower.starts_with("test_") || lower.ends_with("_test") || lower == "conftest",
        "go" | "rs" => lower.ends_with("_test") || lower.ends_with("_tests") || lower == "tests",
        "rb" => lower.ends_with("_spec") || lower.ends_with("_test"),
        "java" | "kt" | "cs" | "php" | "scala" => {
            stem.ends_with("Test")
                || stem.ends_with("Tests")
                || stem.ends_with("Spec")
                || stem.ends_with("IT")
        }
        "md" | "mdx" | "rst" | "adoc" => true,
        _ => false,
    };
    let by_part =
        lower.split('.').skip(1).any(|part| matches!(part, "test" | "spec" | "stories" | "cy" | "mock"));
    let is_runner = ["jest.", "vitest.", "playwright.", "cypress.", "karma."]
        .iter()
        .any(|runner| name.starts_with(runner));
    by_language || by_part || is_runner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_examples_and_manuals_are_beside_the_service() {
        for path in [
            "tests/app.py",
            "src/__tests__/a.js",
            "a/server.test.ts",
            "pkg/x_test.go",
            "docs/app.js",
            "test_app.py",
            "src/test/java/A.java",
            "AppTest.java",
            "jest.config.js",
            "spec/a.rb",
            "README.md",
        ] {
            assert!(is_beside(Path::new(path)), "{path}");
        }
        for path in
            ["server.js", "src/contest.py", "latest.go", "src/testament/app.js", "main.rs", "Latest.java"]
        {
            assert!(!is_beside(Path::new(path)), "{path}");
        }
    }
}
