//! Rules about what is deployed, by workflows and by scripts.

use std::os::unix::fs::PermissionsExt as _;

use super::{NONE, Project, job, script};

const DEFINITION: &str = "{\"containerDefinitions\": [{\"name\": \"a\", \"image\": \"r/a:${IMAGE_TAG}\"}]}";

#[test]
fn an_image_that_is_built_and_not_deployed_is_found() {
    let steps = |tags: &str, update: &str| {
        format!(
            "      - run: |\n          docker push r/a:${{{{ github.sha }}}}\n          {tags}\n          aws ecs update-service --service a {update}\n"
        )
    };
    let message =
        "r/a:${{ github.sha }} is built and not deployed: ECS starts what the current task definition names";
    assert_eq!(job(&steps("", "--force-new-deployment")).coded("QS802"), [format!("error 9:11 {message}")]);
    assert_eq!(
        job(&steps("docker push r/a:latest", "--force-new-deployment")).coded("QS802"),
        [format!("warning 9:11 {message}")],
        "the service may name latest"
    );
    assert_eq!(job(&steps("", "--force-new-deployment --task-definition $NEW")).coded("QS802"), NONE);
    assert_eq!(job(&steps("", "--desired-count 2")).coded("QS802"), NONE);
    assert_eq!(job(&steps("terraform apply", "--force-new-deployment")).coded("QS802"), NONE);
    let moving = "      - run: docker push r/a:prod; aws ecs update-service --force-new-deployment\n";
    assert_eq!(job(moving).coded("QS802"), NONE, "the definition may name the tag");
}

#[test]
fn a_definition_that_names_the_moving_tag_decides() {
    let text = "on: push\njobs:\n  a:\n    steps:\n      - run: |\n          docker push r/a:$GITHUB_SHA\n          \
                docker push r/a:latest\n          aws ecs update-service --force-new-deployment\n";
    let with = |image: &str| {
        let definition = DEFINITION.replace("${IMAGE_TAG}", image);
        let files = [(".github/workflows/a.yml", text), ("deploy/task.json", definition.as_str())];
        Project::new(&files).coded("QS802").first().cloned().unwrap_or_default()
    };
    assert!(with("latest").starts_with("warning"));
    assert!(with("1.2").starts_with("error"));
}

#[test]
fn a_version_that_is_asked_for_and_not_used_is_found() {
    let found = |rest: &str| {
        let deploys = "aws ecs update-service --service a --task-definition x\n";
        script(&format!(
            "set -euo pipefail\nIMAGE_TAG=\"$1\"\necho \"deploying $IMAGE_TAG\"\n{rest}\n{deploys}"
        ))
        .coded("QS802")
    };
    assert_eq!(
        found(""),
        ["error 2:1 IMAGE_TAG is never used: the version that is asked for is not the one that is deployed"]
    );
    assert_eq!(found("[ -n \"$IMAGE_TAG\" ] || exit 1").len(), 1);
    for use_of_it in [
        "sed \"s/TAG/$IMAGE_TAG/\" t > u",
        "export IMAGE_TAG",
        "cat > t <<EOF\n$IMAGE_TAG\nEOF",
        "echo \"$IMAGE_TAG\" > version",
        "X=$(echo $IMAGE_TAG)",
        "echo $IMAGE_TAG | ./register",
        ". ./lib.bash",
    ] {
        assert_eq!(found(use_of_it), NONE, "{use_of_it}");
    }
}

#[test]
fn a_version_before_a_command_is_that_commands() {
    let deploys = "aws ecs update-service --service a --task-definition x\n";
    for with in ["IMAGE_TAG=$1 envsubst < t > out", "TF_VAR_image_tag=\"$1\" terraform apply"] {
        assert_eq!(script(&format!("set -eu\n{with}\n{deploys}")).coded("QS802"), NONE, "{with}");
    }
    let own = format!("set -eu\nreadonly IMAGE_TAG=$1\n{deploys}");
    assert_eq!(script(&own).coded("QS802").len(), 1);
}

