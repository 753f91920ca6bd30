//! The Security Token Service of AWS: keys for a role, for an hour.

use std::time::Duration;

use cofferdam_core::{Code, Fault, Refusal};
use jiff::Timestamp;
use reqwest::{Client, RequestBuilder};

use super::sigv4::{Asked, Keys, encoded, signed};

/// For one question.
const PATIENCE: Duration = Duration::from_secs(15);
/// What we are called in the role's audit trail.
const SESSION: &str = "cofferdam";
/// The version of its API.
const VERSION: &str = "2011-06-15";
/// More of an answer is no answer.
const LARGEST: usize = 256 << 10;

/// One endpoint.
#[derive(Debug, Clone)]
pub(super) struct Sts {
    pub(super) region: String,
    /// `https://sts.us-east-1.amazonaws.com`.
    pub(super) endpoint: String,
}

impl Sts {
    /// That of the region, unless `AWS_ENDPOINT_URL_STS` names another one.
    pub(super) fn of(region: &str, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let named = variable("AWS_ENDPOINT_URL_STS");
        let endpoint = named.unwrap_or_else(|| format!("https://sts.{region}.{suffix}"));
        Self { region: region.to_owned(), endpoint: endpoint.trim_end_matches('/').to_owned() }
    }

    /// Keys of a role that the bearer of a token may take: that of a service account.
    pub(super) async fn by_token(&self, role: &str, token: &str) -> Result<Keys, Fault> {
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", VERSION),
            ("RoleArn", role),
            ("RoleSessionName", SESSION),
            ("WebIdentityToken", token),
        ];
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        // In the body and not in the address: addresses are written into logs.
        let request = client()?
            .post(format!("{}/", self.endpoint))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"));
        keys(request, role).await
    }

    /// Keys of a role that another one may take.
    pub(super) async fn by_keys(
        &self,
        role: &str,
        external_id: Option<&str>,
        keys_now: &Keys,
    ) -> Result<Keys, Fault> {
        let mut parameters = vec![
            ("Action", "AssumeRole"),
            ("Version", VERSION),
            ("RoleArn", role),
            ("RoleSessionName", SESSION),
        ];
        parameters.extend(external_id.map(|id| ("ExternalId", id)));
        let host = self.endpoint.split_once("://").map_or("", |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or_default();
        let asked =
            Asked { host, service: "sts", region: &self.region, parameters: &parameters, seconds: 60 };
        let query = signed(&asked, keys_now, Timestamp::now());
        keys(client()?.get(format!("{}/?{query}", self.endpoint)), role).await
    }
}

/// A client for questions about credentials: bounded, and sent on by nobody.
pub(super) fn client() -> Result<Client, Fault> {
    crate::http::client(PATIENCE)
        .map_err(|error| Fault::Bug(format!("an HTTP client cannot be made: {error}")))
}

/// Sends a question and gives its answer; what may pass is tried again by whoever asks.
pub(super) async fn answer(request: RequestBuilder, about: &str) -> Result<(u16, String), Fault> {
    let again = |error: reqwest::Error| {
        // Without the address: what is signed is in it.
        let error = error.without_url();
        let mut why = error.to_string();
        let mut next = std::error::Error::source(&error);
        while let Some(cause) = next {
            why += &format!(": {cause}");
            next = cause.source();
        }
        unreachable(about, why)
    };
    let mut answer = request.send().await.map_err(again)?;
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(again)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST {
            return Err(unreachable(about, "the answer has no end".into()));
        }
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    if status >= 500 || status == 429 || element(&text, "Code").is_some_and(|code| code == "Throttling") {
        return Err(unreachable(about, format!("the answer is {status}")));
    }
    Ok((status, text))
}

fn unreachable(about: &str, why: String) -> Fault {
    Fault::Again {
        why: Box::new(
            Refusal::new(Code::AwsUnreachable, format!("{about} cannot be had from AWS now"))
                .cause(why)
                .help("look whether the service can be reached from here; it is asked again"),
        ),
        after: Duration::from_secs(2),
    }
}

async fn keys(request: RequestBuilder, role: &str) -> Result<Keys, Fault> {
    let about = format!("the role {role}");
    let (status, text) = answer(request, &about).await?;
    let get = |name: &str| element(&text, name).filter(|value| !value.is_empty());
    let (Some(id), Some(secret), Some(token)) =
        (get("AccessKeyId"), get("SecretAccessKey"), get("SessionToken"))
    else {
        let code = get("Code").unwrap_or_else(|| format!("status {status}"));
        let said = get("Message").unwrap_or_else(|| "without saying why".into());
        return Err(denied(&about, &format!("{code}: {said}")));
    };
    let until = get("Expiration").and_then(|text| text.parse().ok());
    Ok(Keys { id, secret, token: Some(token), until })
}

/// AWS said no.
pub(super) fn denied(about: &str, why: &str) -> Fault {
    let why: String = why.chars().filter(|c| !c.is_control()).take(500).collect();
    Refusal::new(Code::AwsDenied, format!("AWS does not give {about}"))
        .cause(why)
        .help("look at the role's trust policy, and at the role of the service account")
        .into()
}

/// The text of the first element with this name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(plain.iter().fold(text.trim().to_owned(), |text, (entity, sign)| text.replace(entity, sign)))
}
