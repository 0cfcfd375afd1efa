//! Whether SIGTERM reaches the program.

use super::{assert_fine, assert_found, of_code};

#[test]
fn sigterm_reaches_the_program() {
    let shell = "the shell may stay process 1 and keep SIGTERM from node";
    assert_found(507, "FROM a\nCMD node x.js", &format!("warning 2: CMD is in shell form: {shell}"));
    assert_found(
        507,
        "FROM a\nENTRYPOINT [\"sh\", \"-c\", \"sleep 1 && node x\"]",
        &format!("warning 2: ENTRYPOINT starts a shell: {shell}"),
    );
    let npm = "warning 2: `npm start` makes npm process 1, which ends badly on SIGTERM";
    assert_found(507, "FROM a\nCMD npm start", npm);
    assert_found(507, "FROM a\nCMD [\"npm\", \"start\"]", npm);
    let both = of_code(507, &[("Dockerfile", "FROM a\nENTRYPOINT node x\nCMD [\"y\"]")]);
    let ignored = "warning 3: CMD has no effect: ENTRYPOINT is run by a shell, which gets no arguments";
    assert_eq!(both, [ignored, &format!("warning 2: ENTRYPOINT is in shell form: {shell}")]);
    for fine in [
        "FROM a\nCMD [\"node\", \"x.js\"]",
        "FROM a\nCMD exec node x.js",
        "FROM a\nCMD [\"sh\", \"-c\", \"migrate && exec node x\"]",
        "FROM a\nENTRYPOINT [\"tini\", \"--\", \"npm\", \"start\"]",
        "FROM a\nENTRYPOINT [\"dumb-init\", \"sh\", \"-c\", \"a; b\"]",
        "FROM a\nCMD x\nCMD [\"y\"]",
        "FROM a AS b\nCMD x\nFROM c\nCMD [\"y\"]",
        "FROM a\nENTRYPOINT []\nCMD [\"y\"]",
        "FROM a",
    ] {
        assert_fine(507, fine);
    }
}

#[test]
fn a_script_replaces_itself_by_the_program() {
    let dockerfile = ("Dockerfile", "FROM a\nWORKDIR /app\nCOPY . .\nENTRYPOINT [\"./bin/start.sh\"]\n");
    let message =
        "warning 4: bin/start.sh does not replace itself by what it starts: SIGTERM ends the script alone";
    assert_eq!(
        of_code(507, &[dockerfile, ("bin/start.sh", "#!/bin/sh\n# exec later\nmigrate\nnode x\n")]),
        [message]
    );
    for script in ["#!/bin/sh\nmigrate && exec \"$@\"", "trap stop TERM\nnode x & wait", "", "node x; exec y"]
    {
        assert_eq!(of_code(507, &[dockerfile, ("bin/start.sh", script)]), [""; 0], "{script}");
    }
}

#[test]
fn a_script_is_found_along_the_path_as_well() {
    let text = "FROM a\nCOPY docker-entrypoint.sh /usr/local/bin/\nENTRYPOINT [\"docker-entrypoint.sh\"]\nCMD [\"x\"]\n";
    let files = [("Dockerfile", text), ("docker-entrypoint.sh", "#!/bin/bash\nset -e\n\"$@\"\n")];
    assert!(of_code(507, &files)[0].contains("docker-entrypoint.sh does not replace itself"));
    let init = text.replace("[\"docker", "[\"tini\", \"--\", \"docker");
    assert_eq!(of_code(507, &[("Dockerfile", &init), files[1]]).len(), 1);
    assert_eq!(of_code(507, &[files[0], ("docker-entrypoint.sh", "#!/bin/bash\nexec \"$@\"\n")]), [""; 0]);
}
