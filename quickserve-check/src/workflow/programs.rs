//! What a command runs, and what that means for a deployment.

use crate::workflow::shell::{Command, Word};

/// Programs that run the program after them.
const WRAPPERS: [&str; 8] = ["sudo", "exec", "command", "nohup", "time", "builtin", "env", "doas"];

/// Options of `aws` and `docker` before the subcommand that take a value.
const WITH_VALUE: [&str; 8] =
    ["--region", "--profile", "--output", "--endpoint-url", "--query", "--context", "--config", "--host"];

impl Command {
    /// Its words from the program on, without what merely runs it.
    pub(crate) fn program(&self) -> &[Word] {
        let mut words = self.words.as_slice();
        while let [first, rest @ ..] = words
            && WRAPPERS.contains(&first.text.as_str())
        {
            let skipped =
                rest.iter().take_while(|word| word.text.starts_with('-') || word.text.contains('='));
            words = &rest[skipped.count()..];
        }
        words
    }

    /// The name of its program, without folders.
    pub(crate) fn name(&self) -> &str {
        self.program().first().map_or("", |word| word.text.rsplit('/').next().unwrap_or_default())
    }

    /// The words that are neither options before a subcommand nor their values, such as `aws`, `ecs`, `wait`.
    fn subcommands(&self) -> impl Iterator<Item = &str> {
        let mut value = false;
        self.program().iter().enumerate().filter_map(move |(index, word)| {
            if std::mem::take(&mut value) {
                return None;
            }
            if word.text.starts_with('-') {
                value = WITH_VALUE.contains(&word.text.as_str());
                return None;
            }
            let text = word.text.as_str();
            Some(if index == 0 { text.rsplit('/').next().unwrap_or_default() } else { text })
        })
    }

    /// Whether it is that program with those subcommands.
    pub(crate) fn is(&self, words: &str) -> bool {
        let mut found = self.subcommands();
        words.split(' ').all(|word| found.next() == Some(word))
    }

    /// The value of an option, written `--option value` or `--option=value`.
    pub(crate) fn option(&self, option: &str) -> Option<&str> {
        let mut words = self.program().iter();
        while let Some(word) = words.next() {
            if word.text == option {
                return words.next().map(|value| value.text.as_str());
            }
            let value = word.text.strip_prefix(option).and_then(|rest| rest.strip_prefix('='));
            if value.is_some() {
                return value;
            }
        }
        None
    }

