//! What stands elsewhere is followed: functions, wrappers, merge keys, composite actions.

use super::{NONE, Project, script};

#[test]
fn a_wait_in_a_function_counts_where_it_is_called() {
    let wait = "wait_for_it() {\n  aws ecs wait services-stable --services a\n  aws ecs describe-services --services a\n}\n";
    let update = "aws ecs update-service --service a --task-definition $NEW\n";
    assert_eq!(script(&format!("{wait}{update}wait_for_it\n")).coded("QS816"), NONE);
    assert_eq!(script(&format!("{wait}{update}")).coded("QS816").len(), 1, "nobody calls it");
    // What deploys is a function, and who calls it waits.
    let deploys = "deploy() {\n  aws ecs update-service --service a --task-definition $NEW\n}\n";
    assert_eq!(script(&format!("{deploys}{wait}deploy\nwait_for_it\n")).coded("QS816"), NONE);
    assert_eq!(script(&format!("{deploys}deploy\n")).coded("QS816").len(), 1);
}

#[test]
fn a_wait_in_what_is_read_in_or_called_counts() {
    let update = "aws ecs update-service --service a --task-definition $NEW\n";
    let wait = "aws ecs wait services-stable --services a\naws ecs describe-services --services a\n";
    let found = |deploy: &str, lib: &str| {
        Project::new(&[("deploy.sh", deploy), ("scripts/lib.sh", lib)]).coded("QS816")
    };
    assert_eq!(found(&format!("{update}bash scripts/lib.sh\n"), wait), NONE);
    let functions = format!("settle() {{\n{wait}}}\n");
    assert_eq!(found(&format!(". scripts/lib.sh\n{update}settle\n"), &functions), NONE);
    assert_eq!(found(&format!(". scripts/lib.sh\n{update}"), &functions).len(), 1);
    // The roll back is in a function of the library, and so is the wait.
    let rollback = "rollback() {\n  aws ecs update-service --task-definition $PREVIOUS\n  settle\n}\n";
    let project = Project::new(&[
        ("deploy.sh", &format!(". scripts/lib.sh\n{rollback}")),
        ("scripts/lib.sh", &functions),
    ]);
    assert_eq!(project.coded("QS810"), NONE);
}

#[test]
fn a_command_that_a_function_runs_is_judged() {
    let run = "run() {\n  echo \"+ $*\"\n  \"$@\"\n}\n";
    assert_eq!(script(&format!("{run}run docker scan app\n")).coded("QS807").len(), 1);
    assert_eq!(script(&format!("{run}run aws ecs wait service-stable\n")).coded("QS807").len(), 1);
}

#[test]
fn merge_keys_bring_what_they_name() {
    let text = "on: push\nx-env: &env { R: r }\njobs:\n  a:\n    runs-on: ubuntu-latest\n    env: { <<: *env, TAG: x }\n    steps:\n      \
                - env: { TAG: y }\n        run: docker push $R/a:1\n      - run: docker push $R/b:1\n";
    assert_eq!(Project::new(&[(".github/workflows/a.yml", text)]).coded("QS817"), NONE);
    let shared = "on: push\nx-steps: &build { run: docker scan app }\njobs:\n  a:\n    steps:\n      - <<: *build\n        name: b\n";
    assert_eq!(
        Project::new(&[(".github/workflows/a.yml", shared)]).coded("QS807"),
        ["error 2:24 `docker scan` was removed from Docker in April 2023"]
    );
}

const USES: &str = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v6\n      \
                    - uses: ./.github/actions/deploy\n";

/// A project whose workflow uses a composite action with these steps.
fn composite(steps: &str) -> Project {
    let action = format!("name: deploy\ndescription: x\nruns:\n  using: composite\n  steps:\n{steps}");
    Project::new(&[(".github/workflows/a.yml", USES), (".github/actions/deploy/action.yml", &action)])
}

#[test]
fn the_steps_of_a_composite_action_are_judged_in_its_own_file() {
    let project = composite("    - shell: bash\n      run: docker scan app\n");
    let found = project.findings();
    let scan = found.iter().find(|finding| finding.code.to_string() == "QS807").expect("a finding");
    let place = scan.place().expect("a place").to_string();
    assert_eq!(place, ".github/actions/deploy/action.yml:7:12");
    assert_eq!(composite("    - uses: acme/x@main\n").coded("QS805").len(), 2, "in either file");
}

#[test]
fn what_a_composite_action_does_counts_for_the_workflow() {
    let waits = "    - shell: bash\n      run: |\n        aws ecs update-service --task-definition $N\n        \
                 aws ecs wait services-stable\n        aws ecs describe-services\n";
    assert_eq!(composite(waits).coded("QS816"), NONE);
    let stale = "    - shell: bash\n      run: |\n        docker push r/a:$GITHUB_SHA\n        \
                 aws ecs update-service --force-new-deployment\n        aws ecs describe-services\n";
    assert_eq!(composite(stale).coded("QS802").len(), 1);
    // What another step of the user waits for.
    let update = "    - shell: bash\n      run: aws ecs update-service --task-definition $N\n";
    assert_eq!(composite(update).coded("QS816").len(), 1);
    let action = format!("runs:\n  using: composite\n  steps:\n{update}");
    let text = format!("{USES}      - run: aws ecs describe-services\n");
    let project =
        Project::new(&[(".github/workflows/a.yml", &text), (".github/actions/deploy/action.yml", &action)]);
    assert_eq!(project.coded("QS816"), NONE);
}

#[test]
fn an_action_that_uses_itself_ends() {
    assert_eq!(composite("    - uses: ./.github/actions/deploy\n").coded("QS816"), NONE);
}

#[test]
fn what_a_composite_action_hands_on_is_known() {
    let action = "outputs:\n  image: { description: x, value: '${{ steps.b.outputs.image }}' }\nruns:\n  using: composite\n  steps:\n    \
                  - id: b\n      shell: bash\n      run: echo \"image=x\" >> $GITHUB_OUTPUT\n";
    let text = |output: &str| {
        format!(
            "on: push\njobs:\n  a:\n    steps:\n      - id: build\n        uses: ./build\n      - run: echo ${{{{ steps.build.outputs.{output} }}}}\n"
        )
    };
    let found = |output: &str| {
        Project::new(&[(".github/workflows/a.yml", &text(output)), ("build/action.yml", action)])
            .coded("QS818")
    };
    assert_eq!(found("image"), NONE);
    assert_eq!(found("tag").len(), 1);
}
