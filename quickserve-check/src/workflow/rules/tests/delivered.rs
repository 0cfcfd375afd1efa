//! Rules about what a pipeline hands on, pushes, waits for and gives away.

use super::{NONE, Project, job, script};

const DEFINITION: &str = r#"{"containerDefinitions": [{"name": "web", "image": "r/app:placeholder"}]}"#;

/// A workflow that builds, renders and deploys: how it builds, and which image it deploys.
fn deploys(build: &str, image: &str, more: &str) -> Project {
    let text = format!(
        "on: push\nenv: {{ R: registry.example, N: app }}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      \
         - uses: actions/checkout@v6\n{build}      - id: render\n        uses: aws-actions/amazon-ecs-render-task-definition@v1\n        \
         with: {{ task-definition: task.json, container-name: web, image: '{image}' }}\n      \
         - uses: aws-actions/amazon-ecs-deploy-task-definition@v2\n        with:\n          \
         task-definition: ${{{{ steps.render.outputs.task-definition }}}}\n          service: web\n{more}"
    );
    Project::new(&[(".github/workflows/a.yml", &text), ("task.json", DEFINITION)])
}

const WAITS: &str = "          wait-for-service-stability: true\n";

/// Codes of what is said of what was built and pushed.
fn said(project: &Project) -> Vec<String> {
    ["QS802", "QS819"].iter().flat_map(|code| project.coded(code)).collect()
}

#[test]
fn an_image_that_is_deployed_is_pushed_in_one_of_the_usual_forms() {
    let action = |inputs: &str| {
        format!(
            "      - uses: docker/build-push-action@v6\n        with:\n          tags: ${{{{ env.R }}}}/${{{{ env.N }}}}:${{{{ github.sha }}}}\n{inputs}"
        )
    };
    let image = "${{ env.R }}/app:${{ github.sha }}";
    let of_action = |inputs: &str| said(&deploys(&action(inputs), image, WAITS));
    let message = "this image is deployed, and nothing pushes it";
    assert_eq!(of_action("          push: true\n"), NONE);
    assert_eq!(of_action("          push: ${{ github.ref == 'refs/heads/main' }}\n"), NONE);
    assert_eq!(of_action("          outputs: type=image,push=true\n"), NONE);
    assert_eq!(of_action("          push: false\n"), [format!("error 11:17 {message}")]);
    assert_eq!(of_action("          load: true\n"), [format!("error 11:17 {message}")]);
    assert_eq!(of_action(""), [format!("error 8:15 {message}")]);

    let of_command = |run: &str| said(&deploys(&format!("      - run: {run}\n"), image, WAITS));
    assert_eq!(of_command("docker buildx build --push -t $R/$N:$GITHUB_SHA ."), NONE);
    assert_eq!(of_command("docker buildx build --tag=$R/$N:$GITHUB_SHA . -o type=registry"), NONE);
    assert_eq!(
        of_command("docker buildx build --load -t $R/$N:$GITHUB_SHA ."),
        [format!("error 8:14 {message}")]
    );
    assert_eq!(
        of_command("docker build -t $R/$N:$GITHUB_SHA . && docker push $R/$N:${{ github.sha }}"),
        NONE
    );
    assert_eq!(of_command("docker build -t $R/$N:$GITHUB_SHA . && make publish"), NONE, "it may push");
    assert_eq!(of_command("docker build -t $R/$N:$GITHUB_SHA . && docker push --all-tags $R/$N"), NONE);
    let other = format!("{}      - uses: acme/push@v1\n", action("          push: false\n"));
    assert_eq!(said(&deploys(&other, image, WAITS)), NONE, "it may push");
}

