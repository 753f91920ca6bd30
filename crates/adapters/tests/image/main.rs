//! Images pulled from a real registry, and from servers that behave as none should.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod built;
mod faults;
mod kinds;
mod memory;
mod registry;
mod server;
mod signatures;

use cofferdam_adapters::sources::image::{Image, ImageSource};
use cofferdam_adapters::sources::read_image;
use cofferdam_core::{Code, Fault, Refusal};

/// An image of a server on this machine.
fn source(reference: &str, directory: &str) -> ImageSource {
    let mut source = ImageSource::new(reference, directory).unwrap();
    source.plain_http = vec!["127.0.0.1".to_owned()];
    source
}

async fn read(reference: &str, directory: &str) -> Result<Image, Fault> {
    read_image(&source(reference, directory)).await
}

fn paths(image: &Image) -> Vec<&str> {
    image.tree.files.iter().map(|file| file.path.as_str()).collect()
}

/// The refusal of what would not succeed later either.
fn refusal(result: Result<Image, Fault>, code: Code) -> Box<Refusal> {
    match result {
        Err(Fault::Refused(refusal)) => {
            assert_eq!(refusal.code, code, "{refusal}");
            assert!(refusal.help.is_some() && refusal.cause.is_some(), "{refusal}");
            refusal
        }
        other => panic!("{code:?}: {other:?}"),
    }
}

/// Why it may succeed later.
fn again(result: Result<Image, Fault>) -> Box<Refusal> {
    match result {
        Err(Fault::Again { why, .. }) => {
            assert_eq!(why.code, Code::RegistryUnavailable, "{why}");
            why
        }
        other => panic!("{other:?}"),
    }
}
