//! Registries that are busy, broken or hostile.

use std::time::Duration;

use cofferdam_adapters::sources::image::PullSecrets;
use cofferdam_adapters::sources::read_image;
use cofferdam_core::Code;

use super::built::{Built, GZIP, OCI, image, layer, packed, simple};
use super::server::{Answers, Server, blob_path, ok, serving, status};
use super::{again, paths, read, refusal, source};

fn one_file() -> Built {
    simple(&[("m/1.sql", "SELECT 1;")])
}

const MANIFEST: &str = "/v2/app/manifests/v1";

async fn served(answers: Answers) -> (Server, String) {
    let server = Server::start(|_| answers).await;
    let name = format!("{}/app:v1", server.host);
    (server, name)
}

#[tokio::test]
async fn a_status_says_whether_to_try_again() {
    let cases = [
        ("429 Too Many Requests", "slow down", Ok("429")),
        ("500 Internal Server Error", "oops", Ok("500: oops")),
        ("502 Bad Gateway", "", Ok("502")),
        ("503 Service Unavailable", "<html>\x1b[31m</html>", Ok("503: <html>?[31m</html>")),
        (
            "429 Too Many Requests",
            r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"limit"}]}"#,
            Ok("limit"),
        ),
        ("401 Unauthorized", "", Err(Code::ImageAuth)),
        ("403 Forbidden", "", Err(Code::ImageAuth)),
        ("403 Forbidden", r#"{"errors":[{"code":"DENIED"}]}"#, Err(Code::ImageAuth)),
        ("404 Not Found", "", Err(Code::ImageNotFound)),
        ("404 Not Found", r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#, Err(Code::ImageNotFound)),
        ("400 Bad Request", "what?", Err(Code::RegistryUnavailable)),
        ("204 No Content", "", Err(Code::RegistryUnavailable)),
        ("200 OK", "<html>", Err(Code::ImageUnsupported)),
        ("200 OK", "{}", Err(Code::ImageUnsupported)),
    ];
    let built = one_file();
    for (line, body, expected) in cases {
        // For the manifest, and in the same way for a layer.
        for path in [MANIFEST.to_owned(), blob_path(&built.blobs[0])] {
            if line == "200 OK" && path != MANIFEST {
                continue;
            }
            let mut answers = serving(&built);
            answers.insert(path.clone(), status(line, "", body.as_bytes()));
            let (_server, name) = served(answers).await;
            let result = read(&name, "/m").await;
            match expected {
                Ok(words) => {
                    let why = again(result);
                    assert!(why.to_string().contains(words), "{line} {path}: {why}");
                }
                // For a layer an empty answer is one that ended too early.
                Err(_) if line.starts_with("204") && path != MANIFEST => drop(again(result)),
                Err(code) => drop(refusal(result, code)),
            }
        }
    }
}

#[tokio::test]
async fn who_cannot_be_reached_or_is_silent_may_come_back() {
    let refused = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    again(read(&format!("{refused}/app:v1"), "/m").await);
    let built = one_file();
    for path in ["/v2/".to_owned(), MANIFEST.to_owned(), blob_path(&built.blobs[0])] {
        let mut answers = serving(&built);
        answers.insert(path.clone(), Vec::new());
        let (_server, name) = served(answers).await;
        let mut source = source(&name, "/m");
        source.limits.request = Duration::from_millis(300);
        again(read_image(&source).await);
    }
    // Over the limit for the whole image.
    let (_server, name) = served(serving(&built)).await;
    let mut source = source(&name, "/m");
    source.limits.total = Duration::ZERO;
    again(read_image(&source).await);
}

#[tokio::test]
async fn a_layer_that_breaks_off_may_come_whole_the_next_time() {
    let built = one_file();
    let layer = built.blobs[0].clone();
    let half = &layer[..layer.len() / 2];
    let head = |length: &str| format!("HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\n").into_bytes();
    let announced = head(&format!("Content-Length: {}\r\n", layer.len()));
    for head in [announced, head("")] {
        let mut answers = serving(&built);
        answers.insert(blob_path(&layer), [head.as_slice(), half].concat());
        let (_server, name) = served(answers).await;
        let why = again(read(&name, "/m").await);
        assert!(why.to_string().contains(&format!("of {} bytes", layer.len())), "{why}");
    }
    // More than it has is something else than it is.
    let mut answers = serving(&built);
    answers.insert(blob_path(&layer), ok(&[layer.as_slice(), b"more"].concat()));
    let (_server, name) = served(answers).await;
    refusal(read(&name, "/m").await, Code::ImageDigest);
}