#[test]
fn the_tag_that_is_deployed_is_the_one_that_was_pushed() {
    let run = |push: &str, echo: &str| {
        format!(
            "      - id: build\n        env: {{ TAG: '${{{{ github.sha }}}}' }}\n        run: |\n          docker build -t $R/$N:{push} .\n          \
             docker push $R/$N:{push}\n          echo \"image=$R/$N:{echo}\" >> $GITHUB_OUTPUT\n"
        )
    };
    let found =
        |push: &str, echo: &str| said(&deploys(&run(push, echo), "${{ steps.build.outputs.image }}", WAITS));
    assert_eq!(found("$TAG", "$TAG"), NONE);
    assert_eq!(found("$TAG", "${{ github.sha }}"), NONE);
    assert_eq!(
        found("$TAG", "$GITHUB_RUN_NUMBER"),
        ["error 16:73 app is deployed under the tag $GITHUB_RUN_NUMBER, and pushed under $GITHUB_SHA"]
    );
    assert_eq!(found("$TAG", "${TAG::7}"), NONE, "nobody can tell");
    assert_eq!(found("$(git describe)", "$GITHUB_SHA"), NONE, "nobody can tell");
    let twice = run("$TAG", "v-$GITHUB_SHA")
        .replace("docker push", "docker tag $R/$N:$TAG $R/$N:v-$TAG; docker push $R/$N:v-$TAG; docker push");
    assert_eq!(said(&deploys(&twice, "${{ steps.build.outputs.image }}", WAITS)), NONE);
}

#[test]
fn an_output_that_is_used_is_set() {
    let found = |first: &str, output: &str| {
        job(&format!("{first}      - run: echo ${{{{ steps.build.outputs.{output} }}}}\n")).coded("QS818")
    };
    let run = |run: &str| format!("      - id: build\n        run: {run}\n");
    let empty = |place: &str| {
        vec![format!(
            "error {place} steps.build.outputs.image is empty here: step build sets no output image"
        )]
    };
    assert_eq!(found(&run("echo \"image=x\" >> $GITHUB_OUTPUT"), "image"), NONE);
    assert_eq!(found(&run("echo \"imgae=x\" >> $GITHUB_OUTPUT"), "image"), empty("8:23"));
    assert_eq!(found(&run("docker build -t x ."), "image"), empty("8:23"));
    for may in [
        "node build.js",
        "./build",
        "make image",
        "cat outputs >> $GITHUB_OUTPUT",
        "echo \"$NAME=x\" >> $GITHUB_OUTPUT",
        "echo \"image<<EOF\" >> $GITHUB_OUTPUT",
        "'{ echo image=x; } >> $GITHUB_OUTPUT'",
        "echo '::set-output name=image::x'",
    ] {
        assert_eq!(found(&run(may), "image"), NONE, "{may}");
    }
    let action = "      - id: build\n        uses: docker/build-push-action@v6\n";
    assert_eq!(found(action, "digest"), NONE);
    assert_eq!(found(action, "image"), empty("8:23"));
    assert_eq!(found("      - id: build\n        uses: acme/build@v1\n", "image"), NONE);
}

#[test]
fn an_output_of_a_job_is_handed_on() {
    let found = |outputs: &str| {
        let text = format!(
            "on: push\njobs:\n  build:\n{outputs}    steps:\n      - id: x\n        run: echo \"tag=1\" >> $GITHUB_OUTPUT\n  \
             deploy:\n    needs: build\n    steps:\n      - run: echo ${{{{ needs.build.outputs.tag }}}}\n"
        );
        Project::new(&[(".github/workflows/a.yml", &text)]).coded("QS818")
    };
    assert_eq!(found("    outputs: { tag: '${{ steps.x.outputs.tag }}' }\n"), NONE);
    assert_eq!(
        found(""),
        ["error 10:23 needs.build.outputs.tag is empty here: job build sets no output tag"]
    );
    assert_eq!(
        found("    outputs: { tag: '${{ steps.x.outputs.version }}' }\n"),
        ["error 4:26 steps.x.outputs.version is empty here: step x sets no output version"]
    );
    let called = "on: push\njobs:\n  build: { uses: ./.github/workflows/b.yml }\n  deploy:\n    needs: build\n    steps:\n      \
                  - run: echo ${{ needs.build.outputs.tag }}\n";
    assert_eq!(Project::new(&[(".github/workflows/a.yml", called)]).coded("QS818"), NONE);
}

