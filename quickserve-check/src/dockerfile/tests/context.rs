//! What is copied and what is run: secrets among it, and what is not there.

use super::of_code;

#[test]
fn secrets_stay_out_of_what_is_copied() {
    let dockerfile = ("Dockerfile", "FROM a AS b\nCOPY . .\nFROM c\nCOPY . /app\n");
    let env = (".env", "DB_PASSWORD=4f9a8e21c0\n");
    let message = "error 4: .env is copied into the image, and nothing keeps it out";
    let ignore = (".dockerignore", "node_modules\n.git");
    assert_eq!(of_code(506, &[dockerfile, env, ignore]), [message]);
    let builder = ("Dockerfile", "FROM a AS b\nCOPY . .\nFROM c\n");
    let message = "warning 2: .env is copied into a layer of the build, and nothing keeps it out";
    assert_eq!(of_code(506, &[builder, env, ignore]), [message]);
    let key = ("conf/tls.key", "-----BEGIN PRIVATE KEY-----\n");
    let folder = ("Dockerfile", "FROM a\nCOPY conf /etc/app\n");
    let message = "error 2: conf/tls.key is copied into the image, and nothing keeps it out";
    assert_eq!(of_code(506, &[folder, key]), [message]);
    for fine in [
        &[dockerfile, env, (".dockerignore", ".env*\n!.env.example\n.git")][..],
        &[dockerfile, (".env.example", "DB_PASSWORD=4f9a8e21c0"), ignore],
        &[folder, env],
        &[folder, ("conf/ca.pem", "-----BEGIN CERTIFICATE-----\n")],
        &[("Dockerfile", "FROM a\nCOPY --exclude=.env . /app"), env, ignore],
        &[dockerfile, (".env", ""), ignore],
    ] {
        assert_eq!(of_code(506, fine), [""; 0], "{fine:?}");
    }
    let harmless = of_code(506, &[dockerfile, (".env", "PORT=3000"), ignore]);
    assert!(harmless[0].starts_with("warning"), "{harmless:?}");
    let fixture = of_code(506, &[dockerfile, ("tests/x.key", "-----BEGIN PRIVATE KEY-----"), ignore]);
    assert!(fixture[0].starts_with("warning"), "{fixture:?}");
}

#[test]
fn a_secret_that_a_stage_hands_on_is_in_the_image() {
    let env = (".env", "DB_PASSWORD=4f9a8e21c0\n");
    let ignore = (".dockerignore", "node_modules\n.git");
    let found = |last: &str| {
        let text = format!("FROM a AS build\nWORKDIR /app\nCOPY . .\nRUN npm run build\n{last}");
        of_code(506, &[("Dockerfile", &text), env, ignore])
    };
    let handed = "by way of the stage build, and nothing keeps it out";
    let at = |line: usize| [format!("error {line}: .env is copied into the image {handed}")];
    assert_eq!(found("FROM b\nCOPY --from=build /app /srv\n"), at(6));
    assert_eq!(found("FROM b\nWORKDIR /srv\nCOPY --from=build /app/ ./\n"), at(7));
    assert_eq!(found("FROM b\nCOPY --from=build /app/.env /srv/\n"), at(6));
    let twice = "FROM b AS prune\nCOPY --from=build /app /app\nFROM c\nCOPY --from=prune /app /app\n";
    let message =
        "error 8: .env is copied into the image by way of the stage prune, and nothing keeps it out";
    assert_eq!(found(twice), [message]);
    assert_eq!(found("FROM b\nCOPY --from=build /app /srv\nRUN rm /srv/.env\n"), at(6), "its layer stays");
    let layer = ["warning 3: .env is copied into a layer of the build, and nothing keeps it out"];
    for fine in [
        "FROM b\nCOPY --from=build /app/dist /srv\n",
        "RUN rm -f .env\nFROM b\nCOPY --from=build /app /srv\n",
    ] {
        assert_eq!(found(fine), layer, "{fine}");
    }
    let rails = [
        ("Dockerfile", "FROM a\nCOPY . .\n"),
        ("config/master.key", "0123456789abcdef0123456789abcdef"),
        ignore,
    ];
    let message = "error 2: config/master.key is copied into the image, and nothing keeps it out";
    assert_eq!(of_code(506, &rails), [message]);
}

#[test]
fn the_history_and_modules_stay_out_too() {
    let dockerfile = ("Dockerfile", "FROM a\nCOPY . .\n");
    let none =
        |what: &str| [format!("warning 2: the whole folder is copied and there is no .dockerignore{what}")];
    assert_eq!(of_code(506, &[dockerfile]), none(""));
    assert_eq!(of_code(506, &[dockerfile, ("main.go", ""), (".git/HEAD", "x")]), none(": .git goes with it"));
    let both = [dockerfile, (".env", ""), (".git/HEAD", "x"), ("node_modules/a", "")];
    assert_eq!(of_code(506, &both), none(": .git, node_modules and .env go with it"));
    let git = (".git/HEAD", "x");
    let sent = "warning 2: .git is copied into the image: the whole history";
    assert_eq!(of_code(506, &[dockerfile, git, (".dockerignore", "*.md")]), [sent]);
    assert_eq!(of_code(506, &[dockerfile, git, (".dockerignore", "**\n!src")]), [""; 0]);
    assert_eq!(
        of_code(506, &[dockerfile, git, ("Dockerfile.dockerignore", ".git/**"), (".dockerignore", "")]),
        [""; 0]
    );
    assert_eq!(of_code(506, &[("Dockerfile", "FROM a\nCOPY src .\n"), git, ("src/a", "")]), [""; 0]);
}

