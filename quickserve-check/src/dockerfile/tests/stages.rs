//! What `COPY --from` brings into the final image, and what a stage loses.

use super::of_code;

const BUILD: &str = "FROM node:24 AS build\nWORKDIR /app\nCOPY . .\nRUN npm ci\n";

fn missing(last: &str, files: &[(&str, &str)]) -> Vec<String> {
    let dockerfile = format!("{BUILD}{last}");
    let mut all = vec![("Dockerfile", &*dockerfile), ("package.json", "{}"), ("package-lock.json", "{}")];
    all.extend(files);
    of_code(511, &all)
}

#[test]
fn a_script_that_a_stage_loses_is_told() {
    let entry = ("entry.sh", "#!/bin/sh\nexec \"$@\"\n");
    let lost = "FROM node:24-alpine\nWORKDIR /app\nCOPY --from=build /app/dist ./dist\nENTRYPOINT [\"./entry.sh\"]\n";
    let message = "error 8: ./entry.sh is run, and nothing brings it into the final image";
    assert_eq!(missing(lost, &[entry]), [message]);
    let scratch = "FROM scratch\nCOPY --from=build /app/dist /dist\nENTRYPOINT [\"/entry.sh\"]\n";
    assert_eq!(
        missing(scratch, &[entry]),
        ["error 7: /entry.sh is run, and nothing brings it into the final image"]
    );
    let node = "FROM node:24-alpine\nWORKDIR /app\nCOPY --from=build /app/node_modules ./node_modules\nCMD [\"node\", \"server.js\"]\n";
    let message = "error 8: server.js is run, and nothing brings it into the final image";
    assert_eq!(missing(node, &[("server.js", "")]), [message]);
    let ignored =
        "FROM node:24-alpine\nWORKDIR /app\nCOPY --from=build /app ./\nENTRYPOINT [\"./entry.sh\"]\n";
    let message = "error 8: ./entry.sh is run, and .dockerignore leaves entry.sh out of the image";
    assert_eq!(missing(ignored, &[entry, (".dockerignore", "*.sh")]), [message]);
    let absent = "FROM a\nWORKDIR /srv\nCOPY --from=build /app/src/ ./\nCMD [\"node\", \"serve.js\"]\n";
    let message = "error 8: serve.js is run, and src/serve.js is not in the build context";
    assert_eq!(missing(absent, &[("src/server.js", "")]), [message]);
}

