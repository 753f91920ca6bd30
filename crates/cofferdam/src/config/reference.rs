//! Values that say where the value is: `env:NAME`, `file:PATH`. A secret then stands neither in the
//! configuration nor on the command line.

use cofferdam_core::{Code, Refusal, Result};

/// The value itself. A text that is no reference is its own value.
///
/// # Errors
/// `BadConfig` where the variable is not set, `UnreadableFile` where the file cannot be read.
pub(super) fn resolved(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String> {
    if let Some(name) = text.strip_prefix("env:") {
        return variable(name).ok_or_else(|| {
            Refusal::new(Code::BadConfig, format!("the environment variable {name} is not set"))
                .cause(format!("the URL is given as env:{name}"))
                .help(format!("export {name}=postgres://user@host:5432/database"))
                .into()
        });
    }
    // `file:PATH` and not `file://`, which would be a URL of its own.
    if let Some(path) = text.strip_prefix("file:") {
        return std::fs::read_to_string(path).map(|content| content.trim().to_owned()).map_err(|error| {
            Refusal::new(Code::UnreadableFile, format!("{path} cannot be read"))
                .cause(error.to_string())
                .help(format!("the URL is given as file:{path}; check the path and its rights"))
                .into()
        });
    }
    Ok(text.to_owned())
}