#[test]
fn the_file_that_is_registered_is_the_one_that_was_filled_in() {
    let found = |fill: &str, definition: &str, registers: &str| {
        let text = format!(
            "set -eu\n{fill}\naws ecs register-task-definition --cli-input-json file://{registers}\n"
        );
        let project = Project::new(&[("deploy.sh", &text), ("task.json", definition)]);
        ["QS802", "QS808"].iter().flat_map(|code| project.coded(code)).collect::<Vec<_>>()
    };
    let literal = r#"{"containerDefinitions": [{"name": "web", "image": "r/app:${TAG}"}]}"#;
    let jq = "jq --arg i \"$1\" '.containerDefinitions[0].image = $i' task.json";
    assert_eq!(found(&format!("{jq} > new.json"), DEFINITION, "new.json"), NONE);
    assert_eq!(
        found(&format!("{jq} > new.json"), DEFINITION, "task.json"),
        ["error 3:34 task.json is registered as it stands: what was filled in is new.json"]
    );
    assert_eq!(found(&format!("{jq} > new.json; mv new.json task.json"), DEFINITION, "task.json"), NONE);
    assert_eq!(found(&format!("{jq} > new.json; aws s3 cp new.json s3://x"), DEFINITION, "task.json"), NONE);
    assert_eq!(found("", DEFINITION, "task.json"), NONE, "it may be what is meant");
    let registered = "error 3:34 task.json is registered with ${TAG} in it (line 1), which nothing fills in";
    assert_eq!(found("envsubst < task.json > new.json", literal, "task.json"), [registered]);
    assert_eq!(found("envsubst < task.json > new.json", literal, "new.json"), NONE);
    assert_eq!(found("sed -i s/a/b/ task.json", literal, "task.json"), NONE);
    assert_eq!(found("envsubst < task.json.tpl > task.json", literal, "task.json"), NONE);
    assert_eq!(found("cat task.json | envsubst | tee task.json", literal, "task.json"), NONE);
}

#[test]
fn the_output_of_the_render_action_is_what_is_registered() {
    let found = |register: &str| {
        let text = format!(
            "on: push\njobs:\n  a:\n    steps:\n      - id: render\n        uses: aws-actions/amazon-ecs-render-task-definition@v1\n        \
             with: {{ task-definition: task.json, container-name: web, image: 'r/app:${{{{ github.sha }}}}' }}\n      \
             - run: aws ecs register-task-definition --cli-input-json file://{register}\n"
        );
        Project::new(&[(".github/workflows/a.yml", &text), ("task.json", DEFINITION)]).coded("QS802")
    };
    assert_eq!(found("${{ steps.render.outputs.task-definition }}"), NONE);
    assert_eq!(
        found("task.json"),
        [
            "error 8:47 task.json is registered as it stands: what was filled in is ${{ steps.render.outputs.task-definition }}"
        ]
    );
}

#[test]
fn a_rollout_is_told_bounds_within_which_it_can_go_on() {
    let found = |options: &str| {
        let project = script(&format!("aws ecs update-service --service a {options}\n"));
        ["QS419", "QS420"].iter().flat_map(|code| project.coded(code)).collect::<Vec<_>>()
    };
    let stuck =
        "error 1:63 at least 100 % of the tasks stay and at most 100 % run: none can ever be replaced";
    assert_eq!(found("--deployment-configuration minimumHealthyPercent=100,maximumPercent=100"), [stuck]);
    assert_eq!(
        found("--deployment-configuration '{\"maximumPercent\": 100, \"minimumHealthyPercent\": 100}'"),
        [stuck]
    );
    let of_one =
        found("--desired-count 1 --deployment-configuration maximumPercent=150,minimumHealthyPercent=100");
    assert_eq!(of_one.len(), 1, "{of_one:?}");
    for fine in [
        "--deployment-configuration maximumPercent=200,minimumHealthyPercent=100",
        "--deployment-configuration maximumPercent=150,minimumHealthyPercent=100",
        "--deployment-configuration maximumPercent=100,minimumHealthyPercent=$LEAST",
        "--deployment-configuration strategy=BLUE_GREEN,maximumPercent=100,minimumHealthyPercent=100",
        "--deployment-configuration deploymentCircuitBreaker={enable=true,rollback=true}",
        "--deployment-configuration deploymentCircuitBreaker={enable=false,rollback=false},alarms={alarmNames=a,enable=true,rollback=true}",
    ] {
        assert_eq!(found(fine), NONE, "{fine}");
    }
    assert_eq!(
        found("--deployment-configuration \"deploymentCircuitBreaker={enable=false,rollback=false}\""),
        [
            "warning 1:63 this switches the circuit breaker off: a deployment that fails starts its tasks again for ever"
        ]
    );
    assert_eq!(
        found("--deployment-configuration=deploymentCircuitBreaker={enable=true,rollback=false}").len(),
        1
    );
}

