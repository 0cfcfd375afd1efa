//! Snapshots of what the command leaves.

pub(crate) use quickserve_tests::docker::{build, docker};
pub(crate) use quickserve_tests::{Ran, Shop, free_port};

/// Compares what ran with a snapshot of that name.
pub(crate) fn snapshot(name: &str, ran: &Ran) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, text) in FILTERS {
        settings.add_filter(pattern, *text);
    }
    settings.bind(|| insta::assert_snapshot!(name, ran));
}

const FILTERS: &[(&str, &str)] = &[
    // How many checks there are is no promise.
    (r"check    \d+ passed", "check    47 passed"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "2026-11-23T07:12:31.123456789Z"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "2026-11-23 07:12:31Z"),
    // An event is told before its step is journalled, so a sudden death may leave either.
    (r"(now at|left at): [^;\n]+", "$1: bake r-000001 for 300s"),
    // It stays while another test's service is on it.
    (r"(, |; with )the network", ""),
    // A step that takes long is told again; how long it takes is the machine's business.
    (r"(?m)^\w+ +\.\.\. .*\n", ""),
    (r"\d\d:\d\d:\d\dZ", "07:12:31Z"),
    (r"\b\d+\.\d s", "0.0 s"),
    (r"(serves \(\d+ tasks?\)), \d+ s\b", "$1, 0.0 s"),
    (r"d-\d{8}-", "d-20261123-"),
    (r"\b\d+(\.\d)? [kMG]?B\b", "1.0 MB"),
    (r"sha256:[0-9a-f]{4}…", "sha256:4be2…"),
    (r"\b[0-9a-f]{64}\b", "928c96d7e5bb"),
    (r"-(\d+)-[0-9a-f]{8}\b", "-$1-1a2b3c4d"),
    (r"127\.0\.0\.1:(1[0-79]|[2-9])\d{3,4}", "127.0.0.1:40000"),
    (r"ada@[\w.-]+", "ada@host"),
    (r"process \d+ \([^)]*\)", "process 4711 (listener)"),
    (r"pid \d+", "pid 4711"),
    (r"before: (shift|promote)[^;\n]*", "before: promote r-000002"),
];
