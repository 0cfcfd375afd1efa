//! An engine that answers and does not hand out its images: what is looked for in them ends all the same.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use quickserve_core::ErrorKind;
use quickserve_core::service::ServiceKey;
use quickserve_docker::{Engine, ImageStore};
use tempfile::TempDir;
use tokio::time::timeout;

/// What it does when it is asked for an image.
#[derive(Clone, Copy)]
enum Withholding {
    /// Says no.
    Refuses,
    /// Does not answer.
    Hangs,
    /// Begins an archive, and goes on for ever without ending it.
    Drips,
}

/// An engine on a socket; it ends with the process.
async fn engine(folder: &Path, withholding: Withholding) -> Engine {
    let socket = folder.join("engine.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || drop(answer(client, withholding)));
        }
    });
    Engine::connect(Some(&format!("unix://{}", socket.display()))).await.expect("an engine")
}

fn answer(mut client: UnixStream, withholding: Withholding) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    while let Some(request) = lines.next() {
        let request = request?;
        // No request has a body.
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        if !request.contains("/get ") {
            let version = r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux"}"#;
            say(&mut client, "200 OK", version)?;
            continue;
        }
        match withholding {
            Withholding::Refuses => say(&mut client, "500 No", r#"{"message":"this image is not for you"}"#)?,
            Withholding::Hangs => thread::sleep(Duration::from_mins(10)),
            Withholding::Drips => {
                client.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                loop {
                    client.write_all(b"1\r\n\0\r\n")?;
                    thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }
    Ok(())
}

fn say(client: &mut UnixStream, status: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn an_image_that_is_not_handed_out_is_an_error_within_the_time() {
    let table = [
        (Withholding::Refuses, "this image is not for you"),
        (Withholding::Hangs, "the engine did not hand it out within 0.3 s"),
        (Withholding::Drips, "the engine did not hand it out within 0.3 s"),
    ];
    for (withholding, cause) in table {
        let folder = TempDir::new().expect("a folder");
        let engine = engine(folder.path(), withholding).await;
        let store = ImageStore::new(engine, ServiceKey::new("shop", "local").expect("a key"));
        let programs = ["curl".to_owned()].into();
        let look = store.programs_within(Duration::from_millis(300), "shop:1", programs);
        let looked = timeout(Duration::from_secs(30), look).await.expect("an answer in time");
        let error = looked.expect_err("no image");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{cause}");
        assert_eq!(error.causes().last().map(String::as_str), Some(cause));
    }
}
