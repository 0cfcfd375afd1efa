//! Whether the code calls AWS.

use std::path::Path;

use crate::{Facts, Subject, inside};

/// Prefixes of variables that only code which calls AWS reads.
const AWS: [&str; 8] = ["S3_", "SQS_", "SNS_", "DYNAMODB_", "DYNAMO_", "KINESIS_", "SES_", "AWS_S3_"];

/// Files that name what the code depends on.
pub(super) const MANIFESTS: [&str; 12] = [
    "package.json",
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "go.mod",
    "Cargo.toml",
    "Gemfile",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "composer.json",
    "mix.exs",
];

/// How AWS's libraries are called in them.
const SDKS: [&str; 9] = [
    "\"aws-sdk",
    "@aws-sdk/",
    "boto3",
    "aws-sdk-go",
    "aws-sdk-s3",
    "'aws-sdk",
    "software.amazon.awssdk",
    "aws/aws-sdk-php",
    "ex_aws",
];

/// Whether the code calls AWS, as the variables that it reads, or its dependencies, say. What a contract declares says
/// nothing: it may be left over.
pub(super) fn is_called(subject: &Subject, facts: &Facts) -> bool {
    let reads = facts.code.names().into_iter().any(|name| AWS.iter().any(|prefix| name.starts_with(prefix)));
    let depends = |file: &&str| {
        let text = facts.code.files.contains(Path::new(file)).then(|| inside::read(subject, Path::new(file)));
        let text = text.and_then(Result::ok);
        text.is_some_and(|text| SDKS.iter().any(|sdk| text.text.contains(sdk)))
    };
    reads || MANIFESTS.iter().any(depends)
}