#[test]
fn what_is_copied_is_there() {
    let dockerfile =
        ("Dockerfile", "FROM a\nCOPY package*.json srv.js dist /app/\nCOPY public/x*.css /app/\n");
    let message = "warning 2: srv.js is copied and not in the build context";
    assert_eq!(of_code(511, &[dockerfile, ("server.js", "")]), [message]);
    let copied = ("Dockerfile", "FROM a\nCOPY config/app.yaml /etc/\nCOPY package*.json ./");
    let files = [copied, ("config/app.yaml", ""), ("package.json", ""), (".dockerignore", "config")];
    let message = "error 2: config/app.yaml is copied, and .dockerignore leaves it out: the build fails";
    assert_eq!(of_code(511, &files), [message]);
    let unmatched = [copied, ("config/app.yaml", ""), ("package.json", ""), (".dockerignore", "*.json")];
    let message = "warning 3: package*.json matches no file that .dockerignore lets through";
    assert_eq!(of_code(511, &unmatched), [message]);
    let fine = [
        copied,
        ("config/app.yaml", ""),
        ("package.json", ""),
        (".dockerignore", "*\n!config/app.yaml\n!pack*"),
    ];
    assert_eq!(of_code(511, &fine), [""; 0]);
    let folder = (
        "Dockerfile",
        "FROM a\nCOPY src /a\nCOPY --from=x nothing /b\nADD https://x.org/y.tgz /\nCOPY <<E /c\nE\n",
    );
    assert_eq!(of_code(511, &[folder, ("src/a", ""), (".dockerignore", "src\n!src/a")]), [""; 0]);
}

#[test]
fn what_is_run_is_there() {
    let text = "FROM a\nWORKDIR /app\nCOPY . .\nHEALTHCHECK CMD node healthcheck.js || exit 1\nCMD [\"node\", \"server.js\"]\n";
    let dockerfile = ("Dockerfile", text);
    let server = ("server.js", "");
    let message = "warning 4: healthcheck.js is run and not in the build context";
    assert_eq!(of_code(511, &[dockerfile, server]), [message]);
    let ignored = [dockerfile, server, ("healthcheck.js", ""), (".dockerignore", "health*")];
    let message = "error 4: healthcheck.js is run, and .dockerignore leaves healthcheck.js out of the image";
    assert_eq!(of_code(511, &ignored), [message]);
    assert_eq!(of_code(511, &[dockerfile, server, ("healthcheck.js", "")]), [""; 0]);
    for fine in [
        "FROM a\nWORKDIR /app\nCOPY . .\nCMD [\"node\", \"dist/server.js\"]",
        "FROM a\nWORKDIR /app\nCOPY . .\nRUN npm run build\nCMD [\"node\", \"server.js\"]",
        "FROM a\nWORKDIR /app\nCOPY --from=b /app .\nCMD [\"node\", \"server.js\"]",
        "FROM a\nCMD [\"node\", \"server.js\"]",
        "FROM a\nWORKDIR /app\nCOPY . .\nCMD [\"node\", \"--require\", \"x\", \"server.js\"]",
        "FROM a\nWORKDIR /app\nCOPY . .\nCMD python -m app",
    ] {
        assert_eq!(of_code(511, &[("Dockerfile", fine), ("package.json", "{}")]), [""; 0], "{fine}");
    }
    let start = ("Dockerfile", "FROM a\nWORKDIR /app\nCOPY . .\nCMD [\"node\", \"src/idx.js\"]\n");
    let absent = |weight: &str| [format!("{weight} 4: src/idx.js is run and not in the build context")];
    assert_eq!(of_code(511, &[start, ("src/index.js", "")]), absent("error"));
    assert_eq!(of_code(511, &[start]), absent("warning"), "the context may be another");
    assert_eq!(of_code(511, &[start, ("src/a.js", ""), ("src/idx.ts", "")]), absent("warning"));
    assert_eq!(of_code(511, &[start, ("src/a.js", ""), (".gitignore", "/src/idx.js")]), absent("warning"));
    let chmod = "FROM a\nCOPY . /\nRUN chmod +x /entry.sh\nENTRYPOINT [\"/entry.sh\"]";
    let message = "warning 4: entry.sh is run and not in the build context";
    assert_eq!(of_code(511, &[("Dockerfile", chmod)]), [message]);
    let named = "FROM a\nCOPY web/server.js /srv/\nCMD [\"node\", \"/srv/server.js\"]";
    assert_eq!(of_code(511, &[("Dockerfile", named), ("web/server.js", "")]), [""; 0]);
}