#[test]
fn latest_is_not_pushed() {
    let found = |run: &str| job(&format!("      - run: {run}\n")).coded("QS803").len();
    for run in [
        "docker push r/a:latest",
        "docker buildx build -t r/a:1 --tag r/a:latest --push .",
        "TAG=latest; docker push r/a:$TAG",
        "docker tag r/a:1 r/a:latest; docker push --all-tags r/a",
    ] {
        assert_eq!(found(run), 1, "{run}");
    }
    for run in [
        "docker push r/a:1",
        "docker build -t r/a:latest .",
        "docker tag a r/a:latest",
        "docker pull r/a:latest",
    ] {
        assert_eq!(found(run), 0, "{run}");
    }
    let action = "      - uses: docker/build-push-action@v7\n        with:\n          push: true\n          tags: |\n            \
                  r/a:1\n            r/a:latest\n";
    assert_eq!(
        job(action).coded("QS803"),
        ["warning 11:13 r/a:latest is pushed, and nobody can tell which version it is"]
    );
    assert_eq!(job(&action.replace("push: true", "push: false")).coded("QS803"), NONE);
}

#[test]
fn a_script_does_not_deploy_latest_by_default() {
    assert_eq!(
        script("TAG=${1:-latest}\nkubectl set image d/a a=r/a:$TAG\n").coded("QS302"),
        ["warning 1:5 without argument 1 this deploys `latest`, which can be any version"]
    );
    assert_eq!(script("V=${1:-latest}\necho $V\n").coded("QS302"), NONE);
    assert_eq!(script("TAG=${1:?}\nkubectl set image d/a a=r/a:$TAG\n").coded("QS302"), NONE);
}

#[test]
fn a_template_is_filled_in_before_it_is_registered() {
    let found = |before: &str| {
        let register = "NEW=$(aws ecs register-task-definition --cli-input-json file://deploy/task.json)\n";
        Project::new(&[("deploy.sh", &format!("{before}\n{register}")), ("deploy/task.json", DEFINITION)])
            .coded("QS808")
    };
    let found_bare = found("");
    assert_eq!(found_bare.len(), 1);
    assert!(found_bare[0].contains("is registered with ${IMAGE_TAG} in it (line 1)"), "{found_bare:?}");
    assert_eq!(found("envsubst < deploy/task.tpl > deploy/task.json"), NONE);
    assert_eq!(found("sed -i s/x/y/ deploy/*.json"), NONE);
    let action = "on: push\njobs:\n  a:\n    steps:\n      - uses: aws-actions/amazon-ecs-deploy-task-definition@v2\n        \
                  with: { task-definition: deploy/task.json }\n";
    let files = [(".github/workflows/a.yml", action), ("deploy/task.json", DEFINITION)];
    assert_eq!(Project::new(&files).coded("QS808").len(), 1);
    let rendered = action.replace("deploy/task.json", "${{ steps.r.outputs.task-definition }}");
    assert_eq!(Project::new(&[(".github/workflows/a.yml", &rendered), files[1]]).coded("QS808"), NONE);
}

const CHECKOUT: &str = "      - uses: actions/checkout@v6\n";

#[test]
fn a_script_that_is_called_is_there() {
    let found = |steps: &str| job(&format!("{CHECKOUT}{steps}")).coded("QS809");
    assert_eq!(
        found("      - run: ./scripts/a.sh x\n"),
        ["error 7:14 ./scripts/a.sh is called and does not exist"]
    );
    assert_eq!(found("      - run: bash scripts/a.sh\n").len(), 1);
    assert_eq!(job("      - run: ./a.sh\n").coded("QS809"), NONE, "without a checkout nothing is known");
    for steps in [
        "      - run: ./node_modules/.bin/a\n",
        "      - run: cd app && ./a.sh\n",
        "      - run: curl -o a.sh https://x && bash a.sh\n",
        "      - run: if [ -x ./a.sh ]; then ./a.sh; fi\n",
        "      - run: $DIR/a.sh\n",
        "      - uses: actions/download-artifact@v7\n      - run: ./a.sh\n",
        "      - run: git clone x\n      - run: x/a.sh\n",
        "      - uses: actions/checkout@v6\n        with: { repository: acme/ci, path: ci-tools }\n      - run: ./ci-tools/a.sh\n",
        "      - uses: actions/checkout@v6\n        with: { submodules: true }\n      - run: ./sub/a.sh\n",
        "      - run: npm ci\n      - run: bash node_modules/acme/post.sh\n",
    ] {
        assert_eq!(found(steps), NONE, "{steps}");
    }
    let made = "      - uses: acme/setup@v1\n      - run: ./a.sh\n";
    assert_eq!(found(made), ["warning 8:14 ./a.sh is called and does not exist"]);
}

