//! Whose keys a token is made with: the answers are those that AWS documents, given by a server of the test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use cofferdam_adapters::credentials::RdsIam;
use cofferdam_core::{Code, Fault};

/// The environment of the process that asks.
static VARIABLES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

fn variable(name: &str) -> Option<String> {
    VARIABLES.lock().unwrap().get(name).cloned()
}

fn set(all: &[(&str, &str)]) {
    *VARIABLES.lock().unwrap() = all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
}

/// Gives these answers, one a connection; what was asked comes out of the channel.
fn server(answers: Vec<(u16, String)>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let read = stream.read(&mut buffer).unwrap();
                asked.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&asked).into_owned();
                let length = text
                    .lines()
                    .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned))
                    .map_or(0, |length| length.trim().parse::<usize>().unwrap());
                if let Some(head) = text.find("\r\n\r\n")
                    && asked.len() >= head + 4 + length
                {
                    break;
                }
            }
            sender.send(String::from_utf8(asked).unwrap()).unwrap();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    (address, receiver)
}

fn role(id: &str, until: &str) -> (u16, String) {
    let keys = format!(
        "<Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey>\
         <SessionToken>t&amp;{id}==</SessionToken><Expiration>{until}</Expiration></Credentials>"
    );
    (
        200,
        format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{keys}</AssumeRoleResponse>"
        ),
    )
}

const LATER: &str = "2099-01-01T00:00:00Z";

fn code(outcome: Result<String, Fault>) -> Code {
    match outcome.unwrap_err() {
        Fault::Refused(refusal) => refusal.code,
        Fault::Again { why, .. } => why.code,
        other => panic!("{other:?}"),
    }
}

/// One test, because the variables are those of one process.
#[tokio::test]
async fn keys_are_found_where_the_tools_of_aws_look_and_kept_until_they_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "jwt.canary\n").unwrap();
    let token_file = file.to_str().unwrap();

    set(&[]);
    let iam = || RdsIam::new("us-east-1", None, None, variable);
    assert_eq!(code(iam().token("db", 5432, "u").await), Code::AwsNoCredentials);

    // Keys of the environment.
    set(&[("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    let token = iam().token("DB.example", 5432, "u").await.unwrap();
    assert!(token.starts_with("db.example:5432/?Action=connect&DBUser=u&X-Amz-Algorithm="), "{token}");
    assert!(token.contains("X-Amz-Credential=AKID%2F") && !token.contains("Security-Token"));

    // A service account whose token is taken for a role, which takes another one.
    let (address, asked) = server(vec![role("ASIAONE", LATER), role("ASIATWO", LATER)]);
    let web = |address: &str| {
        set(&[
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token_file),
            ("AWS_ENDPOINT_URL_STS", address),
        ]);
    };
    web(&address);
    let second = Some("arn:aws:iam::2:role/migrator".to_owned());
    let iam = RdsIam::new("us-east-1", second, Some("ex=1".into()), variable);
    for _ in 0..3 {
        let token = iam.token("db", 5432, "u").await.unwrap();
        assert!(
            token.contains("Credential=ASIATWO%2F") && token.contains("Token=t%26ASIATWO%3D%3D"),
            "{token}"
        );
    }
    let (first, second) = (asked.recv().unwrap(), asked.recv().unwrap());
    assert!(first.starts_with("POST / ") && first.contains("Action=AssumeRoleWithWebIdentity"), "{first}");
    assert!(
        first.contains("WebIdentityToken=jwt.canary")
            && first.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fpod")
    );
    let line = second.lines().next().unwrap();
    assert!(
        line.starts_with("GET /?Action=AssumeRole&ExternalId=ex%3D1&RoleArn=arn%3Aaws%3Aiam%3A%3A2"),
        "{line}"
    );
    assert!(line.contains("X-Amz-Credential=ASIAONE%2F") && line.contains("X-Amz-Signature="), "{line}");

    // What ends within five minutes is renewed.
    let (address, asked) = server(vec![role("ASIAOLD", "2020-01-01T00:00:00Z"), role("ASIANEW", LATER)]);
    web(&address);
    let iam = RdsIam::new("us-east-1", None, None, variable);
    assert!(iam.token("db", 1, "u").await.unwrap().contains("ASIAOLD"));
    assert!(iam.token("db", 1, "u").await.unwrap().contains("ASIANEW"));
    assert!(iam.token("db", 1, "u").await.unwrap().contains("ASIANEW"));
    assert_eq!(asked.iter().count(), 2);

    // A container's keys, and what may not be asked for them.
    let document =
        format!(r#"{{"AccessKeyId":"ASIACON","SecretAccessKey":"s","Token":"t","Expiration":"{LATER}"}}"#);
    let (address, asked) = server(vec![(200, document)]);
    let container = |uri: &str| {
        set(&[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file),
        ]);
    };
    container(&format!("{address}/v1/credentials"));
    let iam = || RdsIam::new("us-east-1", None, None, variable);
    assert!(iam().token("db", 1, "u").await.unwrap().contains("ASIACON"));
    let asked = asked.recv().unwrap();
    assert!(
        asked.starts_with("GET /v1/credentials") && asked.contains("authorization: jwt.canary"),
        "{asked}"
    );
    for elsewhere in
        ["http://elsewhere.example/", "http://127.0.0.1.example/", "http://127.0.0.1@example/", "ftp://x"]
    {
        container(elsewhere);
        assert_eq!(code(iam().token("db", 1, "u").await), Code::AwsDenied, "{elsewhere}");
    }

    // What AWS says is said on, and nothing of what was sent.
    let denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform \
                  sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>";
    let busy = "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>";
    for (status, body, expected, words) in [
        (403, denied, Code::AwsDenied, "AccessDenied: Not authorized"),
        (400, busy, Code::AwsUnreachable, "400"),
        (503, "", Code::AwsUnreachable, "503"),
        (200, "<html>", Code::AwsDenied, "status 200"),
        (302, "", Code::AwsDenied, "status 302"),
    ] {
        let (address, _asked) = server(vec![(status, body.to_owned())]);
        web(&address);
        let fault = iam().token("db", 1, "u").await.unwrap_err();
        let text = format!("{fault:?}");
        assert!(text.contains(words) && !text.contains("canary"), "{text}");
        assert_eq!(code(Err(fault)), expected, "{status}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    web(&format!("http://{closed}"));
    assert_eq!(code(iam().token("db", 1, "u").await), Code::AwsUnreachable);
    set(&[("AWS_ROLE_ARN", "r"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere")]);
    assert_eq!(code(iam().token("db", 1, "u").await), Code::AwsNoCredentials);
}