    /// The word that is that option.
    pub(crate) fn flag(&self, option: &str) -> Option<&Word> {
        let is_flag = |word: &&Word| {
            word.text.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        self.program().iter().find(is_flag)
    }

    /// Whether it puts a release into service.
    pub(crate) fn deploys(&self) -> bool {
        DEPLOYS.iter().any(|words| self.is(words)) && self.flag("--dry-run").is_none()
    }

    /// Whether it runs the project's tests.
    pub(crate) fn tests(&self) -> bool {
        let words: Vec<&str> = self.subcommands().take(4).collect();
        match words.as_slice() {
            ["npx" | "bunx", program, ..]
            | ["bundle" | "poetry" | "uv" | "pipenv" | "pdm" | "hatch", "exec" | "run", program, ..] => {
                TEST_PROGRAMS.contains(program)
            }
            ["npm" | "yarn" | "pnpm" | "bun", "run" | "run-script", script, ..] => {
                *script == "test" || script.starts_with("test:")
            }
            ["npm" | "yarn" | "pnpm" | "bun", script, ..] => {
                matches!(*script, "test" | "t" | "tst") || script.starts_with("test:")
            }
            ["python" | "python3", second, ..] => matches!(*second, "pytest" | "unittest"),
            ["cargo", second, ..] => matches!(*second, "test" | "nextest"),
            ["mvn" | "mvnw", second, ..] => matches!(*second, "test" | "verify"),
            ["gradle" | "gradlew", second, ..] => matches!(*second, "test" | "check"),
            [
                "go" | "dotnet" | "mix" | "swift" | "deno" | "bazel" | "sbt" | "make" | "rails" | "rake",
                second,
                ..,
            ] => *second == "test",
            [program, ..] => TEST_PROGRAMS.contains(program),
            [] => false,
        }
    }

    /// Whether it only shows something.
    pub(crate) fn prints(&self) -> bool {
        matches!(self.name(), "echo" | "printf" | "log" | "info" | "say" | "print")
    }
}

/// Programs that do nothing but test.
const TEST_PROGRAMS: [&str; 12] = [
    "pytest",
    "jest",
    "vitest",
    "mocha",
    "ava",
    "rspec",
    "phpunit",
    "tox",
    "nox",
    "gotestsum",
    "cypress",
    "ctest",
];

/// Commands that put a release into service.
const DEPLOYS: [&str; 28] = [
    "aws ecs update-service",
    "aws ecs create-service",
    "aws ecs deploy",
    "aws deploy create-deployment",
    "aws lambda update-function-code",
    "aws elasticbeanstalk update-environment",
    "aws cloudformation deploy",
    "aws apprunner start-deployment",
    "eb deploy",
    "copilot deploy",
    "copilot svc deploy",
    "cdk deploy",
    "npx cdk deploy",
    "sam deploy",
    "serverless deploy",
    "sls deploy",
    "terraform apply",
    "tofu apply",
    "kubectl apply",
    "kubectl set image",
    "kubectl rollout restart",
    "helm upgrade",
    "helm install",
    "helmfile apply",
    "gcloud run deploy",
    "docker stack deploy",
    "flyctl deploy",
    "quickserve deploy",
];

/// The action that writes an image into a task definition, as a new file.
pub(crate) const RENDER_ACTION: &str = "aws-actions/amazon-ecs-render-task-definition";

/// Actions that put a release into service.
pub(crate) const DEPLOY_ACTIONS: [&str; 7] = [
    "aws-actions/amazon-ecs-deploy-task-definition",
    "aws-actions/aws-lambda-deploy",
    "google-github-actions/deploy-cloudrun",
    "azure/webapps-deploy",
    "azure/k8s-deploy",
    "einaregilsson/beanstalk-deploy",
    "appleboy/ssh-action",
];

#[cfg(test)]
mod tests {
    use crate::workflow::mapped::Mapping;
    use crate::workflow::shell::{Command, Shell};

    fn command(text: &str) -> Command {
        Shell::read(text, &Mapping::identity()).commands.pop().expect("a command")
    }

    #[test]
    fn a_command_is_known_behind_wrappers_and_options() {
        assert!(
            command("sudo -E env A=1 /usr/bin/aws --region eu ecs --output=text wait x").is("aws ecs wait")
        );
        assert!(!command("echo aws ecs wait").is("aws ecs wait"));
    }

    #[test]
    fn options_are_found_in_both_forms() {
        let update = command("aws ecs update-service --task-definition=$A --service b");
        assert_eq!(update.option("--task-definition"), Some("$A"));
        assert_eq!(update.option("--service"), Some("b"));
        assert!(update.flag("--task-definition").is_some() && update.flag("--task").is_none());
    }

    #[test]
    fn tests_are_known_in_the_words_of_many_languages() {
        for text in [
            "npm test",
            "yarn test:ci",
            "pnpm run test",
            "npx jest",
            "python -m pytest -q",
            "./gradlew check",
        ] {
            assert!(command(text).tests(), "{text}");
        }
        for text in ["npm ci", "echo npm test", "cargo build", "[ -f test ]", "test -f x"] {
            assert!(!command(text).tests(), "{text}");
        }
    }

    #[test]
    fn a_dry_run_deploys_nothing() {
        assert!(command("kubectl apply -f x").deploys());
        assert!(!command("kubectl apply --dry-run=client -f x").deploys());
    }
}
