//! What the API of Kubernetes refuses, as errors of ours.

use std::error::Error as _;

use cofferdam_core::{Code, Fault, Refusal};
use kube::Error;

/// What a person is told of an error of the API. `doing` is what was tried: "reading the DatabaseMigrations".
pub(crate) fn fault(error: &Error, doing: &str) -> Fault {
    refusal(error, doing).into()
}

fn refusal(error: &Error, doing: &str) -> Refusal {
    let Error::Api(status) = error else {
        return unreachable(doing, &chain(error));
    };
    let said = match status.message.trim() {
        "" => format!("the API answered {}", status.code),
        message => message.to_owned(),
    };
    match status.code {
        401 | 403 => {
            Refusal::new(Code::ClusterForbidden, format!("{doing} is not allowed")).cause(said).help(
                "kubectl auth can-i --list shows what the account may do; --as or --context choose another",
            )
        }
        // Of an object that is not there the API says its name; of a kind that it does not know it does not.
        404 if status.details.as_ref().is_none_or(|details| details.name.is_empty()) => {
            Refusal::new(Code::NotInstalled, format!("{doing} is not possible in this cluster"))
                .cause(said)
                .help("helm install cofferdam charts/cofferdam; or choose another cluster with --context")
        }
        404 => Refusal::new(Code::NoSuchMigration, format!("{doing}: it is not there"))
            .cause(said)
            .help("kubectl cofferdam get --all-namespaces"),
        409 => Refusal::new(Code::ClusterRefused, format!("{doing} met a change of somebody else"))
            .cause(said)
            .help("the same command again looks at what is there now"),
        400 | 405 | 422 => Refusal::new(Code::ClusterRefused, format!("{doing} was refused"))
            .cause(said)
            .help("correct what the cluster names"),
        _ => unreachable(doing, &said),
    }
}

fn unreachable(doing: &str, why: &str) -> Refusal {
    Refusal::new(Code::ClusterUnreachable, format!("{doing} failed"))
        .cause(why)
        .help("kubectl cluster-info says whether the cluster answers; --context chooses another")
}

/// The error and what is behind it, each once: of a connection that fails only the innermost says why.
fn chain(error: &Error) -> String {
    let mut said = vec![error.to_string()];
    let mut inner = error.source();
    while let Some(error) = inner {
        let text = error.to_string();
        if !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
        inner = error.source();
    }
    said.join(": ")
}

/// Whether another try may succeed by itself: the API did not answer, or was busy.
pub(crate) fn passes(fault: &Fault) -> bool {
    fault.refusal().is_some_and(|refusal| refusal.code == Code::ClusterUnreachable)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use kube::core::response::StatusDetails;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_api_says_has_a_code() {
        let named: StatusDetails = serde_json::from_value(json!({ "name": "orders" })).unwrap();
        for (code, details, expected) in [
            (401, None, Code::ClusterForbidden),
            (403, None, Code::ClusterForbidden),
            (404, None, Code::NotInstalled),
            (404, Some(named), Code::NoSuchMigration),
            (409, None, Code::ClusterRefused),
            (422, None, Code::ClusterRefused),
            (503, None, Code::ClusterUnreachable),
        ] {
            let mut status = Status::failure("why", "").with_code(code);
            status.details = details;
            let refusal = refusal(&Error::Api(status.boxed()), "reading the DatabaseMigrations");
            assert_eq!(refusal.code, expected, "{code}");
            assert_eq!(refusal.cause.as_deref(), Some("why"));
            assert!(refusal.help.is_some() && refusal.what.starts_with("reading"), "{code}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (code, expected) in [(503, true), (500, true), (403, false), (404, false)] {
            let status = Status::failure("why", "").with_code(code).boxed();
            assert_eq!(passes(&fault(&Error::Api(status), "x")), expected, "{code}");
        }
    }
}
