//! Places where a test may make the process die, or a write to the API fail: see [`cofferdam_core::failpoint`].

use cofferdam_core::failpoint::hit;

/// One of them is reached.
///
/// # Errors
/// The environment asks for one, as if the connection had broken.
pub(crate) fn reached(name: &str) -> Result<(), kube::Error> {
    match hit(name) {
        false => Ok(()),
        true => Err(kube::Error::Service(format!("the connection broke at {name}").into())),
    }
}
