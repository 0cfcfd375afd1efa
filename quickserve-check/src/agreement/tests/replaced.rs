//! An image in a task definition that a pipeline always replaces.

use super::Project;

#[test]
fn an_image_that_a_pipeline_replaces_is_no_image_that_is_deployed() {
    let definition = r#"{"family": "t", "containerDefinitions": [{"name": "app", "image": "r/app:latest", "memory": 64}]}"#;
    let found = |steps: &str| {
        let text = format!("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{steps}");
        let project = Project::new(&[("deploy/task.json", definition), (".github/workflows/a.yml", &text)]);
        project.coded("QS302").first().map(|line| line.split(' ').next().unwrap_or_default().to_owned())
    };
    let render = |container: &str, image: &str| {
        format!(
            "      - id: r\n        uses: aws-actions/amazon-ecs-render-task-definition@v1\n        \
             with: {{ task-definition: ./deploy/task.json, container-name: {container}, image: '{image}' }}\n"
        )
    };
    let (note, warning) = (Some("Info".to_owned()), Some("Warning".to_owned()));
    assert_eq!(found(&render("app", "${{ steps.b.outputs.image }}")), note);
    assert_eq!(found(&render("other", "${{ steps.b.outputs.image }}")), warning);
    assert_eq!(found(&render("app", "r/app:latest")), warning, "by the same");
    let deployed = "      - uses: aws-actions/amazon-ecs-deploy-task-definition@v2\n        with: { task-definition: deploy/task.json, service: a }\n";
    assert_eq!(found(&format!("{}{deployed}", render("app", "${{ steps.b.outputs.image }}"))), warning);
    for (run, expected) in [
        ("jq --arg i $I '.containerDefinitions[0].image = $i' deploy/task.json > t.json", &note),
        (
            "jq --arg i $I '(.containerDefinitions[] | select(.name == \"app\") | .image) = $i' deploy/task.json > t.json",
            &note,
        ),
        ("jq '.containerDefinitions[1].image = env.I' deploy/task.json > t.json", &warning),
        ("sed -i \"s|r/app:latest|$I|\" deploy/task.json", &note),
        ("sed -i \"s|eu-west-1|$R|\" deploy/task.json", &warning),
        ("cat deploy/task.json", &warning),
    ] {
        assert_eq!(&found(&format!("      - run: |\n          {run}\n")), expected, "{run}");
    }
}
