//! The image store as a registry.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use quickserve_core::ErrorKind;
use quickserve_core::registry::{Referrer, Registry as _};
use quickserve_core::release::Release;
use quickserve_core::retention::Retainer as _;
use quickserve_docker::{ImageStore, RegistryAuth};

use super::support::{SECRET_VALUE, Stage, docker, single};

#[tokio::test]
async fn a_reference_is_resolved_and_a_wrong_one_says_what_there_is() {
    let stage = Stage::new("resolve").await;
    let store = ImageStore::new(stage.engine.clone(), stage.key.clone());
    let found = store.resolve(&stage.image).await.expect("the image");
    assert_eq!(found.image.reference, stage.image);
    assert_eq!((found.image.manifest, found.platform.as_str()), (None, "linux/amd64"));
    assert_eq!(found.exposed_ports, [8080]);
    assert!(found.variables.contains(&"FROM_IMAGE".to_owned()), "{:?}", found.variables);
    assert!(!found.has_health_check && found.user.is_empty());
    let by_id = store.resolve(found.image.digest.as_str()).await.expect("the image");
    assert_eq!(by_id.image.digest, found.image.digest);

    let (repository, _) = stage.image.split_once(':').expect("a tag");
    let error = store.resolve(&format!("{repository}:2")).await.expect_err("no such tag");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().is_some_and(|hint| hint.contains(&stage.image)), "{error:?}");
    let error = store.resolve("no such image").await.expect_err("not a reference");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_pinned_image_outlives_its_tag() {
    let stage = Stage::new("pin").await;
    let store = ImageStore::new(stage.engine.clone(), stage.key.clone());
    let release = stage.release(single(&["exit", "0"]));
    let image = &release.images["app"];
    for _ in 0..2 {
        store.pin(&release.id, "app", image).await.expect("a pin");
    }
    docker(&["rmi", &stage.image]);
    store.resolve(image.digest.as_str()).await.expect("the image is kept");
    for _ in 0..2 {
        store.unpin(&release.id).await.expect("an unpin");
    }
    let error = store.resolve(image.digest.as_str()).await.expect_err("nothing keeps it");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_is_let_go_of_loses_its_tag_and_what_else_uses_its_image_keeps_it() {
    let stage = Stage::new("letgo").await;
    let store = ImageStore::new(stage.engine.clone(), stage.key.clone());
    let (old, new) = (stage.release(single(&["exit", "0"])), stage.release(single(&["exit", "1"])));
    let image = old.images["app"].digest.as_str();
    for release in [&old, &new] {
        store.pin(&release.id, "app", &release.images["app"]).await.expect("a pin");
    }
    let repository = format!("quickserve/{}.{}", stage.key.service(), stage.key.environment());
    let (foreign, longer) = (format!("{repository}:mine"), format!("{repository}2:{}-app", old.id));
    docker(&["tag", &stage.image, &foreign]);
    docker(&["tag", &stage.image, &longer]);
    let let_go = async |gone: &Release| store.let_go(std::slice::from_ref(gone), &[]).await.expect("let go");
    for _ in 0..2 {
        let_go(&old).await;
    }
    let names = docker(&["image", "inspect", "--format", "{{join .RepoTags \" \"}}", image]);
    let mut names: Vec<&str> = names.split_whitespace().collect();
    names.sort_unstable();
    let kept = format!("{repository}:{}-app", new.id);
    let mut expected = [&stage.image, &foreign, &longer, &kept].map(String::as_str);
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(store.usage().await.expect("a usage").count, 1);

    // A container uses the image under its last name: that stays until the container has gone.
    docker(&["rmi", &stage.image, &foreign, &longer]);
    let container = docker(&["create", "--label", "quickserve.test=letgo", image, "exit", "0"]);
    let_go(&new).await;
    let kept = store.resolve(image).await;
    docker(&["rm", container.trim()]);
    kept.expect("a container uses it");
    let_go(&new).await;
    let error = store.resolve(image).await.expect_err("nothing uses it");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(store.usage().await.expect("a usage").count, 0);
}

#[tokio::test]
async fn an_image_is_pushed_to_a_registry_and_its_digest_read_back() {
    let stage = Stage::new("push").await;
    let (port, manifests) = registry(None).await;
    let reference = format!("127.0.0.1:{port}/shop/{}", stage.image);
    let store = ImageStore::new(stage.engine.clone(), stage.key.clone());
    let image = store.resolve(&stage.image).await.expect("the image").image;
    let digest = store.push(&image, &reference).await;
    let resolved = store.resolve(&reference).await;
    docker(&["rmi", &reference]);
    let digest = digest.expect("a digest");
    assert_eq!(manifests.lock().expect("manifests").get("1"), Some(&digest.to_string()));
    assert_eq!(resolved.expect("the image").image.manifest, Some(digest));
}

#[tokio::test]
async fn a_registry_that_asks_for_credentials_is_explained_and_given_them() {
    let stage = Stage::new("auth").await;
    let (port, manifests) = registry(Some(SECRET_VALUE)).await;
    let reference = format!("127.0.0.1:{port}/shop/{}", stage.image);
    let store = ImageStore::new(stage.engine.clone(), stage.key.clone());
    let image = store.resolve(&stage.image).await.expect("the image").image;
    let refused = store.push(&image, &reference).await;
    let auth = RegistryAuth { username: "me".into(), password: SECRET_VALUE.to_owned().into() };
    let store = store.with_auth(auth);
    let pushed = store.push(&image, &reference).await;
    docker(&["rmi", &reference]);
    let refused = refused.expect_err("no credentials");
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{refused:?}");
    assert!(refused.hint().is_some_and(|hint| hint.contains("docker login")));
    assert_eq!(manifests.lock().expect("manifests").get("1"), Some(&pushed.expect("a digest").to_string()));
    assert!(!format!("{store:?}").contains(SECRET_VALUE));
}

#[tokio::test]
async fn documents_cannot_be_attached_here() {
    let stage = Stage::new("attach").await;
    let store = ImageStore::new(stage.engine.clone(), stage.key.clone());
    let image = store.resolve(&stage.image).await.expect("the image").image;
    let referrer = Referrer { digest: None, artifact_type: "application/spdx+json".into() };
    let error = store.attach(&image.digest, &referrer, b"{}").await.expect_err("unsupported");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = store.referrers(&image.digest, None).await.expect_err("unsupported");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

type Manifests = Arc<Mutex<BTreeMap<String, String>>>;

/// A registry that takes everything and remembers the digest of each tag's manifest.
/// OCI distribution specification, "Pushing a blob as a single POST then PUT" and "Pushing manifests".
async fn registry(password: Option<&'static str>) -> (u16, Manifests) {
    use http_body_util::{BodyExt as _, Empty};
    use hyper::body::{Bytes, Incoming};
    use hyper::service::service_fn;
    use hyper::{Method, Request, Response};
    use hyper_util::rt::TokioIo;

    let manifests = Manifests::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let kept = Arc::clone(&manifests);
    // Length of each blob, by digest, and of each upload, by path.
    let blobs: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            let blobs = Arc::clone(&blobs);
            let service = service_fn(move |request: Request<Incoming>| {
                let (kept, blobs) = (Arc::clone(&kept), Arc::clone(&blobs));
                async move {
                    let answer =
                        Response::builder().header("Docker-Distribution-Api-Version", "registry/2.0");
                    let (head, body) = request.into_parts();
                    let path = head.uri.path().to_owned();
                    let authorized = password.is_none_or(|_| {
                        head.headers
                            .get("authorization")
                            .is_some_and(|value| value.as_bytes().starts_with(b"Basic "))
                    });
                    if !authorized {
                        let answer = answer.status(401).header("WWW-Authenticate", "Basic realm=\"test\"");
                        return answer.body(Empty::<Bytes>::new());
                    }
                    let bytes =
                        body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                    let answer = match (head.method, path.as_str()) {
                        (Method::GET, "/v2/") => answer.status(200),
                        (Method::HEAD, path) => {
                            let digest = path.rsplit('/').next().unwrap_or_default();
                            match blobs.lock().expect("blobs").get(digest) {
                                Some(length) => answer
                                    .status(200)
                                    .header("Content-Length", *length)
                                    .header("Docker-Content-Digest", digest),
                                None => answer.status(404),
                            }
                        }
                        (Method::POST, path) => {
                            let mut blobs = blobs.lock().expect("blobs");
                            let upload = format!("{path}{}", blobs.len());
                            blobs.insert(upload.clone(), 0);
                            answer
                                .status(202)
                                .header("Location", format!("http://127.0.0.1:{port}{upload}"))
                                .header("Range", "0-0")
                        }
                        (Method::PATCH, path) => {
                            blobs.lock().expect("blobs").insert(path.to_owned(), bytes.len());
                            answer
                                .status(202)
                                .header("Location", format!("http://127.0.0.1:{port}{path}"))
                                .header("Range", format!("0-{}", bytes.len().saturating_sub(1)))
                        }
                        (Method::PUT, path) if path.contains("/manifests/") => {
                            let digest = quickserve_core::release::Digest::of(&bytes).to_string();
                            let tag = path.rsplit('/').next().unwrap_or_default().to_owned();
                            kept.lock().expect("manifests").insert(tag, digest.clone());
                            answer.status(201).header("Docker-Content-Digest", digest)
                        }
                        (Method::PUT, path) => {
                            let digest = head.uri.query().and_then(|query| query.split("digest=").nth(1));
                            let digest = digest.unwrap_or_default().replace("%3A", ":");
                            let mut blobs = blobs.lock().expect("blobs");
                            let length = blobs.get(path).copied().unwrap_or_default();
                            blobs.insert(digest.clone(), length);
                            answer.status(201).header("Docker-Content-Digest", digest)
                        }
                        _ => answer.status(404),
                    };
                    answer.body(Empty::new())
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (port, manifests)
}
