//! A tap on the engine's socket: every request passes, and is written down.

use std::io::{self, Read, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Where the engine listens.
const ENGINE: &str = "/var/run/docker.sock";

/// A socket that leads to the engine. What was asked through it is kept; it ends with the process.
#[derive(Debug)]
pub struct Tap {
    socket: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tap {
    /// Opens one in a folder.
    pub fn open(folder: &Path) -> Self {
        Self::with(folder, None)
    }

    /// Opens one whose engine hands no image out: `docker save` is refused.
    pub fn withholding_images(folder: &Path) -> Self {
        Self::with(folder, Some("/get HTTP/1.1"))
    }

    /// Opens one whose engine fails where it is asked for its containers.
    pub fn failing(folder: &Path) -> Self {
        Self::with(folder, Some("/containers/json"))
    }

    fn with(folder: &Path, refused: Option<&'static str>) -> Self {
        let socket = folder.join("engine.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let asked = Arc::new(Mutex::default());
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || drop(pass(client, &seen, refused)));
            }
        });
        Self { socket, asked }
    }

    /// As `DOCKER_HOST` has it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Methods and paths, in the order in which they were asked.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that can change something. RFC 9110, 9.2.1: GET and HEAD are safe.
    pub fn changes(&self) -> Vec<String> {
        let asked = self.asked().into_iter();
        asked.filter(|line| !line.starts_with("GET ") && !line.starts_with("HEAD ")).collect()
    }
}

/// What an engine says that does not hand out an image.
const REFUSAL: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\
    Content-Length: 42\r\n\r\n{\"message\":\"this store gives nothing out\"}";

fn pass(mut client: UnixStream, asked: &Mutex<Vec<String>>, refused: Option<&str>) -> io::Result<()> {
    let mut engine = UnixStream::connect(ENGINE)?;
    let (mut answers, mut back) = (engine.try_clone()?, client.try_clone()?);
    let answering = thread::spawn(move || {
        // Either side may go away first.
        let _ = io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 16 << 10];
    loop {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&buffer[..read]);
        let lines = text.lines().filter_map(|line| line.strip_suffix(" HTTP/1.1"));
        asked.lock().unwrap_or_else(PoisonError::into_inner).extend(lines.map(str::to_owned));
        if refused.is_some_and(|part| text.lines().next().is_some_and(|line| line.contains(part))) {
            client.write_all(REFUSAL)?;
            continue;
        }
        engine.write_all(&buffer[..read])?;
    }
    let _ = engine.shutdown(Shutdown::Write);
    let _ = answering.join();
    Ok(())
}