#[tokio::test]
async fn bytes_that_match_their_digest_and_are_no_archive_are_refused() {
    let built = image(OCI, &[(GZIP, b"not a gzip stream, and no archive".to_vec())]);
    let (_server, name) = served(serving(&built)).await;
    let refused = refusal(read(&name, "/m").await, Code::ImageHostile);
    assert!(refused.to_string().contains("no archive"), "{refused}");
    let cut = packed(GZIP, &layer(&[("m/1.sql", "SELECT 1;")])[..700]);
    let (_server, name) = served(serving(&image(OCI, &[(GZIP, cut)]))).await;
    let refused = refusal(read(&name, "/m").await, Code::ImageHostile);
    assert!(refused.to_string().contains("ends in the middle"), "{refused}");
}

#[tokio::test]
async fn caps_are_held_against_what_the_manifest_says() {
    let layer = packed(GZIP, &layer(&[("m/1.sql", "SELECT 1;")]));
    let size = layer.len() as u64;
    let built = image(OCI, &[(GZIP, layer.clone()), (GZIP, layer)]);
    let (server, name) = served(serving(&built)).await;
    let mut source = source(&name, "/m");
    source.limits.compressed_bytes = size * 2 - 1;
    refusal(read_image(&source).await, Code::ImageHostile);
    source.limits.compressed_bytes = size * 2;
    source.limits.layers = 1;
    refusal(read_image(&source).await, Code::ImageHostile);
    let layers = server.requests_for(&blob_path(&built.blobs[0]));
    assert_eq!(layers.len(), 0, "no layer was asked for");
    source.limits.layers = 2;
    assert_eq!(paths(&read_image(&source).await.unwrap()), ["1.sql"]);
    source.limits.document_bytes = 10;
    refusal(read_image(&source).await, Code::ImageHostile);
}

#[tokio::test]
async fn credentials_stay_with_their_registry() {
    let built = one_file();
    let layer = built.blobs[0].clone();
    let elsewhere = Server::start(|_| Answers::from([("/stored".to_owned(), ok(&layer))])).await;
    let stored = format!("Location: http://{}/stored\r\n", elsewhere.host);
    let mut answers = serving(&built);
    let challenge = "WWW-Authenticate: Basic realm=\"test\"\r\n";
    answers.insert("/v2/".to_owned(), status("401 Unauthorized", challenge, b""));
    answers.insert(blob_path(&layer), status("307 Temporary Redirect", &stored, b""));
    let (server, name) = served(answers).await;
    let mut source = source(&name, "/m");
    let config = format!(r#"{{"auths":{{"{}":{{"username":"u","password":"canary"}}}}}}"#, server.host);
    source.pull_secrets = PullSecrets::default();
    source.pull_secrets.add("regcred", config.as_bytes()).unwrap();
    assert_eq!(paths(&read_image(&source).await.unwrap()), ["1.sql"]);
    let has_credentials = |head: &String| head.to_lowercase().contains("\r\nauthorization: basic ");
    assert!(server.requests_for("/blobs/").iter().all(has_credentials));
    let redirected = elsewhere.requests_for("/stored");
    assert_eq!(redirected.len(), 1);
    assert!(!redirected[0].to_lowercase().contains("authorization"), "{}", redirected[0]);
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let built = one_file();
    let mut answers = serving(&built);
    let round = format!("Location: {MANIFEST}\r\n");
    answers.insert(MANIFEST.to_owned(), status("307 Temporary Redirect", &round, b""));
    let (server, name) = served(answers).await;
    let refused = refusal(read(&name, "/m").await, Code::RegistryUnavailable);
    assert!(refused.to_string().contains("redirect"), "{refused}");
    assert!(server.requests_for(MANIFEST).len() < 20);
}

#[tokio::test]
async fn tokens_are_fetched_and_bad_ones_are_an_answer_like_any_other() {
    let built = one_file();
    let with_token = async |token: Vec<u8>| {
        Server::start(|host| {
            let mut answers = serving(&built);
            let challenge =
                format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\"\r\n");
            answers.insert("/v2/".to_owned(), status("401 Unauthorized", &challenge, b""));
            answers.insert("/token".to_owned(), token);
            answers
        })
        .await
    };
    let server = with_token(ok(br#"{"token":"abc"}"#)).await;
    assert_eq!(paths(&read(&format!("{}/app:v1", server.host), "/m").await.unwrap()), ["1.sql"]);
    let token = server.requests_for("/token");
    assert!(token[0].contains("scope=repository%3Aapp%3Apull&service=s"), "{}", token[0]);
    assert!(server.requests_for("/manifests/")[0].to_lowercase().contains("\r\nauthorization: bearer abc"));
    let cases: [(Vec<u8>, Code); 3] = [
        (status("403 Forbidden", "", b"no such user"), Code::ImageAuth),
        (ok(b"<html>"), Code::RegistryUnavailable),
        // No header can hold it; the client panics.
        (ok(br#"{"token":"a\nb"}"#), Code::RegistryUnavailable),
    ];
    for (answer, code) in cases {
        let server = with_token(answer).await;
        refusal(read(&format!("{}/app:v1", server.host), "/m").await, code);
    }
}
