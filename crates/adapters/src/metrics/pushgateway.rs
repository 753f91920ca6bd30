//! A Pushgateway of Prometheus.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam_core::{Code, Refusal};
use reqwest::Url;

use super::Told;

/// For the whole of a push. What it is about is over, and nobody waits for a figure for long.
const PATIENCE: Duration = Duration::from_secs(5);
/// More of an answer is not shown.
const WORDS: usize = 300;

/// The labels that a run is known by: what is pushed replaces all that was pushed under the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group(Vec<(&'static str, String)>);

impl Group {
    /// Labels beside `job=cofferdam`. Those without a value are left out.
    pub fn new(labels: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(labels.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// As the path of a push: a value that would be more than one part of it is given in base64.
    fn path(&self) -> String {
        let plain = |value: &str| {
            value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                && !matches!(value, "." | "..")
        };
        let mut path = String::from("metrics/job/cofferdam");
        for (name, value) in &self.0 {
            path += &match plain(value) {
                true => format!("/{name}/{value}"),
                false => format!("/{name}@base64/{}", URL_SAFE_NO_PAD.encode(value)),
            };
        }
        path
    }
}

/// One Pushgateway.
#[derive(Debug, Clone)]
pub struct Pushgateway {
    base: Url,
}

impl Pushgateway {
    /// Reads its address: `http://` or `https://`, host, port, and a path where it lies behind one.
    ///
    /// # Errors
    /// `Usage` for what is no such address. A user in it is refused: the address is shown in logs and Pods.
    pub fn new(address: &str) -> Result<Self, Box<Refusal>> {
        let refuse = |cause: String| {
            Box::new(
                Refusal::new(Code::Usage, "the address of the Pushgateway cannot be used")
                    .cause(cause)
                    .help("write for example http://pushgateway.monitoring.svc:9091"),
            )
        };
        let mut base: Url = address.parse().map_err(|error| refuse(format!("it is no URL: {error}")))?;
        match () {
            () if !matches!(base.scheme(), "http" | "https") => {
                return Err(refuse(format!("it begins with {}://", base.scheme())));
            }
            () if !base.username().is_empty() || base.password().is_some() => {
                return Err(refuse("there is a user in it".into()));
            }
            () if base.query().is_some() || base.fragment().is_some() => {
                return Err(refuse("there is something behind its path".into()));
            }
            () => {}
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self { base })
    }

    /// Tells how a run ended, once and without trying again.
    ///
    /// # Errors
    /// Why it could not be told; for people. What the run did is as it is.
    pub async fn push(&self, group: &Group, told: &Told) -> Result<(), String> {
        let client = crate::http::client(PATIENCE).map_err(|error| causes(&error))?;
        let url = self.base.join(&group.path()).map_err(|error| error.to_string())?;
        let request = client
            .put(url)
            .header("content-type", "text/plain; version=0.0.4; charset=utf-8")
            .body(told.text());
        let answer = request.send().await.map_err(|error| causes(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let said = answer.text().await.unwrap_or_default();
        let said: String = said.trim().chars().filter(|c| !c.is_control()).take(WORDS).collect();
        Err(format!("{} answered {status}: {said}", self.base))
    }
}

/// An error with what is behind it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text += &format!(": {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_one_path_whatever_its_values_are() {
        let group = Group::new([
            ("namespace", "shop".to_owned()),
            ("database", "my/shop ä".to_owned()),
            ("dots", "..".to_owned()),
            ("empty", String::new()),
        ]);
        assert_eq!(
            group.path(),
            "metrics/job/cofferdam/namespace/shop/database@base64/bXkvc2hvcCDDpA/dots@base64/Li4"
        );
    }

    #[test]
    fn an_address_is_read_or_refused() {
        for (address, url) in [
            ("http://p:9091", "http://p:9091/metrics/job/cofferdam"),
            ("https://p/push", "https://p/push/metrics/job/cofferdam"),
            ("https://p/push/", "https://p/push/metrics/job/cofferdam"),
        ] {
            let gateway = Pushgateway::new(address).unwrap();
            assert_eq!(gateway.base.join(&Group::new([]).path()).unwrap().as_str(), url);
        }
        for address in ["p:9091", "ftp://p", "http://u:canary@p", "http://p/?a=canary", "http://p/#x", ""] {
            let refusal = Pushgateway::new(address).unwrap_err();
            assert_eq!(refusal.code, Code::Usage);
            assert!(!format!("{refusal:?}").contains("canary"));
        }
    }
}
