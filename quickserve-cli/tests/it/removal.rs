//! `down`: what it could not remove, and who waits for it.

use std::io::BufRead as _;

use crate::support::{Shop, docker, snapshot};

#[test]
fn what_could_not_be_removed_is_told_and_goes_with_the_next_down() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let (volume, holder) = (format!("{}-kept", shop.service), format!("{}-holder", shop.service));
    let service = format!("--label=dev.quickserve.service={}", shop.service);
    let labels =
        ["--label=dev.quickserve.managed=true", &service, "--label=dev.quickserve.environment=local"];
    docker(&[&["volume", "create"], &labels[..], &[&volume]].concat());
    let mount = format!("{volume}:/kept");
    docker(&["create", "--name", &holder, "--volume", &mount, &shop.image("1")]);

    let left = shop.run(&["down", "--volumes"]);
    docker(&["rm", &holder]);
    snapshot("down_left_a_volume", &left);
    assert_eq!(left.code, 5, "{left}");
    let again = shop.run(&["down", "--volumes"]);
    assert_eq!(again.code, 0, "{again}");
    assert_eq!(docker(&["volume", "ls", "--quiet", "--filter", &format!("name={volume}")]), "");
}

#[test]
fn data_that_stays_is_told_of() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let volume = format!("{}-data", shop.service);
    let service = format!("--label=dev.quickserve.service={}", shop.service);
    let labels =
        ["--label=dev.quickserve.managed=true", &service, "--label=dev.quickserve.environment=local"];
    docker(&[&["volume", "create"], &labels[..], &[&volume]].concat());
    let ran = shop.run(&["down"]);
    snapshot("down_keeps_a_volume", &ran);
    let all = shop.run(&["down", "--volumes"]);
    assert!(all.stderr.contains("nothing is left") && !all.stderr.contains("kept  "), "{all}");
}

#[test]
fn a_deployment_that_waits_for_a_removal_has_its_secrets() {
    let shop = Shop::with_images(&["1"]);
    let deploy = ["deploy", "--image", &shop.image("1")];
    let first = shop.run(&[&deploy[..], &["--format", "json"]].concat());
    assert_eq!(first.code, 0, "{first}");
    // A request in flight: the removal waits for its end.
    let slow = std::thread::scope(|scope| {
        let slow = scope.spawn(|| shop.get("/slow?ms=4000"));
        let mut down = shop.start(&["down", "--format", "json"]);
        let told = std::io::BufReader::new(down.stdout.take().expect("its output")).lines();
        let mut told = told.map_while(Result::ok);
        assert!(told.any(|line| line.contains(r#""kind":"step_started""#)), "the removal has begun");
        let waited = shop.run(&[&deploy[..], &["--wait", "60s", "--format", "json"]].concat());
        let rest: Vec<String> = told.collect();
        assert_eq!(down.wait().expect("an end").code(), Some(0), "{rest:?}");
        assert_eq!(waited.code, 0, "{waited}");
        assert!(waited.json_lines().iter().any(|line| line["kind"] == "waiting"), "{waited}");
        let release = |ran: &crate::support::Ran| ran.json_lines().pop().expect("a line")["release"].clone();
        assert_eq!(release(&first), release(&waited), "the same release has the same id");
        slow.join().expect("a request")
    });
    assert_eq!(slow.expect("an answer").0, 200);
    assert_eq!(shop.version(), "1");
}
