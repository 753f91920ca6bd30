//! Notifications to real servers: some behave, some behave as none should.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod http;
mod mail;
#[allow(unreachable_pub, reason = "other tests have it too")]
#[path = "../../../../tests/support/post.rs"]
mod post;
mod server;

use cofferdam_adapters::notify::{Egress, Email, Secret, Settings, Sink, Slack, Webhook, open};
use cofferdam_core::notice::Told;
use cofferdam_core::plan::Intent;
use cofferdam_core::{Notice, Phase};

/// What must not come out anywhere.
const CANARY: &str = "canary/+=";

fn notice() -> Notice {
    Notice {
        id: "00000000-0000-0000-0000-000000000000/7".into(),
        kind: Told::Failed,
        title: "shop: 1.5.0 failed <!channel>".into(),
        database: "shop".into(),
        run: uuid::Uuid::nil(),
        seq: 7,
        at: "2026-11-20T10:02:11Z".into(),
        who: "alice@host [prod]".into(),
        environment: Some("prod".into()),
        key: "1.5.0".into(),
        description: "order note ä".into(),
        intent: Intent::Apply,
        strategy: "direct".into(),
        digest: "sha256:1".into(),
        phase: Phase::RollingBack,
        why: Some("no such table\r\nBcc: evil@example.org".into()),
        next: None,
        hash: "abc".into(),
    }
}

fn sink(settings: Settings) -> Box<dyn Sink> {
    let (mut sinks, wrong) = open(&settings);
    assert!(wrong.is_empty(), "{wrong:?}");
    sinks.pop().unwrap()
}

fn webhook(url: &str, egress: Egress, ca: Option<&str>) -> Box<dyn Sink> {
    let webhook = Webhook {
        url: Secret::new(format!("{url}/{CANARY}?key={CANARY}")),
        signing_key: Some(Secret::new("0123456789abcdef")),
        ca: ca.map(|pem| pem.as_bytes().to_vec()),
    };
    sink(Settings { webhook: Some(webhook), egress, ..Settings::default() })
}

fn slack(url: &str) -> Box<dyn Sink> {
    let slack = Slack { url: Secret::new(format!("{url}/{CANARY}")), ..Slack::default() };
    sink(Settings { slack: Some(slack), egress: Egress::own(), ..Settings::default() })
}

fn email(email: Email) -> Box<dyn Sink> {
    sink(Settings { email: Some(email), ..Settings::default() })
}

/// Why it was not taken; nothing of a secret is in it.
async fn refused(sink: &dyn Sink) -> String {
    let why = sink.deliver(&notice()).await.unwrap_err().0;
    assert!(!why.contains("canary") && !why.contains("cofferdam.run"), "{why}");
    why
}
