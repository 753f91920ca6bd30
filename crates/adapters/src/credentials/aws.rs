//! Whose keys a process has, by the variables that AWS's own tools read too. Nothing is asked of the machine's metadata
//! service: it would answer with the role of the node, which every Pod on it has.

use cofferdam_core::{Code, Fault, Refusal};
use serde::Deserialize;

use super::sigv4::Keys;
use super::sts::{Sts, answer, client, denied};

/// Finds the keys of this process.
///
/// # Errors
/// `AwsNoCredentials` where nothing says whose they are; `AwsDenied`; [`Fault::Again`] with `AwsUnreachable`.
pub(super) async fn own(
    sts: &Sts,
    variable: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<Keys, Fault> {
    if let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        return Ok(Keys { id, secret, token: variable("AWS_SESSION_TOKEN"), until: None });
    }
    // A service account of Kubernetes with an annotation.
    if let (Some(role), Some(path)) = (variable("AWS_ROLE_ARN"), variable("AWS_WEB_IDENTITY_TOKEN_FILE")) {
        let token = file(&path)?;
        return sts.by_token(&role, &token).await;
    }
    // A Pod identity association, or a task.
    if let Some(address) = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
        return of_the_container(&address, variable).await;
    }
    Err(Refusal::new(Code::AwsNoCredentials, "nothing says who this process is for AWS")
        .cause(
            "neither AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN nor AWS_CONTAINER_CREDENTIALS_FULL_URI nor \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set",
        )
        .help(
            "in a cluster annotate the runner's service account: --set \
             runner.serviceAccount.annotations.eks\\.amazonaws\\.com/role-arn=ARN",
        )
        .into())
}

/// The document of the credentials endpoint of a container.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: Option<String>,
}

async fn of_the_container(
    address: &str,
    variable: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<Keys, Fault> {
    let about = "the keys of this container";
    // Whoever could set the variable could have the token sent anywhere.
    let host = address.strip_prefix("http://").and_then(|rest| rest.split(['/', ':', '[']).next());
    let near = matches!(host, Some("169.254.170.23" | "169.254.170.2" | "127.0.0.1" | "localhost"))
        || address.starts_with("http://[fd00:ec2::23]")
        || address.starts_with("https://");
    if !near {
        return Err(denied(about, "AWS_CONTAINER_CREDENTIALS_FULL_URI names no address of this machine"));
    }
    let mut request = client()?.get(address);
    let token = match variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(file(&path)?),
        None => variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    if let Some(token) = token {
        request = request.header("authorization", token);
    }
    let (status, text) = answer(request, about).await?;
    let document: Document = serde_json::from_str(&text)
        .map_err(|_| denied(about, &format!("the answer has the status {status} and no keys")))?;
    Ok(Keys {
        id: document.access_key_id,
        secret: document.secret_access_key,
        token: Some(document.token),
        until: document.expiration.and_then(|text| text.parse().ok()),
    })
}

/// A token that a file has; it is read anew each time, because it is renewed.
fn file(path: &str) -> Result<String, Fault> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(Refusal::new(Code::AwsNoCredentials, format!("the token {path} cannot be read"))
            .cause(error.to_string())
            .help("look at the service account's annotation and at the volumes of the Pod")
            .into()),
    }
}
