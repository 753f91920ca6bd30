//! Named sets of options from `pg_service.conf`.

use std::path::{Path, PathBuf};

use cofferdam_core::{Code, Refusal};

use super::options::Env;

/// Options in order.
type Pairs = Vec<(String, String)>;

/// The options of a service, from the first of the service files that has it, and the name of that file.
pub(super) fn read(
    service: &str,
    named: Option<&str>,
    env: &dyn Env,
) -> Result<(Pairs, PathBuf), Box<Refusal>> {
    let files = files(named, env);
    for (file, must_exist) in &files {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !must_exist => continue,
            Err(e) => {
                return Err(refused(format!("the service file {} cannot be read", file.display()))
                    .cause(e.to_string())
                    .into());
            }
        };
        if let Some(options) = section(&text, service, file)? {
            return Ok((options, file.clone()));
        }
    }
    let looked: Vec<_> = files.iter().map(|(f, _)| f.display().to_string()).collect();
    Err(refused(format!("there is no service {service:?}"))
        .cause(match looked.as_slice() {
            [] => "no service file is known".to_owned(),
            looked => format!("looked in {}", looked.join(" and ")),
        })
        .help("name the file with PGSERVICEFILE, or write a section [NAME] with lines host=..., dbname=...")
        .into())
}

fn refused(what: String) -> Refusal {
    Refusal::new(Code::BadServiceFile, what)
}

/// The user's own, then the system's. One that was named must be there.
fn files(named: Option<&str>, env: &dyn Env) -> Vec<(PathBuf, bool)> {
    let own = match named {
        Some(named) => Some((PathBuf::from(named), true)),
        None => env.home().map(|home| (home.join(".pg_service.conf"), false)),
    };
    // Without the variable libpq asks the folder that it was built for, which we cannot know; this is Debian's.
    let folder = env.var("PGSYSCONFDIR").unwrap_or_else(|| "/etc/postgresql-common".to_owned());
    own.into_iter().chain([(Path::new(&folder).join("pg_service.conf"), false)]).collect()
}

/// The lines of `[service]`. No message shows a line: it may be the one with the password.
fn section(text: &str, service: &str, file: &Path) -> Result<Option<Pairs>, Box<Refusal>> {
    let wrong = |number: usize, why: &str| {
        Box::new(refused(format!("line {} of the service file {} {why}", number + 1, file.display())))
    };
    let mut found: Option<Pairs> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            // The first section of the name counts.
            if found.is_some() {
                break;
            }
            if header.strip_suffix(']') == Some(service) {
                found = Some(Vec::new());
            }
            continue;
        }
        let Some(options) = &mut found else { continue };
        if line.starts_with("ldap://") {
            return Err(wrong(number, "asks an LDAP server, which is not supported"));
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(wrong(number, "is neither [service] nor option=value"));
        };
        if matches!(name, "service" | "servicefile") {
            return Err(wrong(number, "names another service, which is not allowed"));
        }
        if options.iter().all(|(n, _)| n != name) {
            options.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# ours\nnonsense before any section\n[shop]\nhost=db\nport=5433\nhost=late\npassword=a=b c\n\n\
                        [shop]\nhost=second\n[bad]\nCANARY\n[nested]\nservice=shop\n[ldap]\nldap://x\n[empty]\n";

    #[test]
    fn sections() {
        let read = |service| section(FILE, service, Path::new("F"));
        let shop = read("shop").unwrap().unwrap();
        let shop: Vec<_> = shop.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(shop, [("host", "db"), ("port", "5433"), ("password", "a=b c")]);
        assert_eq!(read("none").unwrap(), None);
        assert_eq!(read("empty").unwrap(), Some(vec![]));
        for (service, expected) in [("bad", "line 12"), ("nested", "line 14"), ("ldap", "line 16")] {
            let refusal = read(service).unwrap_err();
            assert!(refusal.what.starts_with(expected), "{}", refusal.what);
            assert_eq!(refusal.code, Code::BadServiceFile);
            assert!(!format!("{refusal:?}").contains("CANARY"));
        }
    }
}
