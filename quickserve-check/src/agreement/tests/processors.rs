//! The processor of the task beside that of the image.

use super::{NONE, Project};

fn task(more: &str) -> String {
    format!(
        r#"{{"family": "t"{more}, "containerDefinitions": [{{"name": "app", "image": "r/app:1.2", "memory": 64}}]}}"#
    )
}

const FARGATE: &str = r#", "requiresCompatibilities": ["FARGATE"]"#;
const ARM: &str = r#", "runtimePlatform": {"cpuArchitecture": "ARM64"}"#;

fn told(more: &str, files: &[(&str, &str)]) -> Vec<String> {
    let definition = task(more);
    let mut all = vec![("deploy/task.json", definition.as_str())];
    all.extend(files);
    Project::new(&all).coded("QS304")
}

fn workflow(runner: &str, steps: &str) -> String {
    format!("on: push\njobs:\n  a:\n    runs-on: {runner}\n    steps:\n{steps}")
}

#[test]
fn a_base_that_is_fixed_to_another_processor_is_found() {
    let base = |from: &str| format!("FROM --platform=$BUILDPLATFORM golang AS b\n{from}\n");
    let dockerfile = |more: &str, from: &str| told(more, &[("Dockerfile", &base(from))]);
    let arm = "FROM --platform=linux/arm64 debian:13";
    let message = "Error Dockerfile:2:6 the image is built on linux/arm64, and the task runs on X86_64";
    assert_eq!(dockerfile(FARGATE, arm), [format!("{message}, as nothing else is said")]);
    let amd = "FROM --platform=linux/amd64 debian:13";
    let message = "Error Dockerfile:2:6 the image is built on linux/amd64, and the task runs on ARM64";
    assert_eq!(dockerfile(ARM, amd), [message]);
    assert_eq!(dockerfile(ARM, &format!("{amd} AS c\nFROM c")), [message], "through its stages");
    for (more, from) in [
        (ARM, arm),
        (FARGATE, amd),
        ("", arm),
        (ARM, "FROM debian"),
        (ARM, "FROM --platform=$TARGETPLATFORM debian"),
        (ARM, "FROM --platform=linux/amd64 a AS tools\nFROM debian:13"),
    ] {
        assert_eq!(dockerfile(more, from), NONE, "{more} {from}");
    }
}

#[test]
fn a_workflow_that_builds_for_another_processor_is_found() {
    let built = |more: &str, runner: &str, steps: &str| {
        told(more, &[(".github/workflows/a.yml", &workflow(runner, steps))])
    };
    let command = "      - run: docker buildx build --platform linux/amd64 -t r/a:1 --push .\n";
    let message = "the image is built for linux/amd64, and the task runs on ARM64";
    assert_eq!(
        built(ARM, "ubuntu-latest", command),
        [format!("Warning .github/workflows/a.yml:6:34 {message}")]
    );
    let plain = "      - run: docker build -t r/a:1 . && docker push r/a:1\n";
    let by_runner = built(ARM, "ubuntu-latest", plain);
    assert_eq!(by_runner.len(), 1);
    assert!(by_runner[0].contains("linux/amd64, the platform of its runner, and"), "{by_runner:?}");
    assert_eq!(built(FARGATE, "ubuntu-24.04-arm", plain).len(), 1);
    let action = |platforms: &str| {
        format!(
            "      - uses: docker/build-push-action@v7\n        with:\n          push: true\n          tags: r/a:1\n{platforms}"
        )
    };
    let only = action("          platforms: linux/amd64\n");
    assert_eq!(
        built(ARM, "ubuntu-latest", &only),
        [format!("Warning .github/workflows/a.yml:10:22 {message}")]
    );
    assert_eq!(built(ARM, "ubuntu-latest", &action("")).len(), 1);
    for (more, runner, steps) in [
        (ARM, "ubuntu-24.04-arm", plain),
        (ARM, "[self-hosted, linux]", plain),
        (ARM, "${{ matrix.os }}", plain),
        (ARM, "ubuntu-latest", "      - run: docker build -t r/a:1 .\n"),
        (ARM, "ubuntu-latest", &*action("          platforms: linux/amd64,linux/arm64\n")),
        (ARM, "ubuntu-latest", &*action("          platforms: ${{ matrix.platform }}\n")),
        (
            ARM,
            "ubuntu-latest",
            &*format!("{command}      - run: docker buildx build --platform linux/arm64 .\n"),
        ),
        (ARM, "ubuntu-latest", &*format!("{plain}        env: {{ DOCKER_DEFAULT_PLATFORM: linux/arm64 }}\n")),
        (ARM, "ubuntu-latest", &*format!("{plain}      - run: docker buildx bake\n")),
        (FARGATE, "ubuntu-latest", plain),
    ] {
        assert_eq!(built(more, runner, steps), NONE, "{runner} {steps}");
    }
}
