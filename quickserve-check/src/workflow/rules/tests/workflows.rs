//! Rules about workflows alone.

use std::path::Path;

use quickserve_core::finding::Severity;

use super::{NONE, Project, findings, job, line};

#[test]
fn a_workflow_that_is_no_yaml_is_an_error() {
    let project = Project::new(&[(".github/workflows/a.yaml", "on: push\njobs:\n\ta: {}\n")]);
    assert!(project.coded("QS801")[0].starts_with("error 3:"));
}

#[test]
fn keys_that_do_not_expire_are_found() {
    let keys = "      - uses: aws-actions/configure-aws-credentials@v6\n        with:\n          \
                aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}\n";
    assert_eq!(job(keys).coded("QS804"), ["warning 8:11 aws-access-key-id is a key that does not expire"]);
    let role =
        "      - uses: aws-actions/configure-aws-credentials@v6\n        with: { role-to-assume: x }\n";
    assert_eq!(job(role).coded("QS804"), NONE);
    let session = format!("{keys}          aws-session-token: ${{{{ secrets.T }}}}\n");
    assert_eq!(job(&session).coded("QS804"), NONE);
}

#[test]
fn an_action_is_pinned_by_its_commit() {
    let steps = "      - uses: actions/checkout@v6\n      - uses: acme/deploy@main\n      - uses: ./local\n      \
                 - uses: acme/deploy@0123456789abcdef0123456789abcdef01234567\n      - uses: docker://alpine:3\n";
    assert_eq!(
        job(steps).coded("QS805"),
        [
            "warning 7:15 2 actions that their owners can move: acme/deploy@main (line 7), docker://alpine:3 (line 10)",
            "info 6:15 actions/checkout is named by tag v6, which its owner can move",
        ]
    );
}

#[test]
fn one_action_in_many_steps_is_told_once() {
    let steps = "      - uses: acme/deploy@v1\n      - uses: acme/deploy@v1\n";
    let message = "warning 6:15 acme/deploy is named by tag v1, which its owner can move";
    assert_eq!(job(steps).coded("QS805"), [message]);
    let both = format!("{steps}      - uses: acme/notify@v2\n");
    let message =
        "warning 6:15 2 actions that their owners can move: acme/deploy@v1 (line 6), acme/notify@v2 (line 8)";
    assert_eq!(job(&both).coded("QS805"), [message]);
}

#[test]
fn an_old_action_is_found_also_behind_a_commit() {
    let steps = "      - uses: actions/checkout@v3\n      - uses: actions/checkout@v4.1.0\n      \
                 - uses: actions/checkout@v6\n      - uses: actions/upload-artifact@v3\n      \
                 - uses: actions/cache/restore@0123456789abcdef0123456789abcdef01234567 # v2.1\n      \
                 - uses: actions/cache@0123456789abcdef0123456789abcdef01234567\n";
    assert_eq!(
        job(steps).coded("QS806"),
        [
            "error 9:15 actions/upload-artifact@v3 is refused by github.com: the job fails at once",
            "error 10:15 actions/cache/restore@v2 is refused by github.com: the job fails at once",
            "warning 6:15 actions/checkout@v3 is not maintained any more, and for a Node.js that no runner has",
            "info 7:15 actions/checkout@v4 is for Node.js 20; runners have only 24 and run it on that",
        ]
    );
}

#[test]
fn on_a_runner_of_ones_own_nothing_is_certain() {
    let text = "on: push\njobs:\n  a:\n    runs-on: [self-hosted, linux]\n    steps:\n      \
                - uses: actions/upload-artifact@v3\n  b:\n    runs-on: ubuntu-20.04\n";
    let project = Project::new(&[(".github/workflows/a.yml", text)]);
    let found = project.coded("QS806");
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|line| line.starts_with("warning ")), "{found:?}");
}

#[test]
fn commands_that_are_gone_are_found() {
    let steps = "      - run: |\n          docker scan x\n          docker-compose up -d\n          \
                 echo \"::set-output name=a::b\"\n          echo '::set-env name=a::b'\n          \
                 $(aws ecr get-login --no-include-email)\n          npm ci --only=production\n          \
                 curl x | sudo apt-key add -\n          echo 'docker scan'\n";
    assert_eq!(
        job(steps).coded("QS807"),
        [
            "error 7:11 `docker scan` was removed from Docker in April 2023",
            "error 10:16 `::set-env` is disabled since November 2020, and fails the step",
            "error 11:13 `aws ecr get-login` is not in version 2 of the AWS CLI",
            "warning 8:11 `docker-compose` is gone from Docker and from GitHub's runners",
            "warning 9:16 `::set-output` is deprecated, and GitHub will disable it",
            "warning 13:25 `apt-key` is deprecated, and last in Debian 12 and Ubuntu 24.04",
            "info 12:18 `--only=production` of npm is deprecated",
        ]
    );
    let steps = "      - run: aws ecs update-service --service a --wait\n";
    assert_eq!(
        job(steps).coded("QS807"),
        ["error 6:49 `aws ecs update-service` has no option --wait, so the command fails"]
    );
    assert_eq!(job("      - run: docker scout cves x; docker compose up --wait\n").coded("QS807"), NONE);
}

#[test]
fn tests_that_may_be_skipped_are_found() {
    let found = |run: &str| job(&format!("      - run: {run}\n")).coded("QS812").len();
    for run in [
        "npm test --if-present",
        "npx jest --passWithNoTests",
        "npm test || true",
        "pytest || echo no",
        "npm test | tee log",
    ] {
        assert_eq!(found(run), 1, "{run}");
    }
    for run in
        ["npm test", "npm ci && npm test", "npm run build --if-present", "echo || true", "npm test || exit 1"]
    {
        assert_eq!(found(run), 0, "{run}");
    }
    assert_eq!(job("      - run: npm test | tee log\n        shell: bash\n").coded("QS812"), NONE);
    let ignored =
        "      - run: npm test\n        continue-on-error: true\n      - run: pytest\n        if: false\n";
    assert_eq!(
        job(ignored).coded("QS812"),
        [
            "warning 7:28 this step runs tests, and goes on when they fail",
            "warning 9:13 these tests never run"
        ]
    );
}

