//! Metrics from the Prometheus that the administrator of the operator named.

use std::path::PathBuf;
use std::time::Duration;

use kube::{Client, Config};
use serde_json::Value;

use super::http::{Answer, encoded, get};
use super::threshold::Reading;

/// More text of another server than this is cut.
const WORDS: usize = 300;
/// Seconds that Prometheus may take for a query.
const PATIENCE: u32 = 8;

/// How the administrator's Prometheus is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// `http://` or `https://`, host, port and the path before `/api/v1`.
    pub url: String,
    /// A file with a bearer token, which is read again where it is renewed.
    pub token_file: Option<PathBuf>,
    /// A file with the authorities of its certificate. Default: those of the image.
    pub ca_file: Option<PathBuf>,
}

impl Address {
    /// Checks what the administrator set.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<axum::http::Uri, String> {
        let uri: axum::http::Uri = self.url.parse().map_err(|e| format!("{}: {e}", self.url))?;
        let scheme = uri.scheme_str().unwrap_or_default();
        match () {
            () if !matches!(scheme, "http" | "https") || uri.host().is_none_or(str::is_empty) => {
                Err("it is not an address like http://prometheus.monitoring.svc:9090".into())
            }
            () if uri.authority().is_some_and(|a| a.as_str().contains('@')) => {
                Err("it has a user in it; give a token by a file".into())
            }
            () if uri.query().is_some() => Err("it has a query in it; leave that out".into()),
            () => Ok(uri),
        }
    }
}

/// A client of it.
#[derive(Clone)]
pub struct Prometheus(Client);

impl Prometheus {
    /// One. It has nothing of the cluster's credentials, and follows no redirections.
    ///
    /// # Errors
    /// What is wrong with the address or the files.
    pub fn new(address: &Address) -> Result<Self, String> {
        let uri = address.check()?;
        let plain = uri.scheme_str() == Some("http");
        let mut config = Config::new(uri);
        config.connect_timeout = Some(Duration::from_secs(5));
        config.default_retry = false;
        config.root_cert_file.clone_from(&address.ca_file);
        if plain {
            // An image may have no authorities at all.
            config.root_cert = Some(Vec::new());
        }
        config.auth_info.token_file = address.token_file.as_ref().map(|path| path.display().to_string());
        Client::try_from(config).map(Self).map_err(|e| e.to_string())
    }

    /// What a query gives now.
    pub async fn read(&self, query: &str) -> Reading {
        let path = format!("/api/v1/query?timeout={PATIENCE}s&query={}", encoded(query));
        answer(&get(&self.0, &path).await?)
    }
}

/// Reads an answer. What is in doubt is no value: a warning says that a part of the data was left out.
fn answer(answer: &Answer) -> Reading {
    let words = |text: &str| crate::outcome::cut(&text.replace(char::is_control, " "), WORDS);
    let Ok(document) = serde_json::from_slice::<Value>(&answer.body) else {
        return Err(format!("Prometheus answered {} and not as Prometheus does", answer.status));
    };
    if document["status"] != "success" {
        let error = document["error"].as_str().unwrap_or("without saying why");
        return Err(format!("Prometheus answered {}: {}", answer.status, words(error)));
    }
    if let Some(warning) = document["warnings"].as_array().and_then(|all| all.first()?.as_str()) {
        return Err(format!("Prometheus warns: {}", words(warning)));
    }
    let sample = |pair: &Value| {
        let text = pair.get(1)?.as_str()?;
        match text {
            "NaN" => Some(f64::NAN),
            "+Inf" | "Inf" => Some(f64::INFINITY),
            "-Inf" => Some(f64::NEG_INFINITY),
            number if number.starts_with(|c: char| c.is_ascii_digit() || c == '-') => number.parse().ok(),
            _ => None,
        }
    };
    let data = &document["data"];
    let values: Option<Vec<f64>> = match data["resultType"].as_str() {
        Some("scalar") => sample(&data["result"]).map(|value| vec![value]),
        Some("vector") => data["result"]
            .as_array()
            .and_then(|all| all.iter().map(|series| sample(&series["value"])).collect()),
        Some(other) => {
            return Err(format!("the query gives a {other}; it must give one value of each series"));
        }
        None => None,
    };
    match values {
        Some(values) if values.is_empty() => Err("the query gives nothing: no series fits it".into()),
        Some(values) => Ok(values),
        None => Err("Prometheus answered with what is no number, or with a histogram".into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_that_of_a_server() {
        for (url, wrong) in [
            ("http://prometheus.monitoring.svc:9090", None),
            ("https://thanos.example.com/prometheus", None),
            ("prometheus:9090", Some("not an address")),
            ("ftp://prometheus", Some("not an address")),
            ("/api", Some("not an address")),
            ("http://user:secret@prometheus", Some("a user in it")),
            ("http://prometheus/?a=b", Some("a query in it")),
        ] {
            let said = Address { url: url.into(), ..Address::default() }.check();
            match wrong {
                None => assert!(said.is_ok(), "{url} {said:?}"),
                Some(why) => assert!(said.unwrap_err().contains(why), "{url}"),
            }
        }
    }

    #[test]
    fn an_answer_gives_values_or_why_there_are_none() {
        let ok = |data: Value| json!({ "status": "success", "data": data });
        let vector = |values: &[&str]| {
            let series: Vec<Value> =
                values.iter().map(|v| json!({ "metric": {}, "value": [1.5, v] })).collect();
            ok(json!({ "resultType": "vector", "result": series }))
        };
        let mut warned = vector(&["1"]);
        warned["warnings"] = json!(["store a is not\nthere"]);
        for (document, expected) in [
            (vector(&["0.04", "7"]), Ok(vec![0.04, 7.0])),
            (vector(&["+Inf", "-Inf"]), Ok(vec![f64::INFINITY, f64::NEG_INFINITY])),
            (vector(&["1e-3", "-2"]), Ok(vec![0.001, -2.0])),
            (ok(json!({ "resultType": "scalar", "result": [1.5, "3"] })), Ok(vec![3.0])),
            (vector(&[]), Err("no series fits")),
            (vector(&["many"]), Err("no number")),
            (ok(json!({ "resultType": "vector", "result": [{ "histogram": [1, {}] }] })), Err("no number")),
            (ok(json!({ "resultType": "matrix", "result": [] })), Err("a matrix")),
            (ok(json!({ "resultType": "string", "result": [1, "x"] })), Err("a string")),
            (ok(json!({})), Err("no number")),
            (
                json!({ "status": "error", "error": "parse error" }),
                Err("Prometheus answered 400: parse error"),
            ),
            (json!({}), Err("without saying why")),
            (warned, Err("Prometheus warns: store a is not there")),
        ] {
            let status = if document["status"] == "success" { 200 } else { 400 };
            let said = answer(&Answer { status, body: document.to_string().into_bytes() });
            match expected {
                Ok(values) => assert_eq!(said, Ok(values), "{document}"),
                Err(why) => assert!(said.clone().unwrap_err().contains(why), "{said:?}"),
            }
        }
        let nan = answer(&Answer { status: 200, body: vector(&["NaN"]).to_string().into_bytes() }).unwrap();
        assert!(nan[0].is_nan());
        let page = answer(&Answer { status: 302, body: b"<html>log in".to_vec() });
        assert!(page.unwrap_err().contains("302"));
    }
}
