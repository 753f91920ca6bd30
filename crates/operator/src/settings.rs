//! What the administrator sets, by environment variables: the chart fills them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::contract::{self, Smtp};
use crate::gates::prometheus::Address;
use crate::migration::gauges::Gauges;

/// All of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The namespaces that are watched; empty: all.
    pub namespaces: Vec<String>,
    /// Where the lease and the operator itself are.
    pub own_namespace: String,
    /// What tells this process from the other replicas.
    pub identity: String,
    /// Name of the lease.
    pub lease: String,
    /// How long a leader that does not answer is waited for.
    pub lease_duration: Duration,
    /// The port of `/metrics`, `/healthz` and `/readyz`.
    pub port: u16,
    /// How many objects are looked at side by side.
    pub concurrency: u16,
    /// The Prometheus that gates may ask, where the administrator named one. It never comes from a spec.
    pub prometheus: Option<Address>,
    /// The runner's Job.
    pub runner: RunnerSettings,
    /// The admission webhook, where it is on.
    pub webhook: Option<WebhookSettings>,
}

/// The admission webhook.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Its port.
    pub port: u16,
    /// The Service in front of it, by whose name it is called.
    pub service: String,
    /// The Secret with the certificate, in the operator's own namespace.
    pub secret: String,
    /// The webhook configurations that are told which authorities to trust; `None`: somebody else makes the certificate.
    pub configuration: Option<String>,
}

impl WebhookSettings {
    /// The names that the certificate is for. The first one is that by which apiservers call.
    pub fn names(&self, namespace: &str) -> Vec<String> {
        let short = format!("{}.{namespace}.svc", self.service);
        vec![short.clone(), format!("{short}.cluster.local")]
    }
}

/// What is the same in every runner's Job.
#[derive(Debug, Clone)]
pub struct RunnerSettings {
    /// The image, which is the operator's own.
    pub image: String,
    /// When it is pulled.
    pub pull_policy: String,
    /// Secrets for pulling it.
    pub pull_secrets: Vec<String>,
    /// The service account of runners, in the namespace of each DatabaseMigration.
    pub service_account: String,
    /// Registries that runners speak to without TLS.
    pub plain_http: Vec<String>,
    /// The Pushgateway that runners tell how they ended, where the administrator named one.
    pub pushgateway: Option<String>,
    /// Where runners read how busy the machine of their database is.
    pub gauges: Gauges,
    /// The nodes can mount images: those that a spec names by their digest are not pulled by the runner.
    pub image_volumes: bool,
    /// The mail server of notifications.
    pub smtp: Option<Smtp>,
    /// Networks that notifications may go to though the rules forbid them.
    pub notify_allow: Vec<String>,
    /// `requests` and `limits`, where a spec does not say others.
    pub resources: Value,
    /// Seconds after its end for which a Job stays, where a spec does not say it; `None`: as long as its object.
    pub time_to_live: Option<u32>,
}