#[test]
fn a_script_that_is_called_may_be_run() {
    let steps = format!("{CHECKOUT}      - run: ./bin/a.sh\n");
    let text = format!("on: push\njobs:\n  a:\n    steps:\n{steps}");
    let project = Project::new(&[(".github/workflows/a.yml", &text), ("bin/a.sh", "echo\n")]);
    let path = project.0.path().join("bin/a.sh");
    let mode =
        |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("permissions");
    mode(0o644);
    assert_eq!(project.coded("QS809"), ["warning 6:14 ./bin/a.sh is run and may not be"]);
    mode(0o755);
    assert_eq!(project.coded("QS809"), NONE);
}

#[test]
fn a_roll_back_is_waited_for() {
    let found = |then: &str| {
        script(&format!(
            "set -eu\nOLD=$(aws ecs describe-services --query x)\nif ! ./test; then\n  \
             aws ecs update-service --task-definition $OLD\n{then}  exit 1\nfi\n"
        ))
        .coded("QS810")
    };
    assert_eq!(
        found(""),
        ["warning 4:3 the roll back is started and nobody waits for it: what serves afterwards is unknown"]
    );
    assert_eq!(found("  aws ecs wait services-stable --services a\n"), NONE);
    let forwards = "OLD=$(x)\nNEW=$(y)\naws ecs update-service --task-definition $NEW\n";
    assert_eq!(script(forwards).coded("QS810"), NONE);
}

#[test]
fn a_release_that_serves_badly_is_taken_back() {
    let steps = |more: &str| {
        format!(
            "      - run: aws ecs update-service --task-definition $N\n      - name: Smoke\n        run: curl -f x\n{more}"
        )
    };
    assert_eq!(
        job(&steps("")).coded("QS815"),
        [
            "warning 8:14 this judges the release when it serves already, and nothing takes it back when it fails"
        ]
    );
    assert_eq!(job(&steps("      - if: failure()\n        run: ./back\n")).coded("QS815"), NONE);
    assert_eq!(
        job("      - name: Smoke\n        run: curl -f x\n").coded("QS815"),
        NONE,
        "nothing is deployed"
    );
}

#[test]
fn a_wait_is_no_proof() {
    let wait = "aws ecs wait services-stable --services a\n";
    assert_eq!(
        script(wait).coded("QS816"),
        [
            "warning 1:1 this also succeeds when ECS has rolled the deployment back, and gives up after 10 minutes"
        ]
    );
    assert_eq!(script(&format!("{wait}aws ecs describe-services --query x\n")).coded("QS816"), NONE);
}

#[test]
fn a_script_ends_at_the_first_error() {
    let first = |text: &str| script(text).coded("QS813").first().cloned().unwrap_or_default();
    assert_eq!(first("kubectl apply -f x\n"), "warning 1:1 the script goes on after a command that fails");
    assert_eq!(
        first("set -e\nkubectl apply -f x\n"),
        "info 1:1 a variable that is not set counts as empty here"
    );
    assert_eq!(
        first("set -eu\ndocker build . | tee log\n"),
        "warning 2:1 a failure of this is not noticed: the pipe has the result of its last command"
    );
    assert_eq!(first("set -euo pipefail\nkubectl apply -f x\n"), "");
    assert_eq!(first("#!/bin/sh -eu\nkubectl apply -f x\n"), "");
    assert_eq!(first("echo hi\n"), "", "it deploys nothing");
}

#[test]
fn nothing_is_removed_that_an_empty_variable_names() {
    let found = |text: &str| script(text).coded("QS813").len();
    for text in ["rm -rf $X", "rm -fr \"$X/\"*", "rm -r --force ${X}/a"] {
        assert_eq!(found(text), 1, "{text}");
    }
    for text in ["rm -rf \"$X\"", "rm -rf \"${X:?}\"/a", "rm $X", "rm -rf build/$", "rm -f $X"] {
        assert_eq!(found(text), 0, "{text}");
    }
}
