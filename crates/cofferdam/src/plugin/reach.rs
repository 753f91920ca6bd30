//! Which cluster, as which user, and which namespace: the flags of kubectl.

use std::path::PathBuf;

use cofferdam_core::{Code, Refusal, Result};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// The flags of kubectl that say which cluster and namespace.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Cluster flags")]
pub(crate) struct ReachFlags {
    /// The namespace [default: that of the context]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// A context of the kubeconfig [default: the current one]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The kubeconfig [default: KUBECONFIG, then ~/.kube/config, then the account of the Pod]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Act as this user, where the own account may
    #[arg(long = "as", global = true, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// And as one of this group
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
}

impl ReachFlags {
    /// The same flags again, for a command to paste; a blank before each.
    pub(crate) fn again(&self) -> String {
        let kubeconfig = self.kubeconfig.as_ref().map(|path| path.display().to_string());
        [
            ("namespace", self.namespace.as_ref()),
            ("context", self.context.as_ref()),
            ("kubeconfig", kubeconfig.as_ref()),
            ("as", self.user.as_ref()),
        ]
        .into_iter()
        .filter_map(|(flag, value)| Some(format!(" --{flag} {}", quoted(value?))))
        .chain(self.groups.iter().map(|group| format!(" --as-group {}", quoted(group))))
        .collect()
    }

    /// The configuration of a client, with the namespace that is meant.
    pub(crate) async fn config(&self) -> Result<Config> {
        let refused = |why: String| {
            Refusal::new(Code::ClusterUnreachable, "the cluster's configuration cannot be used")
                .cause(why)
                .help("kubectl config get-contexts shows what there is; --context and --kubeconfig choose")
        };
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(path) => match Kubeconfig::read_from(path) {
                Ok(file) => Config::from_custom_kubeconfig(file, &options).await.map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            },
            None if self.context.is_some() => {
                Config::from_kubeconfig(&options).await.map_err(|e| e.to_string())
            }
            None => Config::infer().await.map_err(|e| e.to_string()),
        };
        let mut config = config.map_err(refused)?;
        if let Some(namespace) = &self.namespace {
            config.default_namespace.clone_from(namespace);
        }
        if self.user.is_some() {
            config.auth_info.impersonate.clone_from(&self.user);
        }
        if !self.groups.is_empty() {
            config.auth_info.impersonate_groups = Some(self.groups.clone());
        }
        Ok(config)
    }
}

/// As a shell takes it as one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+=,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_given_again_as_a_shell_takes_them() {
        let flags = ReachFlags {
            namespace: Some("shop".into()),
            context: Some("prod admin".into()),
            kubeconfig: Some("/home/a/it's".into()),
            user: None,
            groups: vec!["dba".into()],
        };
        assert_eq!(
            flags.again(),
            r" --namespace shop --context 'prod admin' --kubeconfig '/home/a/it'\''s' --as-group dba"
        );
        assert_eq!(ReachFlags::default().again(), "");
    }
}