#[test]
fn a_deployment_waits_for_the_tests() {
    let text = |needs: &str| {
        format!(
            "on: push\njobs:\n  test:\n    steps: [{{ run: npm test }}]\n  deploy:\n{needs}    \
             steps: [{{ run: helm upgrade a b }}]\n  e2e:\n    needs: deploy\n    steps: [{{ run: npx cypress run }}]\n"
        )
    };
    let found = |needs: &str| Project::new(&[(".github/workflows/a.yml", &text(needs))]).coded("QS812");
    assert_eq!(found(""), ["warning 5:3 job deploy deploys without waiting for the tests of job test"]);
    assert_eq!(found("    needs: [test]\n"), NONE);
    assert_eq!(
        found("    needs: [test]\n    if: always()\n"),
        ["warning 7:9 job deploy deploys also when the tests of job test fail"]
    );
}

#[test]
fn a_workflow_that_deploys_says_what_it_may_do_and_runs_alone() {
    let text = |top: &str, run: &str| format!("on: push\n{top}jobs:\n  d:\n    steps: [{{ run: {run} }}]\n");
    let found = |top: &str, run: &str| {
        let project = Project::new(&[(".github/workflows/a.yml", &text(top, run))]);
        (project.coded("QS811").len(), project.coded("QS814").len())
    };
    assert_eq!(found("", "terraform apply -auto-approve"), (1, 1));
    assert_eq!(found("concurrency: d\n", "terraform apply"), (0, 1));
    assert_eq!(found("permissions: { contents: read }\n", "terraform apply"), (1, 0));
    assert_eq!(found("", "terraform plan"), (0, 0));
}

#[test]
fn a_variable_of_another_step_is_empty() {
    let steps = |first: &str| {
        format!(
            "      - name: Build\n        env: {{ TAG: x }}\n        run: {first}\n      \
             - run: |\n          docker push a:$TAG\n          docker push b:${{TAG}}\n"
        )
    };
    assert_eq!(
        job(&steps("docker build -t a:$TAG .")).coded("QS817"),
        ["error 10:25 TAG is empty here: only step \"Build\" has it"]
    );
    assert_eq!(job(&steps("echo TAG=1 >> $GITHUB_ENV")).coded("QS817"), NONE);
    assert_eq!(
        job("      - run: docker push a:$TAG\n").coded("QS817"),
        NONE,
        "nobody has it: not ours to say"
    );
    let own = "      - env: { TAG: x }\n        run: a\n      - run: TAG=1; docker push a:$TAG\n";
    assert_eq!(job(own).coded("QS817"), NONE);
}

#[test]
fn a_variable_that_github_or_an_action_gives_is_not_empty() {
    let found = |name: &str, before: &str| {
        let steps = format!(
            "      - env: {{ {name}: x }}\n        run: a\n{before}      - run: docker push a:${name}\n"
        );
        let text = format!("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{steps}");
        let set = "echo TAG=1 >> \"$GITHUB_ENV\"\n";
        let files = [(".github/workflows/a.yml", text.as_str()), ("ci/set.sh", set)];
        Project::new(&files).coded("QS817")
    };
    let credentials =
        "      - uses: aws-actions/configure-aws-credentials@v6\n        with: { aws-region: x }\n";
    assert_eq!(found("AWS_REGION", credentials), NONE);
    assert_eq!(found("AWS_REGION", "").len(), 1);
    assert_eq!(found("CI", ""), NONE);
    assert_eq!(found("GITHUB_SHA", ""), NONE);
    assert_eq!(found("TAG", "      - run: bash ci/set.sh\n"), NONE);
    assert!(found("TAG", "      - uses: acme/setup@v1\n")[0].starts_with("warning "));
    assert!(found("TAG", "      - run: npm run set-tag\n")[0].starts_with("warning "));
    assert!(found("TAG", "      - run: npm ci; npm run test\n")[0].starts_with("error "));
    assert!(found("TAG", credentials)[0].starts_with("error "));
}

#[test]
fn a_region_of_an_earlier_step_is_enough() {
    let found = |before: &str| {
        job(&format!(
            "{before}      - uses: aws-actions/configure-aws-credentials@v6\n        with: {{ role-to-assume: a, role-chaining: true }}\n"
        ))
        .coded("QS819")
    };
    let message = "the action is given no aws-region, and ends";
    assert_eq!(found(""), [format!("error 6:15 {message}")]);
    let first = "      - uses: aws-actions/configure-aws-credentials@v6\n        with: { aws-access-key-id: a, aws-region: x }\n";
    assert_eq!(found(first), NONE);
    assert_eq!(found("      - run: echo AWS_REGION=x >> $GITHUB_ENV\n"), NONE);
    assert_eq!(found("      - uses: acme/setup@v1\n"), [format!("warning 7:15 {message}")]);
}

/// Workflows in the shapes of well-known public projects: nothing of them surely fails.
#[test]
fn workflows_that_work_give_no_error() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pipelines");
    let mut projects = 0;
    for project in std::fs::read_dir(root).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        projects += 1;
        let errors: Vec<_> =
            findings(&project).into_iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert_eq!(errors.iter().map(line).collect::<Vec<_>>(), NONE, "{}", project.display());
    }
    assert!(projects >= 6);
}
