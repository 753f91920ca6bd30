//! Chat and webhook.

use std::sync::atomic::Ordering;

use cofferdam_adapters::notify::{Egress, Network};
use ring::hmac;

use crate::server::{Answer, Server, certificate, status};
use crate::{notice, refused, slack, webhook};

#[tokio::test]
async fn an_event_arrives_whole_and_signed() {
    let server = Server::start(vec![status("204 No Content", "")]).await;
    webhook(&server.url(), Egress::own(), None).deliver(&notice()).await.unwrap();
    let (head, body) = server.request();
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(name)).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    assert!(header("content-type").starts_with("application/cloudevents+json"), "{head}");
    let event: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["id"], "00000000-0000-0000-0000-000000000000/7");
    assert_eq!(event["type"], "dev.cofferdam.run.failed");
    assert_eq!(event["data"]["hash"], "abc");
    let signature = header("cofferdam-signature");
    let (time, sum) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef");
    let signed = format!("{time}.{body}");
    hmac::verify(&key, signed.as_bytes(), &hex::decode(sum).unwrap()).unwrap();
    assert!(hmac::verify(&key, format!("{time}1.{body}").as_bytes(), &hex::decode(sum).unwrap()).is_err());
}

#[tokio::test]
async fn a_message_to_slack_calls_nobody() {
    let server = Server::start(vec![status("200 OK", "")]).await;
    slack(&server.url()).deliver(&notice()).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&server.request().1).unwrap();
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("*shop: 1.5.0 failed &lt;!channel&gt;* (prod)\n"), "{text}");
    assert!(text.contains("order note ä") && text.contains("by alice@host [prod]"), "{text}");
}

#[tokio::test]
async fn a_receiver_that_fails_and_mends_is_told() {
    let no_service =
        Answer::Say("HTTP/1.1 404 No\r\nContent-Length: 10\r\nConnection: close\r\n\r\nno_service".into());
    let server = Server::start(vec![status("500 Oh", ""), no_service, status("200 OK", "")]).await;
    let sink = slack(&server.url());
    assert!(refused(&*sink).await.ends_with("it answered 500"));
    assert!(refused(&*sink).await.ends_with("it answered 404 (no_service)"));
    sink.deliver(&notice()).await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let inside = Server::start(vec![status("200 OK", "")]).await;
    for to in ["http://169.254.169.254/latest/meta-data".to_owned(), inside.url()] {
        for line in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
            let server = Server::start(vec![status(line, &format!("Location: {to}\r\n"))]).await;
            let why = refused(&*webhook(&server.url(), Egress::own(), None)).await;
            assert!(why.contains("redirects are not followed"), "{why}");
        }
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn of_an_answer_of_30_mb_little_is_read() {
    let server = Server::start(vec![Answer::Endless]).await;
    let why = refused(&*webhook(&server.url(), Egress::own(), None)).await;
    assert!(why.ends_with("it answered 500"), "{why}");
    // What lies in the buffers of the system was written and not read.
    let written = server.seen.written.load(Ordering::SeqCst);
    assert!(written < 16 << 20, "{written}");
}

#[tokio::test]
async fn one_that_is_silent_or_down_is_given_up() {
    let server = Server::start(vec![Answer::Silence]).await;
    let why = refused(&*webhook(&server.url(), Egress::own(), None)).await;
    assert!(why.contains("no answer"), "{why}");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let why = refused(&*webhook(&format!("http://{gone}"), Egress::own(), None)).await;
    assert!(why.contains("cannot connect") || why.contains("no answer"), "{why}");
}

#[tokio::test]
async fn a_certificate_must_be_of_an_authority_that_is_trusted() {
    let certificate = certificate();
    let server = Server::with_tls(vec![status("200 OK", "")], &certificate).await;
    let url = format!("https://localhost:{}", server.port);
    let why = refused(&*webhook(&url, Egress::own(), None)).await;
    assert!(why.contains("certificate"), "{why}");
    webhook(&url, Egress::own(), Some(&certificate.authority)).deliver(&notice()).await.unwrap();
    // The name counts, too.
    let other = format!("https://127.0.0.1:{}", server.port);
    refused(&*webhook(&other, Egress::own(), Some(&certificate.authority))).await;
    assert_eq!(server.seen.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_address_that_a_namespace_names_leads_neither_inside_nor_anywhere_without_tls() {
    let server = Server::start(vec![status("200 OK", "")]).await;
    let (port, tenant) = (server.port, Egress::tenant(vec![], vec![]));
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "0.0.0.0"] {
        for scheme in ["http", "https"] {
            let why = refused(&*webhook(&format!("{scheme}://{host}:{port}"), tenant.clone(), None)).await;
            assert!(why.contains("notifications may not go to"), "{host}: {why}");
        }
    }
    for host in ["169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "2852039166"] {
        let why = refused(&*webhook(&format!("https://{host}:{port}"), Egress::own(), None)).await;
        assert!(why.contains("notifications may not go to"), "{host}: {why}");
    }
    assert_eq!(server.connections(), 0);
    let allowed = Egress::tenant(vec![], vec![Network::parse("127.0.0.0/8").unwrap()]);
    webhook(&server.url(), allowed, None).deliver(&notice()).await.unwrap();
}
