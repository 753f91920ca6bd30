//! What is taken from around the process.

use std::path::PathBuf;

/// Environment variables and the user's folder; a trait, so that tests need not change the process.
pub trait Env {
    /// An environment variable.
    fn var(&self, name: &str) -> Option<String>;

    /// The user's home folder, in which `.pgpass`, `.pg_service.conf` and `.postgresql/` are.
    fn home(&self) -> Option<PathBuf>;

    /// The name under which the user is logged in; the default for the database user.
    fn login(&self) -> Option<String> {
        self.var("USER").or_else(|| self.var("LOGNAME")).or_else(|| self.var("USERNAME"))
    }

    /// Where servers usually put their sockets, in the order in which they are looked for.
    fn socket_folders(&self) -> Vec<PathBuf> {
        if cfg!(unix) { vec!["/var/run/postgresql".into(), "/tmp".into()] } else { Vec::new() }
    }
}

/// The process's own environment.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealEnv;

impl Env for RealEnv {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn home(&self) -> Option<PathBuf> {
        std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
    }

    fn login(&self) -> Option<String> {
        // As libpq: whom the process runs as, whatever USER says. Containers often run as a number without a name.
        whoami::username().ok().or_else(|| self.var("USER")).or_else(|| self.var("LOGNAME"))
    }
}