#[test]
fn a_deployment_is_waited_for() {
    let update = "aws ecs update-service --service a --task-definition $NEW\n";
    let alone = "warning 1:1 nobody waits for this deployment: it counts as done before a task has started";
    assert_eq!(script(update).coded("QS816"), [alone]);
    assert_eq!(script(&format!("{update}aws s3 ls\n")).coded("QS816"), [alone]);
    assert_eq!(script("aws ecs update-service --service a --desired-count 3\n").coded("QS816"), NONE);
    for waits in [
        "aws ecs wait services-stable --services a\naws ecs describe-services --services a",
        "while true; do aws ecs describe-services --services a; done",
        "STATE=$(aws ecs describe-services --services a)",
        "python3 wait.py",
        "./bin/wait",
        "curl --retry 10 https://a.example/version",
    ] {
        assert_eq!(script(&format!("{update}{waits}\n")).coded("QS816"), NONE, "{waits}");
    }
    let steps = |more: &str| {
        format!("      - run: aws ecs update-service --service a --force-new-deployment\n{more}")
    };
    assert_eq!(job(&steps("")).coded("QS816").len(), 1);
    assert_eq!(job(&steps("      - run: aws ecs describe-services --services a\n")).coded("QS816"), NONE);
    assert_eq!(job(&steps("      - uses: acme/wait@v1\n")).coded("QS816"), NONE);
}

#[test]
fn the_deploy_action_is_told_to_wait() {
    let build = "      - run: docker build -t r/app:1 . && docker push r/app:1\n";
    let found = |more: &str| deploys(build, "r/app:1", more).coded("QS816");
    let message =
        "the action does not wait: the job is green before a task has started, whatever becomes of it";
    assert_eq!(found(WAITS), NONE);
    assert_eq!(found("          wait-for-service-stability: ${{ inputs.wait }}\n"), NONE);
    assert_eq!(found(""), [format!("warning 15:11 {message}")]);
    assert_eq!(found("          wait-for-service-stability: false\n"), [format!("warning 16:39 {message}")]);
    assert_eq!(found("      - run: aws ecs describe-services --services web\n"), NONE);
}

#[test]
fn a_waiter_that_does_not_exist_is_told() {
    let found = |waiter: &str| script(&format!("aws ecs wait {waiter} --services a\n")).coded("QS807");
    assert_eq!(
        found("service-stable"),
        ["error 1:14 `aws ecs wait` has no service-stable, so the command fails and waits for nothing"]
    );
    assert_eq!(found("services-stable"), NONE);
    assert_eq!(found("tasks-stopped"), NONE);
    assert_eq!(found("daemon-active"), NONE, "it may be newer");
    assert_eq!(found("$WAITER"), NONE);
}

#[test]
fn a_secret_in_plain_sight_is_told_without_its_value() {
    let found = |env: &str, run: &str| {
        let text = format!("on: push\nenv: {{ {env} }}\njobs:\n  a:\n    steps:\n      - run: {run}\n");
        let project = Project::new(&[(".github/workflows/a.yml", &text)]);
        let findings = project.findings().into_iter().filter(|finding| finding.code.to_string() == "QS106");
        findings.collect::<Vec<_>>()
    };
    let secret = "q8Zr1Lw0Tn5Vx2Kb";
    let deploys = "docker push r/a:1";
    let findings = found(&format!("DB_PASSWORD: {secret}"), deploys);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].message, "DB_PASSWORD is a secret in plain sight");
    assert!(findings[0].excerpt.is_none() && !format!("{:#}", findings[0]).contains(secret));
    assert_eq!(found(&format!("DB_PASSWORD: {secret}"), "npm test").len(), 0, "only tests see it");
    let token = ["gh", "p_", "kT7zQ2mXw9RbL4vN8sJ1dF6hY3cP5gA0eUiO"].concat();
    assert_eq!(found(&format!("GITHUB_TOKEN: {token}"), "npm test").len(), 1);
    for (env, why) in [
        ("DB_PASSWORD: '${{ secrets.DB_PASSWORD }}'", "a secret of the repository"),
        ("DB_PASSWORD: postgres", "what every local database has"),
        ("DATABASE_URL: 'postgresql://app:s3cr3tpass@localhost:5432/app'", "beside the job"),
        ("NODE_ENV: production", "no secret"),
        ("AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/deploy'", "no secret"),
    ] {
        assert_eq!(found(env, deploys).len(), 0, "{why}");
    }
}
