//! Where migrations come from. Each source delivers a [`Tree`](cofferdam_formats::Tree) of files as bytes; what
//! is in them is for the formats to say.

pub mod directory;
pub mod image;

pub use directory::read_directory;
pub use image::{read_image, read_mounted, signed_image};
