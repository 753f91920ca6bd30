//! Commands as the person at the keyboard types them.

use std::ffi::OsString;
use std::path::Path;

use super::reach::ReachFlags;

/// The plugin's name on PATH: kubectl finds `kubectl cofferdam` by it.
pub(crate) const PLUGIN: &str = "kubectl-cofferdam";

/// What stands before a verb, and the flags that say which cluster and namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    program: &'static str,
    flags: String,
}

impl Words {
    /// As the process was called, and with the flags that it was given.
    pub(crate) fn new(program: Option<OsString>, reach: &ReachFlags) -> Self {
        let program =
            if program.is_some_and(|name| is_plugin(&name)) { "kubectl cofferdam" } else { "cofferdam kube" };
        Self { program, flags: reach.again() }
    }

    /// A command to paste: `approve orders` as `kubectl cofferdam approve orders --namespace shop`.
    pub(crate) fn line(&self, verb: &str) -> String {
        format!("{} {verb}{}", self.program, self.flags)
    }

    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { program: "kubectl cofferdam", flags: String::new() }
    }
}

/// Whether a process of this name is the plugin: the name ends in `kubectl-cofferdam`, or `kubectl-cofferdam.exe`.
pub(crate) fn is_plugin(program: &OsString) -> bool {
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_suffix(".exe").unwrap_or(name) == PLUGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_is_known_by_its_name() {
        for (program, expected) in [
            ("kubectl-cofferdam", true),
            ("/usr/local/bin/kubectl-cofferdam", true),
            ("kubectl-cofferdam.exe", true),
            ("cofferdam", false),
            ("/opt/kubectl-cofferdam/cofferdam", false),
            ("kubectl-cofferdam-old", false),
        ] {
            assert_eq!(is_plugin(&program.into()), expected, "{program}");
        }
    }

    #[test]
    fn a_command_to_paste_reaches_the_same_cluster() {
        let reach = ReachFlags { namespace: Some("shop".into()), ..ReachFlags::default() };
        let words = |program: &str| Words::new(Some(program.into()), &reach);
        assert_eq!(
            words("/usr/bin/kubectl-cofferdam").line("logs orders"),
            "kubectl cofferdam logs orders --namespace shop"
        );
        assert_eq!(words("cofferdam").line("get"), "cofferdam kube get --namespace shop");
        assert_eq!(Words::plain().line("get"), "kubectl cofferdam get");
    }
}
