//! `spec.notifications`: told beside the run, and after it for a while. What is wrong with it holds no run.

use std::net::ToSocketAddrs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_adapters::notify::{self, Egress, Email, Network, Secret, Settings, Sink, Slack, Tls, Webhook};
use cofferdam_api::notifications::Notifications;
use cofferdam_operator::contract::{self, Smtp};
use cofferdam_runner::courier::{Courier, Opener, Scope};

use super::Job;
use super::log::{Level, Log};
use super::reach::{Missed, Reach};
use crate::telling::variable;

/// How long a run that is over tells on.
const AT_THE_END: Duration = Duration::from_secs(20);

/// Begins to tell what this object's runs do; `None`: nobody is to be told.
pub(crate) fn begin(job: &Job, folder: &Path) -> Option<Courier> {
    let (settings, wrong) = settings(&job.object.spec.notifications, folder);
    let (sinks, unusable) = notify::open(&settings);
    let log = &job.report.log;
    for why in wrong {
        log.line(Level::Warn, &format!("notifications: {why}"));
    }
    for refusal in unusable {
        let cause = refusal.cause.unwrap_or_default();
        log.line(Level::Warn, &format!("notifications: {}: {cause}", refusal.what));
    }
    start(&job.reach, sinks, &job.who)
}

fn start(reach: &Reach, sinks: Vec<Box<dyn Sink>>, who: &str) -> Option<Courier> {
    if sinks.is_empty() {
        return None;
    }
    let reach = reach.clone();
    let opener: Opener = Arc::new(move || {
        let reach = reach.clone();
        Box::pin(async move {
            reach.once("cofferdam notify").await.map_err(|missed| match missed {
                Missed::Fault(fault) => fault,
                Missed::Key(what) => {
                    cofferdam_core::Refusal::new(cofferdam_core::Code::ConnectFailed, what).into()
                }
            })
        })
    });
    // Only of the runs of this object, whose name is the same in each Pod: a run that one Pod began and another ends is
    // told as a whole.
    Some(Courier::start(opener, sinks, Scope { by: Some(who.to_owned()), ..Scope::all() }))
}

/// Tells what is left.
pub(crate) async fn finish(courier: Option<Courier>, log: &Log) {
    let Some(courier) = courier else { return };
    for account in courier.finish(AT_THE_END).await {
        if let Some(line) = crate::telling::complaint(&account) {
            log.line(Level::Warn, &line);
        }
    }
}

/// A key of a mounted Secret.
fn key(folder: &Path, mount: &str, key: &str) -> Option<Secret> {
    let place = folder.join(Path::new(mount).file_name()?).join(key);
    let text = std::fs::read_to_string(place).ok()?;
    Some(text.trim_end_matches(['\r', '\n'])).filter(|text| !text.is_empty()).map(Secret::new)
}

/// What is asked for and can be used, and why the rest cannot.
fn settings(asked: &Notifications, folder: &Path) -> (Settings, Vec<String>) {
    let mut wrong = Vec::new();
    let mut found = |what: &str, mount: &str, name: &str| {
        let value = key(folder, mount, name);
        if value.is_none() {
            wrong.push(format!("{what} is not told: its Secret is not there, or lacks the key"));
        }
        value
    };
    let slack = asked.slack.as_ref().and_then(|_| found("slack", contract::SLACK, "url"));
    let slack = slack.map(|url| Slack { url, ..Slack::default() });
    let webhook = asked.webhook.as_ref().and_then(|webhook| {
        let url = found("webhook", contract::HOOK, "url")?;
        let signing_key = match webhook.signing_key_secret_ref {
            None => None,
            // Not sent without the signature that somebody asked for.
            Some(_) => Some(found("webhook", contract::HOOK_KEY, "key")?),
        };
        Some(Webhook { url, signing_key, ca: None })
    });
    let email = asked.email.as_ref().and_then(|email| match smtp() {
        Ok(Some(server)) => {
            let login = server.existing_secret.is_some();
            let username = if login { Some(found("email", contract::SMTP_LOGIN, "username")?) } else { None };
            let password = if login { Some(found("email", contract::SMTP_LOGIN, "password")?) } else { None };
            Some(Email {
                host: server.host,
                port: server.port,
                tls: server.tls.as_deref().and_then(Tls::named).unwrap_or_default(),
                username: username.map(|name| name.reveal().to_owned()),
                password,
                from: server.from,
                recipients: email.recipients.iter().map(|address| address.0.clone()).collect(),
                ca: key(folder, contract::SMTP_LOGIN, "ca.crt").map(|pem| pem.reveal().as_bytes().to_vec()),
                ..Email::default()
            })
        }
        Ok(None) => None,
        Err(_) => None,
    });
    if asked.email.is_some() && email.is_none() && wrong.is_empty() {
        wrong.push("email is not told: the administrator set no mail server (notifications.smtp)".to_owned());
    }
    (Settings { slack, email, webhook, egress: egress() }, wrong)
}

fn smtp() -> Result<Option<Smtp>, String> {
    let text = variable(contract::SMTP);
    text.map(|text| serde_json::from_str(&text).map_err(|why| why.to_string())).transpose()
}

/// The rules for addresses that come from a namespace.
fn egress() -> Egress {
    // The addresses of the API: a name here is the cluster's own.
    let host = variable("KUBERNETES_SERVICE_HOST");
    let mut api: Vec<std::net::IpAddr> = Vec::new();
    for name in host.iter().map(String::as_str).chain(host.as_ref().map(|_| "kubernetes.default.svc")) {
        match name.parse() {
            Ok(address) => api.push(address),
            Err(_) => api.extend((name, 443).to_socket_addrs().into_iter().flatten().map(|found| found.ip())),
        }
    }
    let allow = variable(contract::NOTIFY_ALLOW).unwrap_or_default();
    Egress::tenant(api, allow.split(',').filter_map(Network::parse).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Notifications {
        serde_json::from_value(serde_json::json!({
            "slack": { "webhook": "slack" },
            "webhook": {
                "urlSecretRef": { "name": "hook", "key": "url" },
                "signingKeySecretRef": { "name": "hook", "key": "key" },
            },
        }))
        .unwrap()
    }

    #[test]
    fn what_lacks_is_said_and_nothing_is_sent_without_its_signature() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, wrong) = settings(&asked(), folder.path());
        assert!(settings.slack.is_none() && settings.webhook.is_none());
        assert_eq!(wrong.len(), 2);
        for (mount, key, value) in [
            (contract::SLACK, "url", "https://hooks.slack.com/canary\n"),
            (contract::HOOK, "url", "https://h/canary"),
        ] {
            let place = folder.path().join(Path::new(mount).file_name().unwrap());
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join(key), value).unwrap();
        }
        let (settings, wrong) = super::settings(&asked(), folder.path());
        assert_eq!(settings.slack.as_ref().unwrap().url, Secret::new("https://hooks.slack.com/canary"));
        assert!(settings.webhook.is_none());
        assert_eq!(wrong.len(), 1);
        assert!(!format!("{settings:?}{wrong:?}").contains("canary"));
    }
}
