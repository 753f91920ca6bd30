//! One question to a server, with bounds: its answer may be endless, and it may give none.

use std::time::Duration;

use axum::http::Request;
use kube::Client;
use kube::client::Body;

/// For the whole of an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than some thousands of series are no check.
const LARGEST: usize = 4 << 20;

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Asks. The path may have a query; it is put behind that of the client's address.
///
/// # Errors
/// Why there is no answer; for people.
pub(super) async fn get(client: &Client, path: &str) -> Result<Answer, String> {
    let asked = async {
        let request = Request::get(path).header("accept", "application/json").body(Body::empty());
        let request = request.map_err(|e| e.to_string())?;
        let response = client.send(request).await.map_err(|e| causes(&e))?;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(axum::body::Body::new(response.into_body()), LARGEST).await;
        Ok(Answer { status, body: body.map_err(|e| causes(&e))?.to_vec() })
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
    }
}

/// An error with what is behind it, each said once.
fn causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    if let Some(rest) = said.strip_prefix("ServiceError: ") {
        said = rest.to_owned();
    }
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            said += &format!(": {text}");
        }
        next = cause.source();
    }
    crate::outcome::cut(&said, 300)
}

/// Percent-encoded, all but letters, digits and `-._~`.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}
