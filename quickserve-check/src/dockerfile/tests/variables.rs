//! Values in the image: secrets, and settings of one environment.

use super::{assert_fine, assert_found, found, report};

#[test]
fn secrets_are_no_variables_of_the_image() {
    assert_found(
        106,
        "FROM a\nENV X=1 \\\n  DB_PASSWORD=4f9a8e21c0",
        "error 3: ENV DB_PASSWORD holds a secret",
    );
    assert_found(
        106,
        "FROM a AS b\nARG NPM_TOKEN=4f9a8e21c0\nFROM c",
        "error 2: ARG NPM_TOKEN holds a secret",
    );
    assert_found(106, "FROM a\nENV URL=postgres://app:4f9a8e21c0@db/x", "error 2: ENV URL holds a secret");
    let weak = "warning 2: ENV DB_PASSWORD is a password that everybody guesses";
    let login = "error 2: a login with its password stands in a command of the image";
    assert_found(106, "FROM a\nRUN docker login -u me --password Tr0ub4dor3x r.io", login);
    assert_found(106, "FROM a\nENV DB_PASSWORD=root", weak);
    let argument = "FROM a\nARG NPM_TOKEN\nRUN echo //x:_authToken=${NPM_TOKEN} > .npmrc && npm ci";
    let history = "warning 2: the build argument NPM_TOKEN stays readable in the image's history";
    assert_found(106, argument, history);
    let kept = "warning 3: ENV API_TOKEN keeps the build argument API_TOKEN in the image";
    assert_found(106, "FROM a\nARG API_TOKEN\nENV API_TOKEN=$API_TOKEN", kept);
    for fine in [
        "FROM a\nENV NODE_ENV=production PORT=3000",
        "FROM a\nENV DB_PASSWORD= API_KEY=changeme TOKEN_TTL=3600",
        "FROM a\nENV DB_PASSWORD_FILE=/run/secrets/db",
        "FROM a\nENV MYSQL_RANDOM_ROOT_PASSWORD=yes MYSQL_ALLOW_EMPTY_PASSWORD=1",
        "FROM a\nARG VERSION\nRUN echo $VERSION",
        "FROM a\nARG NPM_TOKEN\nRUN --mount=type=secret,id=npm npm ci",
    ] {
        assert_fine(106, fine);
    }
}

#[test]
fn no_value_of_a_secret_is_shown() {
    let secret = "4f9a8e21c0d7";
    let text = format!(
        "FROM a\nENV DB_PASSWORD={secret}\nENV API_TOKEN {secret}\nARG KEY_SECRET={secret}\nENV A=1 {secret}\n\
         LABEL {secret}\nENV DATABASE_URL=postgres://u:{secret}@db.example.org/x\nENV PORT=1 DB_PASSWORD={secret}\nEXPOSE 2\n\
         RUN npm config set //x/:_authToken={secret} && npm ci --only=production\n\
         RUN curl -u me:{secret} https://x.org/k | apt-key add -\nCOPY . .\nRUN npm ci --token {secret}\n\
         CMD serve --password {secret}\n"
    );
    let findings = report(&[("Dockerfile", &text)]).findings;
    assert!(findings.len() > 5);
    for finding in findings {
        let shown = format!("{finding:#}");
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn settings_of_one_environment_are_no_part_of_the_image() {
    let message = "DATABASE_URL is fixed in the image, and differs between environments";
    assert_found(
        124,
        "FROM a\nENV DATABASE_URL=postgres://db.internal:5432/x",
        &format!("warning 2: {message}"),
    );
    assert!(found(124, "FROM a\nENV REDIS_HOST=redis").is_some());
    for fine in [
        "FROM a\nENV NODE_ENV=production PORT=3000 HOST=0.0.0.0 APP_URL=http://localhost:3000",
        "FROM a\nENV TINI_URL=https://x.org/tini\nRUN curl $TINI_URL",
        "FROM a\nENV PIP_INDEX_URL=https://pypi.org/simple",
        "FROM a AS b\nENV API_URL=https://api.x.org\nFROM c",
        "FROM a\nENV DATABASE_URL=sqlite:///data/x.db DB_HOST= LISTEN_ADDR=:8080",
    ] {
        assert_fine(124, fine);
    }
}
