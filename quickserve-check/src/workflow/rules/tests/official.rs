//! Rules about the actions of AWS, and about what steps name and need.

use super::{NONE, Project, job};

const DEFINITION: &str = r#"{"containerDefinitions": [{"name": "web", "image": "r/todo:placeholder"}]}"#;

/// A workflow that builds, renders and deploys; each piece can be another.
struct Pipeline {
    permissions: &'static str,
    checkout: &'static str,
    region: &'static str,
    push: &'static str,
    definition: &'static str,
    container: &'static str,
    image: &'static str,
    deployed: &'static str,
}

const RIGHT: Pipeline = Pipeline {
    permissions: "permissions: { id-token: write, contents: read }\n",
    checkout: "      - uses: actions/checkout@v6\n",
    region: "aws-region: eu-west-1, ",
    push: "docker push $R/todo:${{ github.sha }}",
    definition: "task-definition.json",
    container: "web",
    image: "${{ steps.build.outputs.image }}",
    deployed: "${{ steps.render.outputs.task-definition }}",
};

impl Pipeline {
    fn text(&self) -> String {
        format!(
            "on: push\n{}jobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{}      \
             - uses: aws-actions/configure-aws-credentials@v5\n        with: {{ {}role-to-assume: arn }}\n      \
             - id: build\n        run: |\n          docker build -t $R/todo:${{{{ github.sha }}}} .; echo \"image=$R/todo:${{{{ github.sha }}}}\" >> $GITHUB_OUTPUT\n          {}\n      \
             - id: render\n        uses: aws-actions/amazon-ecs-render-task-definition@v1\n        with:\n          \
             task-definition: {}\n          container-name: {}\n          image: {}\n      \
             - uses: aws-actions/amazon-ecs-deploy-task-definition@v2\n        with:\n          task-definition: {}\n",
            self.permissions,
            self.checkout,
            self.region,
            self.push,
            self.definition,
            self.container,
            self.image,
            self.deployed
        )
    }

    /// What is said of it, by these rules: weight, place, message.
    fn said(&self) -> Vec<String> {
        let project =
            Project::new(&[(".github/workflows/a.yml", &self.text()), ("task-definition.json", DEFINITION)]);
        ["QS801", "QS802", "QS818", "QS819"].iter().flat_map(|code| project.coded(code)).collect()
    }
}

#[test]
fn a_pipeline_of_the_actions_of_aws_is_right() {
    assert_eq!(RIGHT.said(), NONE);
}

#[test]
fn the_definition_that_is_deployed_is_the_one_that_was_rendered() {
    let stale = Pipeline { deployed: "task-definition.json", ..RIGHT };
    let message = "task-definition.json is deployed as it stands, and $R/todo:${{ github.sha }} is not in it";
    assert_eq!(stale.said(), [format!("error 22:28 {message}")]);
    let moved =
        Pipeline { push: "docker push $R/todo:${{ github.sha }}; docker push r/todo:placeholder", ..stale };
    assert_eq!(moved.said(), [format!("warning 22:28 {message}")], "the tag may be the new image");
    let latest = Pipeline { image: "r/todo:latest", ..RIGHT };
    assert_eq!(
        latest.said(),
        ["error 19:18 r/todo:latest is deployed, and $R/todo:${{ github.sha }} is what was built"]
    );
    let fixed = Pipeline { push: "docker push r/todo:1.2", image: "r/todo:1.2", ..RIGHT };
    assert_eq!(fixed.said(), NONE, "the same image in each run");
}

#[test]
fn what_a_workflow_names_is_there() {
    let said = |pipeline: Pipeline| pipeline.said();
    assert_eq!(
        said(Pipeline { definition: "ecs/task.json", ..RIGHT }),
        ["error 17:28 ecs/task.json is no file of this repository"]
    );
    assert_eq!(
        said(Pipeline { container: "wbe", ..RIGHT }),
        ["error 18:27 task-definition.json has no container wbe"]
    );
    assert_eq!(
        said(Pipeline { image: "${{ steps.biuld.outputs.image }}", ..RIGHT }),
        ["error 19:22 steps.biuld is empty here: no step before has the id biuld"]
    );
    let made = "docker push $R/todo:${{ github.sha }}; jq . x > task.json";
    assert_eq!(said(Pipeline { push: made, definition: "ecs/task.json", ..RIGHT }), NONE, "a step makes it");
    let comment = "docker push $R/todo:${{ github.sha }} # steps.other.outputs.x";
    assert_eq!(said(Pipeline { push: comment, ..RIGHT }), NONE, "no expression");
}

#[test]
fn a_step_has_what_it_needs() {
    let said = |pipeline: Pipeline| pipeline.said();
    let token = "error 8:40 job a may not ask for the token by which it assumes the role";
    assert_eq!(said(Pipeline { permissions: "", checkout: RIGHT.checkout, ..RIGHT }), [token]);
    let read = Pipeline { permissions: "permissions: { contents: read }\n", ..RIGHT };
    assert_eq!(said(read).len(), 1);
    let region = "error 8:15 the action is given no aws-region, and ends";
    assert_eq!(said(Pipeline { region: "", ..RIGHT }), [region]);
    assert_eq!(
        said(Pipeline {
            region: "",
            permissions: "permissions: write-all\nenv: { AWS_REGION: x }\n",
            ..RIGHT
        }),
        NONE
    );
    assert_eq!(
        said(Pipeline { checkout: "", ..RIGHT }),
        ["error 11:11 job a has no file of the repository to build from"]
    );
    assert_eq!(said(Pipeline { checkout: "      - run: git clone x .\n", ..RIGHT }), NONE);
    assert_eq!(
        said(Pipeline { push: "echo done", ..RIGHT }),
        ["error 12:11 this image is deployed, and nothing pushes it"]
    );
    assert_eq!(said(Pipeline { push: "make push", ..RIGHT }), NONE);
}

#[test]
fn jobs_that_are_waited_for_are_there() {
    let text = |needs: &str, run: &str| {
        format!(
            "on: push\njobs:\n  build:\n    outputs: {{ tag: 1 }}\n  b:\n    needs: {needs}\n    steps:\n      - run: {run}\n"
        )
    };
    let said = |needs: &str, run: &str| {
        let project = Project::new(&[(".github/workflows/a.yml", &text(needs, run))]);
        ["QS801", "QS818"].iter().flat_map(|code| project.coded(code)).collect::<Vec<_>>()
    };
    assert_eq!(said("build", "echo ${{ needs.build.outputs.tag }}"), NONE);
    assert_eq!(said("biuld", "echo"), ["error 5:3 job b needs biuld, which is no job of this workflow"]);
    assert_eq!(
        said("[]", "echo ${{ needs.build.outputs.tag }}"),
        ["error 8:23 needs.build is empty here: job b does not need build"]
    );
}

#[test]
fn many_names_that_lead_nowhere_take_no_time() {
    let steps: Vec<String> = (0..2000)
        .map(|n| format!("      - id: s{n}\n        run: echo ${{{{ steps.t{n}.outputs.x }}}}\n"))
        .collect();
    assert_eq!(job(&steps.concat()).coded("QS818").len(), 2000);
}
