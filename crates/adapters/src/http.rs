//! The client for small questions and short messages: bounded, and sent on by nobody.

use std::time::Duration;

/// A client. The provider of cryptography is ring, here as everywhere.
///
/// # Errors
/// Where none can be made.
pub(crate) fn client(patience: Duration) -> Result<reqwest::Client, reqwest::Error> {
    // Where one is chosen already, it is this one: the lock file has no other.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // What is told goes to the address that was given, and to no other.
    reqwest::Client::builder().timeout(patience).redirect(reqwest::redirect::Policy::none()).build()
}
