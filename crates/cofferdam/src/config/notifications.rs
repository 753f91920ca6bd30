//! `notifications:` of cofferdam.yaml: who is told of runs.

use std::path::PathBuf;

use cofferdam_adapters::notify::{Egress, Email, Secret, Settings, Slack, Tls, Webhook};
use cofferdam_core::{Code, Refusal};
use serde::Deserialize;

use super::reference;

/// The whole of it. Secrets are references: `env:NAME` or `file:PATH`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Notifications {
    slack: Option<SlackKeys>,
    email: Option<EmailKeys>,
    webhook: Option<WebhookKeys>,
    /// A file with authorities beside those of the system, as PEM.
    ca: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SlackKeys {
    webhook: String,
    template: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EmailKeys {
    host: String,
    port: Option<u16>,
    tls: Option<String>,
    username: Option<String>,
    password: Option<String>,
    from: String,
    recipients: Vec<String>,
    subject: Option<String>,
    template: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WebhookKeys {
    url: String,
    signing_key: Option<String>,
}

type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Notifications {
    /// With its secrets, and what is wrong with those parts that cannot be used. The one does not hold the other.
    pub(crate) fn resolved(&self, variable: Variable<'_>) -> (Settings, Vec<Refusal>) {
        let mut settings = Settings { egress: Egress::own(), ..Settings::default() };
        let mut wrong = Vec::new();
        let ca = match self.ca.as_ref().map(|path| bytes("ca", path)).transpose() {
            Ok(ca) => ca,
            Err(refusal) => {
                wrong.push(*refusal);
                None
            }
        };
        let mut keep = |problem: Box<Refusal>| wrong.push(*problem);
        settings.slack =
            self.slack.as_ref().and_then(|k| slack(k, ca.as_deref(), variable).map_err(&mut keep).ok());
        settings.email =
            self.email.as_ref().and_then(|k| email(k, ca.as_deref(), variable).map_err(&mut keep).ok());
        settings.webhook =
            self.webhook.as_ref().and_then(|k| webhook(k, ca.as_deref(), variable).map_err(&mut keep).ok());
        (settings, wrong)
    }
}

fn slack(keys: &SlackKeys, ca: Option<&[u8]>, variable: Variable<'_>) -> Result<Slack, Box<Refusal>> {
    Ok(Slack {
        url: secret("slack.webhook", &keys.webhook, variable)?,
        template: template("slack.template", keys.template.as_ref())?,
        ca: ca.map(<[u8]>::to_vec),
    })
}

fn email(keys: &EmailKeys, ca: Option<&[u8]>, variable: Variable<'_>) -> Result<Email, Box<Refusal>> {
    let tls = match &keys.tls {
        None => Tls::default(),
        Some(word) => Tls::named(word).ok_or_else(|| {
            bad("email.tls", "it is starttls, implicit or none", "leave it out for starttls")
        })?,
    };
    let password = keys.password.as_ref().map(|text| secret("email.password", text, variable)).transpose()?;
    Ok(Email {
        host: keys.host.clone(),
        port: keys.port,
        tls,
        username: keys.username.clone(),
        password,
        from: keys.from.clone(),
        recipients: keys.recipients.clone(),
        template: template("email.template", keys.template.as_ref())?,
        subject: keys.subject.clone(),
        ca: ca.map(<[u8]>::to_vec),
    })
}

fn webhook(keys: &WebhookKeys, ca: Option<&[u8]>, variable: Variable<'_>) -> Result<Webhook, Box<Refusal>> {
    let signing_key =
        keys.signing_key.as_ref().map(|text| secret("webhook.signingKey", text, variable)).transpose()?;
    let url = match keys.url.starts_with("env:") || keys.url.starts_with("file:") {
        true => secret("webhook.url", &keys.url, variable)?,
        false => Secret::new(&keys.url),
    };
    Ok(Webhook { url, signing_key, ca: ca.map(<[u8]>::to_vec) })
}

/// What a reference leads to. A value that is written out is refused, and not repeated.
fn secret(key: &str, text: &str, variable: Variable<'_>) -> Result<Secret, Box<Refusal>> {
    if !text.starts_with("env:") && !text.starts_with("file:") {
        return Err(bad(key, "a secret is written out in it", "write env:NAME or file:PATH"));
    }
    match reference::resolved(text, variable) {
        Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
        _ => Err(bad(
            key,
            &format!("{text} leads to nothing"),
            "set the variable, or look at the file's rights",
        )),
    }
}

fn template(key: &str, path: Option<&PathBuf>) -> Result<Option<String>, Box<Refusal>> {
    let Some(path) = path else { return Ok(None) };
    let text = String::from_utf8(bytes(key, path)?);
    text.map(Some).map_err(|_| bad(key, "the file is not UTF-8", "save it as UTF-8"))
}

fn bytes(key: &str, path: &PathBuf) -> Result<Vec<u8>, Box<Refusal>> {
    std::fs::read(path)
        .map_err(|why| bad(key, &format!("{}: {why}", path.display()), "look at the path and its rights"))
}

fn bad(key: &str, why: &str, help: &str) -> Box<Refusal> {
    let what = format!("notifications.{key} cannot be used");
    Box::new(Refusal::new(Code::BadSink, what).cause(why).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Settings, Vec<Refusal>) {
        let read: Notifications = serde_saphyr::from_str(text).unwrap();
        read.resolved(&|name| (name == "SET").then(|| "https://hooks.example/canary".to_owned()))
    }

    #[test]
    fn references_are_followed_and_what_is_wrong_holds_nothing_else() {
        let (settings, wrong) = read(
            "slack: {webhook: 'env:SET'}
webhook: {url: 'https://h/x', signingKey: 'env:GONE'}
email: {host: h, from: a@b.c, recipients: [a@b.c], tls: ssl}",
        );
        assert_eq!(settings.slack.unwrap().url, Secret::new("https://hooks.example/canary"));
        assert!(settings.webhook.is_none() && settings.email.is_none());
        let said: Vec<String> = wrong.iter().map(|refusal| refusal.what.clone()).collect();
        assert_eq!(
            said,
            ["notifications.email.tls cannot be used", "notifications.webhook.signingKey cannot be used"]
        );
    }

    #[test]
    fn a_secret_that_is_written_out_is_refused_and_not_repeated() {
        for text in [
            "slack: {webhook: 'https://hooks.example/canary'}",
            "webhook: {url: 'env:SET', signingKey: canary}",
            "email: {host: h, from: a@b.c, recipients: [a@b.c], username: u, password: canary}",
        ] {
            let (_, wrong) = read(text);
            assert_eq!(wrong.len(), 1, "{text}");
            assert!(!format!("{wrong:?}").contains("canary"), "{wrong:?}");
        }
    }
}
