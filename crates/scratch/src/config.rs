//! The server's configuration files.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::server::Options;
use crate::{Result, ScratchError};

/// Who may connect from where, and the line in postgresql.conf that brings [`write_settings`]'s file in.
pub(crate) fn write_access(base: &Path, options: &Options) -> Result<()> {
    let method = if options.password.is_some() { "scram-sha-256" } else { "trust" };
    let access = format!(
        "local all all trust\nlocal replication all trust\n\
         host all all 127.0.0.1/32 {method}\nhost replication all 127.0.0.1/32 {method}\n"
    );
    // Both exist and stay the server's user's, whoever we are.
    let path = base.join("data/pg_hba.conf");
    fs::write(&path, access).map_err(ScratchError::system(format!("cannot write {}", path.display())))?;
    let path = base.join("data/postgresql.conf");
    fs::File::options()
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(b"\ninclude '../settings.conf'\n"))
        .map_err(ScratchError::system(format!("cannot write {}", path.display())))
}

/// The settings of this server. Those of the caller come last and win.
pub(crate) fn write_settings(base: &Path, port: u16, options: &Options) -> Result<()> {
    let own = [
        ("listen_addresses", if options.tcp { "127.0.0.1" } else { "" }.to_owned()),
        ("port", port.to_string()),
        ("unix_socket_directories", base.to_string_lossy().into_owned()),
        ("fsync", if options.fsync { "on" } else { "off" }.to_owned()),
        // Torn pages come from a crash of the machine only, which a server without fsync does not survive.
        ("full_page_writes", if options.fsync { "on" } else { "off" }.to_owned()),
        ("password_encryption", "scram-sha-256".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        ("lc_messages", "C".to_owned()),
        ("logging_collector", "off".to_owned()),
    ];
    let mut text = String::new();
    let callers = options.settings.iter().map(|(name, value)| (name.as_str(), value));
    for (name, value) in own.iter().map(|(name, value)| (*name, value)).chain(callers) {
        text += &line(name, value)?;
    }
    let path = base.join("settings.conf");
    fs::write(&path, text).map_err(ScratchError::system(format!("cannot write {}", path.display())))
}

fn line(name: &str, value: &str) -> Result<String> {
    let bad = |why| ScratchError::BadSetting { name: name.to_owned(), why };
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.') {
        return Err(bad("its name must be letters, digits, underscores and dots"));
    }
    if value.contains(['\n', '\r', '\0']) {
        return Err(bad("its value has a line break or NUL"));
    }
    Ok(format!("{name} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_one_quoted_line() {
        assert_eq!(line("a.b_1", r"it's a \ here").unwrap(), "a.b_1 = 'it''s a \\\\ here'\n");
        for (name, value) in [("", "x"), ("a b", "x"), ("a='b", "x"), ("a", "x\ny = 'z'")] {
            assert!(line(name, value).is_err(), "{name:?} {value:?}");
        }
    }

    #[test]
    fn the_callers_settings_come_last() {
        let base = tempfile::tempdir().unwrap();
        let options = Options { settings: vec![("fsync".into(), "on".into())], ..Options::default() };
        write_settings(base.path(), 5432, &options).unwrap();
        let text = fs::read_to_string(base.path().join("settings.conf")).unwrap();
        assert!(text.find("fsync = 'off'").unwrap() < text.find("fsync = 'on'").unwrap());
    }
}