#[test]
fn what_a_stage_brings_or_may_bring_is_not() {
    let entry = ("entry.sh", "#!/bin/sh\nexec \"$@\"\n");
    for last in [
        "FROM node:24-alpine\nCOPY --from=build /app/entry.sh /\nENTRYPOINT [\"/entry.sh\"]",
        "FROM node:24-alpine\nCOPY --from=0 /app/entry.sh /start.sh\nENTRYPOINT [\"/start.sh\"]",
        "FROM node:24-alpine\nWORKDIR /x\nCOPY --from=build /app .\nENTRYPOINT [\"./entry.sh\"]",
        "FROM node:24-alpine\nCOPY --from=build /app/*.sh /\nENTRYPOINT [\"/entry.sh\"]",
        "FROM node:24-alpine\nCOPY --from=acme/tools /entry.sh /\nENTRYPOINT [\"/entry.sh\"]",
        "FROM node:24-alpine AS run\nCOPY --from=build /app /app\nFROM run\nENTRYPOINT [\"/app/entry.sh\"]",
        "FROM node:24-alpine\nRUN ./setup\nENTRYPOINT [\"/other.sh\"]",
        "FROM node:24-alpine\nRUN curl -o /other.sh https://a.b/other.sh\nENTRYPOINT [\"/other.sh\"]",
        "FROM node:24-alpine\nRUN <<E\nprintf x > /other.sh\nE\nENTRYPOINT [\"/other.sh\"]",
        "FROM node:24-alpine\nENTRYPOINT [\"/usr/local/bin/docker-entrypoint.sh\"]",
        "FROM acme/base\nENTRYPOINT [\"/other.sh\"]",
        "FROM node:24-alpine\nADD root.tar.gz /\nENTRYPOINT [\"/other.sh\"]",
        "FROM node:24-alpine\nWORKDIR /app\nCOPY --from=build /app/dist ./dist\nCMD [\"node\", \"dist/server.js\"]",
    ] {
        assert_eq!(missing(last, &[entry, ("root.tar.gz", "")]), [""; 0], "{last}");
    }
    let built = "RUN npm run build\nFROM node:24-alpine\nCOPY --from=build /app /app\nCMD [\"node\", \"/app/main.js\"]";
    assert_eq!(missing(built, &[entry]), [""; 0]);
    let hooked = "FROM node:24-alpine\nCOPY --from=build /app /app\nCMD [\"node\", \"/app/main.js\"]";
    let manifest = ("package.json", r#"{"scripts": {"postinstall": "tsc"}}"#);
    assert_eq!(missing(hooked, &[entry, manifest]), [""; 0]);
}

#[test]
fn a_script_that_stays_in_front_is_found_through_stages() {
    let text = "FROM node:24 AS build\nWORKDIR /app\nCOPY . .\nFROM node:24-alpine\nCOPY --from=build /app/entry.sh /bin/\nENTRYPOINT [\"tini\", \"--\"]\nCMD [\"/bin/entry.sh\"]\n";
    let message =
        "warning 6: entry.sh does not replace itself by what it starts: SIGTERM ends the script alone";
    assert_eq!(of_code(507, &[("Dockerfile", text), ("entry.sh", "#!/bin/sh\nnode server.js\n")]), [message]);
}

#[test]
fn many_stages_take_no_longer_than_the_file_is_worth() {
    let stage = |stage: u32| {
        let copy = format!("COPY --from=s{} /a /a\n", stage - 1);
        format!("FROM node:24 AS s{stage}\n{copy}{copy}")
    };
    let mut text = String::from("FROM node:24 AS s0\nCOPY . /a\n");
    text.extend((1..400).map(stage));
    text += "CMD [\"node\", \"/a/x.js\"]\n";
    assert_eq!(of_code(511, &[("Dockerfile", &text)]), [""; 0]);
}

#[test]
fn a_module_that_a_command_names_is_there() {
    let found = |cmd: &str, files: &[(&str, &str)]| {
        let text = format!(
            "FROM python:3.14\nWORKDIR /srv\nCOPY . .\nRUN pip install -r requirements.txt\nCMD [{cmd}]\n"
        );
        let mut all = vec![("Dockerfile", &*text), ("requirements.txt", "")];
        all.extend(files);
        of_code(511, &all)
    };
    let app = [("app/__init__.py", ""), ("app/server.py", "")];
    let message = |module: &str| [format!("error 5: {module} is run, and /srv has no such module")];
    assert_eq!(found(r#""python", "-m", "app.main""#, &app), message("app.main"));
    assert_eq!(found(r#""uvicorn", "app.main:app", "--host", "0.0.0.0""#, &app), message("app.main"));
    let wrong = ["warning 5: mian is run, and /srv has no such module"];
    assert_eq!(found(r#""gunicorn", "-b", ":80", "mian:app""#, &[("main.py", "")]), wrong);
    for cmd in [
        r#""python", "-m", "app.server""#,
        r#""python", "-m", "http.server""#,
        r#""python", "-m", "flask", "run""#,
        r#""uvicorn", "app.server:app""#,
        r#""uvicorn", "app:app""#,
        r#""gunicorn", "--chdir", "x", "main:app""#,
        r#""gunicorn", "-b", "0.0.0.0:80", "app.server:app""#,
    ] {
        assert_eq!(found(cmd, &app), [""; 0], "{cmd}");
    }
    let built =
        "FROM python:3.14\nWORKDIR /srv\nCOPY . .\nRUN pip install .\nCMD [\"gunicorn\", \"shop:app\"]\n";
    assert_eq!(of_code(511, &[("Dockerfile", built), ("src/shop/__init__.py", "")]), [""; 0]);
}