impl Settings {
    /// Reads them. `variable` gives the value of an environment variable, if it is there and not empty.
    ///
    /// # Errors
    /// Which variable is missing or wrong, and what it should be.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let list = |name: &str| -> Vec<String> {
            let text = variable(name).unwrap_or_default();
            text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let number = |name: &str, usual: u16| match variable(name) {
            None => Ok(usual),
            Some(text) => text.parse().map_err(|_| format!("{name}={text} is not a number from 0 to 65535")),
        };
        let needed = |name: &str, what: &str| {
            variable(name).ok_or_else(|| format!("{name} is not set: it says {what}; the chart sets it"))
        };
        let yes = |name: &str| match variable(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => Err(format!("{name}={text} is neither true nor false")),
        };
        let resources = match variable("COFFERDAM_RUNNER_RESOURCES") {
            None => json!({}),
            Some(text) => serde_json::from_str(&text)
                .ok()
                .filter(Value::is_object)
                .ok_or_else(|| format!("COFFERDAM_RUNNER_RESOURCES={text} is not a JSON object"))?,
        };
        let time_to_live = match variable("COFFERDAM_RUNNER_TTL_SECONDS") {
            None => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|_| format!("COFFERDAM_RUNNER_TTL_SECONDS={text} is not a number of seconds"))?,
            ),
        };
        let smtp = variable(contract::SMTP).map(|text| serde_json::from_str(&text)).transpose();
        let smtp =
            smtp.map_err(|why| format!("{} is not the JSON of a mail server: {why}", contract::SMTP))?;
        let prometheus = variable("COFFERDAM_PROMETHEUS_URL").map(|url| Address {
            url,
            token_file: variable("COFFERDAM_PROMETHEUS_TOKEN_FILE").map(Into::into),
            ca_file: variable("COFFERDAM_PROMETHEUS_CA_FILE").map(Into::into),
        });
        if let Some(address) = &prometheus {
            address.check().map_err(|why| format!("COFFERDAM_PROMETHEUS_URL: {why}"))?;
        }
        // Runners have neither the file with the token nor the one with the authorities.
        let plain = |address: &&Address| address.token_file.is_none() && address.ca_file.is_none();
        let gauged = prometheus.as_ref().filter(plain).map(|address| address.url.clone());
        if let Some(url) = variable("COFFERDAM_RUNNER_PUSHGATEWAY") {
            let address = Address { url, ..Address::default() };
            address.check().map_err(|why| format!("COFFERDAM_RUNNER_PUSHGATEWAY: {why}"))?;
        }
        Ok(Self {
            namespaces: list("COFFERDAM_WATCH_NAMESPACES"),
            own_namespace: needed("COFFERDAM_NAMESPACE", "in which namespace the operator runs")?,
            identity: needed("COFFERDAM_POD_NAME", "what the operator's Pod is called")?,
            lease: variable("COFFERDAM_LEASE_NAME").unwrap_or_else(|| "cofferdam-operator".into()),
            lease_duration: Duration::from_secs(15),
            port: number("COFFERDAM_HTTP_PORT", 8080)?,
            concurrency: number("COFFERDAM_CONCURRENCY", 16)?.max(1),
            prometheus,
            runner: RunnerSettings {
                image: needed("COFFERDAM_RUNNER_IMAGE", "which image runners use")?,
                pull_policy: variable("COFFERDAM_RUNNER_PULL_POLICY")
                    .unwrap_or_else(|| "IfNotPresent".into()),
                pull_secrets: list("COFFERDAM_RUNNER_PULL_SECRETS"),
                service_account: variable("COFFERDAM_RUNNER_SERVICE_ACCOUNT")
                    .unwrap_or_else(|| "cofferdam-runner".into()),
                plain_http: list("COFFERDAM_RUNNER_PLAIN_HTTP_REGISTRIES"),
                pushgateway: variable("COFFERDAM_RUNNER_PUSHGATEWAY"),
                gauges: Gauges {
                    url: gauged,
                    cpu: variable("COFFERDAM_RUNNER_CPU_QUERY"),
                    memory: variable("COFFERDAM_RUNNER_MEMORY_QUERY"),
                },
                image_volumes: yes("COFFERDAM_RUNNER_IMAGE_VOLUMES")?,
                smtp,
                notify_allow: list(contract::NOTIFY_ALLOW),
                resources,
                time_to_live,
            },
            webhook: match variable("COFFERDAM_WEBHOOK_PORT") {
                None => None,
                Some(_) => Some(WebhookSettings {
                    port: number("COFFERDAM_WEBHOOK_PORT", 9443)?,
                    service: needed("COFFERDAM_WEBHOOK_SERVICE", "which Service leads to the webhook")?,
                    secret: needed("COFFERDAM_WEBHOOK_SECRET", "which Secret has the webhook's certificate")?,
                    configuration: variable("COFFERDAM_WEBHOOK_CONFIGURATION"),
                }),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: &[(&str, &str)] = &[
        ("COFFERDAM_NAMESPACE", "cofferdam-system"),
        ("COFFERDAM_POD_NAME", "cofferdam-0"),
        ("COFFERDAM_RUNNER_IMAGE", "example.org/cofferdam:1"),
    ];

    fn read(more: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(&|name| {
            let found = more.iter().chain(NEEDED).find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned()).filter(|value| !value.is_empty())
        })
    }

    #[test]
    fn what_is_not_set_has_a_default_or_is_named() {
        let settings = read(&[]).unwrap();
        assert_eq!((settings.port, settings.concurrency), (8080, 16));
        assert!(settings.namespaces.is_empty());
        for (name, _) in NEEDED {
            assert!(read(&[(name, "")]).unwrap_err().contains(name));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("COFFERDAM_HTTP_PORT", "http"),
            ("COFFERDAM_CONCURRENCY", "-1"),
            ("COFFERDAM_RUNNER_TTL_SECONDS", "a day"),
            ("COFFERDAM_RUNNER_RESOURCES", "[]"),
            ("COFFERDAM_RUNNER_RESOURCES", "limits"),
            ("COFFERDAM_SMTP", "mail.company.com"),
            ("COFFERDAM_SMTP", "{\"host\":\"h\",\"from\":\"a@b.c\",\"password\":\"x\"}"),
            ("COFFERDAM_PROMETHEUS_URL", "prometheus:9090"),
            ("COFFERDAM_RUNNER_IMAGE_VOLUMES", "perhaps"),
            ("COFFERDAM_RUNNER_PUSHGATEWAY", "pushgateway:9091"),
            ("COFFERDAM_RUNNER_PUSHGATEWAY", "http://me:secret@pushgateway:9091"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().contains(name), "{name}");
        }
        let settings = read(&[("COFFERDAM_WATCH_NAMESPACES", "a, b,")]).unwrap();
        assert_eq!(settings.namespaces, ["a", "b"]);
    }

    #[test]
    fn a_webhook_needs_a_port_a_service_and_a_secret() {
        let all = [
            ("COFFERDAM_WEBHOOK_PORT", "9443"),
            ("COFFERDAM_WEBHOOK_SERVICE", "hook"),
            ("COFFERDAM_WEBHOOK_SECRET", "tls"),
        ];
        assert!(read(&all[1..]).unwrap().webhook.is_none());
        assert!(read(&all[..1]).unwrap_err().contains("COFFERDAM_WEBHOOK_SERVICE"));
        assert!(read(&all[..2]).unwrap_err().contains("COFFERDAM_WEBHOOK_SECRET"));
        let webhook = read(&all).unwrap().webhook.unwrap();
        assert_eq!((webhook.port, webhook.configuration.as_deref()), (9443, None));
        assert_eq!(webhook.names("shop"), ["hook.shop.svc", "hook.shop.svc.cluster.local"]);
    }
}
