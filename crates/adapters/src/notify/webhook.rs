//! A CloudEvent 1.0 in its JSON form, to an address of one's own, signed on request.
//!
//! The signature stands in `Cofferdam-Signature: t=TIME,v1=HEX`: HMAC-SHA256 over TIME, a full stop and the body, where
//! TIME is that of the sending in seconds since 1970. Whoever checks it and refuses what is minutes old is safe from
//! forged messages and from repeated ones.

use async_trait::async_trait;
use cofferdam_core::Notice;
use ring::hmac;
use serde_json::{Value, json};
use url::Url;

use super::http::{self, Post};
use super::{Egress, Secret, Settings, Sink, SinkKind, Undelivered, bad};

/// What is configured of it.
#[derive(Debug, Clone, Default)]
pub struct Webhook {
    /// Where it goes.
    pub url: Secret,
    /// What messages are signed with; `None`: they are not signed.
    pub signing_key: Option<Secret>,
    /// Authorities beside those of the system, as PEM.
    pub ca: Option<Vec<u8>>,
}

/// The shortest key, in bytes: less can be guessed.
const SHORTEST: usize = 16;

pub(super) static KIND: SinkKind = SinkKind {
    id: "webhook",
    about: "a CloudEvent to an address of your own, signed with HMAC-SHA256",
    open: |settings: &Settings| {
        let webhook = settings.webhook.as_ref()?;
        let made = receiver(webhook, &settings.egress);
        Some(made.map(|sink| Box::new(sink) as Box<dyn Sink>).map_err(|e| bad("webhook", e)))
    },
};

struct Receiver {
    url: Url,
    key: Option<hmac::Key>,
    egress: Egress,
    ca: Option<Vec<u8>>,
}

fn receiver(webhook: &Webhook, egress: &Egress) -> Result<Receiver, String> {
    let key = match &webhook.signing_key {
        Some(key) if key.reveal().len() < SHORTEST => {
            return Err(format!("the signing key has less than {SHORTEST} bytes"));
        }
        key => key.as_ref().map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes())),
    };
    Ok(Receiver { url: http::address(&webhook.url)?, key, egress: egress.clone(), ca: webhook.ca.clone() })
}

/// The event.
fn event(notice: &Notice) -> Value {
    let database: String = url::form_urlencoded::byte_serialize(notice.database.as_bytes()).collect();
    json!({
        "specversion": "1.0",
        "id": notice.id,
        "source": format!("/cofferdam/{}", database.replace('+', "%20")),
        "type": format!("dev.cofferdam.run.{}", notice.kind.word()),
        "subject": notice.key,
        "time": notice.at,
        "datacontenttype": "application/json",
        "data": notice,
    })
}

/// The header of a body that is sent at this second.
fn signature(key: &hmac::Key, second: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{second}.").as_bytes());
    context.update(body);
    format!("t={second},v1={}", hex::encode(context.sign()))
}

#[async_trait]
impl Sink for Receiver {
    fn id(&self) -> &'static str {
        KIND.id
    }

    fn place(&self) -> String {
        http::place(&self.url)
    }

    async fn deliver(&self, notice: &Notice) -> Result<(), Undelivered> {
        let body = event(notice).to_string().into_bytes();
        let second = jiff::Timestamp::now().as_second();
        let signed = self.key.as_ref().map(|key| ("cofferdam-signature", signature(key, second, &body)));
        let post = Post {
            url: &self.url,
            content_type: "application/cloudevents+json; charset=utf-8",
            headers: signed.into_iter().collect(),
            body,
            ca: self.ca.as_deref(),
        };
        http::post(&self.egress, post).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::template::example;
    use cofferdam_core::notice::Told;

    #[test]
    fn an_event_has_what_the_standard_asks_for() {
        let notice = Notice { database: "my shop/ä".into(), ..example(Told::RolledBack) };
        let event = event(&notice);
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["id"], notice.id.as_str());
        assert_eq!(event["source"], "/cofferdam/my%20shop%2F%C3%A4");
        assert_eq!(event["type"], "dev.cofferdam.run.rolled-back");
        assert_eq!(event["data"]["kind"], "rolled-back");
        assert_eq!(event.as_object().unwrap().len(), 8);
    }

    /// The sum was made with Python's `hmac` module.
    #[test]
    fn the_signature_is_over_the_time_and_the_body() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef");
        assert_eq!(
            signature(&key, 1_700_000_000, br#"{"a":1}"#),
            "t=1700000000,v1=9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23"
        );
        assert_ne!(signature(&key, 1_700_000_001, b""), signature(&key, 1_700_000_000, b""));
    }

    #[test]
    fn a_key_that_can_be_guessed_is_refused() {
        let webhook =
            Webhook { url: Secret::new("https://h/x"), signing_key: Some(Secret::new("short")), ca: None };
        assert!(receiver(&webhook, &Egress::own()).is_err());
    }
}
