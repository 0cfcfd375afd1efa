//! What is scanned or tested, beside what is pushed.

use super::{NONE, job, script};

const PUSH: &str = "      - run: |\n          docker build -t r/app:$GITHUB_SHA .\n          docker push r/app:$GITHUB_SHA\n";

fn scan(image: &str) -> Vec<String> {
    let action = format!(
        "      - uses: aquasecurity/trivy-action@0.30.0\n        with:\n          image-ref: {image}\n"
    );
    job(&format!("{action}{PUSH}")).coded("QS305")
}

#[test]
fn another_tag_of_the_image_that_is_pushed_is_found() {
    assert_eq!(
        scan("r/app:latest"),
        [
            "warning 8:22 r/app:latest is scanned, and r/app:$GITHUB_SHA is pushed: it need not be the same image"
        ]
    );
    assert_eq!(scan("r/app").len(), 1, "which is latest");
    assert_eq!(scan("r/app:${{ github.sha }}"), NONE);
    assert_eq!(scan("'r/app@sha256:0123'"), NONE, "a digest is what it is");
    assert_eq!(scan("node:22"), NONE, "the base is another matter");
    assert_eq!(
        scan("app:test"),
        [
            "info 8:22 app:test is scanned, and r/app:$GITHUB_SHA is pushed, which may have been built a second time"
        ]
    );
}

#[test]
fn an_image_that_gets_a_second_name_is_the_same() {
    let of = |script: &str| super::script(script).coded("QS305");
    let tagged = "docker build -t app:test .\ntrivy image --exit-code 1 app:test\ndocker tag app:test r/app:1\ndocker push r/app:1\n";
    assert_eq!(of(tagged), NONE);
    assert_eq!(of(&tagged.replace("docker tag app:test r/app:1", "docker build -t r/app:1 .")).len(), 1);
    let both = "docker build -t r/app:ci --tag r/app:1 .\ngrype r/app:ci\ndocker push r/app:1\n";
    assert_eq!(of(both), NONE);
    let chain = "docker tag a/app:1 b/app:1\ndocker tag b/app:1 c/app:1\nsnyk container test a/app:1\ndocker push c/app:1\n";
    assert_eq!(of(chain), NONE);
}

#[test]
fn commands_that_scan_and_test_are_known_with_their_variables() {
    let found = |command: &str| {
        script(&format!("TAG=1.2\n{command}\ndocker push \"r/app:${{TAG}}\"\n")).coded("QS305").len()
    };
    for command in [
        "trivy image --severity HIGH,CRITICAL r/app:old",
        "grype r/app:old -o json",
        "docker scout cves r/app:old",
        "docker run --rm -e A=b r/app:old npm test",
    ] {
        assert_eq!(found(command), 1, "{command}");
        assert_eq!(found(&command.replace(":old", ":$TAG")), 0, "{command}");
        assert_eq!(found(&command.replace(":old", ":1.2")), 0, "{command}");
    }
    assert_eq!(found("docker run r/app:old node migrate.js"), 0, "that is no test");
    assert_eq!(script("trivy image r/app:old\n").coded("QS305"), NONE, "nothing is pushed");
}
