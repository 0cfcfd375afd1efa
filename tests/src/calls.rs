//! What is called of AWS: every request to an emulator passes, and is written down as the IAM action that it needs.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A way to an emulator. What went along it is kept; it ends with the process.
#[derive(Debug)]
pub struct Calls {
    /// Its port on this machine.
    pub port: u16,
    connections: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Calls {
    /// Opens one in front of an emulator's port.
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let seen = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || drop(pass(client, server, &seen)));
            }
        });
        Self { port, connections }
    }

    /// The actions, such as `ecs:DescribeServices`, each as often as it was called.
    pub fn actions(&self) -> Vec<String> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.iter().flat_map(|bytes| requests(bytes)).map(|request| action(&request)).collect()
    }

    /// Those that can change something.
    pub fn changes(&self) -> Vec<String> {
        const READS: [&str; 6] = ["BatchGet", "Describe", "Get", "Head", "List", "Simulate"];
        let reads = |action: &String| {
            let name = action.split(':').nth(1).unwrap_or_default();
            READS.iter().any(|read| name.starts_with(read))
        };
        self.actions().into_iter().filter(|action| !reads(action)).collect()
    }
}

fn pass(mut client: TcpStream, server: u16, seen: &Mutex<Vec<Vec<u8>>>) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server))?;
    let place = {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(Vec::new());
        seen.len() - 1
    };
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
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
        seen.lock().unwrap_or_else(PoisonError::into_inner)[place].extend(&buffer[..read]);
        server.write_all(&buffer[..read])?;
    }
    let _ = server.shutdown(Shutdown::Write);
    let _ = answering.join();
    Ok(())
}

/// A request: its first line, its other lines, its body.
struct Request {
    line: String,
    fields: Vec<String>,
    body: String,
}

/// The requests of one connection, one after another.
fn requests(mut bytes: &[u8]) -> Vec<Request> {
    let mut requests = Vec::new();
    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let fields: Vec<String> = lines.map(str::to_owned).collect();
        let mut request = Request { line, fields, body: String::new() };
        let length = request.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let rest = &bytes[end + 4..];
        let (body, rest) = rest.split_at(rest.len().min(length));
        request.body = String::from_utf8_lossy(body).into_owned();
        requests.push(request);
        bytes = rest;
    }
    requests
}

impl Request {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter().filter_map(|line| line.split_once(':'));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// The signature names the service; the protocol of each service says where the operation stands.
fn action(request: &Request) -> String {
    let scope = request.field("authorization").and_then(|it| it.split("Credential=").nth(1));
    let service = scope.and_then(|scope| scope.split('/').nth(3)).unwrap_or("unsigned");
    let mut words = request.line.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let name = if service == "s3" {
        return format!("s3:{}", of_s3(method, path));
    } else if let Some(target) = request.field("x-amz-target") {
        target.rsplit('.').next().unwrap_or_default()
    } else if let Some((_, operation)) = path.split_once("/operation/") {
        operation
    } else {
        request.body.split('&').find_map(|part| part.strip_prefix("Action=")).unwrap_or(&request.line)
    };
    let service = if service == "monitoring" { "cloudwatch" } else { service };
    format!("{service}:{name}")
}

/// Service authorization reference, "Actions defined by Amazon S3".
fn of_s3(method: &str, path: &str) -> &'static str {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let of_bucket = path.trim_matches('/').split('/').count() == 1;
    let part = query.split(['=', '&']).next().unwrap_or_default();
    match (method, part) {
        ("GET", "versioning") => "GetBucketVersioning",
        ("GET", "publicAccessBlock") => "GetBucketPublicAccessBlock",
        ("GET", "encryption") => "GetEncryptionConfiguration",
        ("GET", "policy") => "GetBucketPolicy",
        ("GET", "lifecycle") => "GetLifecycleConfiguration",
        ("PUT", "versioning") => "PutBucketVersioning",
        ("PUT", "publicAccessBlock") => "PutBucketPublicAccessBlock",
        ("PUT", "encryption") => "PutEncryptionConfiguration",
        ("PUT", "policy") => "PutBucketPolicy",
        ("PUT", _) if of_bucket => "CreateBucket",
        ("GET" | "HEAD", _) if of_bucket => "ListBucket",
        ("GET" | "HEAD", _) => "GetObject",
        ("PUT", _) => "PutObject",
        ("DELETE", _) => "DeleteObject",
        _ => "an unknown action",
    }
}
