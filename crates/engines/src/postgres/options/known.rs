//! The options that may stand in a URL, in `key=value` pairs, in a service file and in `PG*` variables.
//!
//! An option that is not in the table is an error with a suggestion: an ignored typo in `sslmode` would be worse
//! than a refusal. The names and variables are those of libpq 18.

use cofferdam_core::{Code, Refusal};

/// One option.
#[derive(Debug)]
pub(super) struct Known {
    /// Its name.
    pub(super) name: &'static str,
    /// The environment variable that gives it where nothing else does.
    pub(super) variable: Option<&'static str>,
    /// What is made of it.
    pub(super) take: Take,
}

/// What is made of an option.
#[derive(Debug, Clone, Copy)]
pub(super) enum Take {
    /// It does what it does in libpq.
    Used,
    /// Only these values, which ask for what happens anyway.
    Only(&'static [&'static str]),
    /// Accepted without effect; the text says what happens instead, as a warning.
    Fixed(&'static str),
    /// Refused, because leaving it out would do less than was asked for; the text says why.
    Refused(&'static str),
}

const fn used(name: &'static str, variable: &'static str) -> Known {
    Known { name, variable: Some(variable), take: Take::Used }
}

const fn other(name: &'static str, variable: Option<&'static str>, take: Take) -> Known {
    Known { name, variable, take }
}

const KEEPALIVE: Take =
    Take::Fixed("TCP keepalive is always on: after 10 s of silence, every 5 s, 3 tries, 30 s in all");
const NO_CRL: Take = Take::Refused("revocation lists are not read");
const NO_GSS: Take = Take::Refused("Kerberos is not supported");
const NO_OAUTH: Take = Take::Refused("OAuth logins are not supported");

/// Every option.
pub(super) static KNOWN: &[Known] = &[
    used("host", "PGHOST"),
    used("hostaddr", "PGHOSTADDR"),
    used("port", "PGPORT"),
    used("dbname", "PGDATABASE"),
    used("user", "PGUSER"),
    used("password", "PGPASSWORD"),
    used("passfile", "PGPASSFILE"),
    used("service", "PGSERVICE"),
    used("servicefile", "PGSERVICEFILE"),
    used("sslmode", "PGSSLMODE"),
    used("sslrootcert", "PGSSLROOTCERT"),
    used("sslcert", "PGSSLCERT"),
    used("sslkey", "PGSSLKEY"),
    used("connect_timeout", "PGCONNECT_TIMEOUT"),
    used("application_name", "PGAPPNAME"),
    used("options", "PGOPTIONS"),
    used("target_session_attrs", "PGTARGETSESSIONATTRS"),
    used("channel_binding", "PGCHANNELBINDING"),
    other("fallback_application_name", None, Take::Used),
    // Not libpq's, but in many URLs: Go's drivers and Atlas take it.
    other("search_path", None, Take::Used),
    other(
        "client_encoding",
        Some("PGCLIENTENCODING"),
        Take::Only(&["UTF8", "utf8", "UTF-8", "utf-8", "unicode", "UNICODE", "auto"]),
    ),
    other("gssencmode", Some("PGGSSENCMODE"), Take::Only(&["disable", "prefer"])),
    other("sslcompression", Some("PGSSLCOMPRESSION"), Take::Only(&["0"])),
    other("sslsni", Some("PGSSLSNI"), Take::Only(&["1"])),
    other("sslnegotiation", Some("PGSSLNEGOTIATION"), Take::Only(&["postgres"])),
    other("sslcertmode", Some("PGSSLCERTMODE"), Take::Only(&["allow"])),
    other("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), Take::Only(&["disable"])),
    other(
        "ssl_min_protocol_version",
        Some("PGSSLMINPROTOCOLVERSION"),
        Take::Only(&["TLSv1", "TLSv1.1", "TLSv1.2"]),
    ),
    other("min_protocol_version", Some("PGMINPROTOCOLVERSION"), Take::Only(&["3.0"])),
    other("max_protocol_version", Some("PGMAXPROTOCOLVERSION"), Take::Only(&["3.0", "latest"])),
    other("replication", None, Take::Only(&["false", "off", "no", "0"])),
    other("keepalives", None, KEEPALIVE),
    other("keepalives_idle", None, KEEPALIVE),
    other("keepalives_interval", None, KEEPALIVE),
    other("keepalives_count", None, KEEPALIVE),
    other("tcp_user_timeout", None, KEEPALIVE),
    other("sslcrl", Some("PGSSLCRL"), NO_CRL),
    other("sslcrldir", Some("PGSSLCRLDIR"), NO_CRL),
    other(
        "sslpassword",
        None,
        Take::Refused("a key with a passphrase cannot be read; remove its passphrase"),
    ),
    other("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), Take::Refused("it would weaken TLS")),
    other("requirepeer", Some("PGREQUIREPEER"), Take::Refused("the socket's owner is not looked at")),
    other(
        "require_auth",
        Some("PGREQUIREAUTH"),
        Take::Refused("the method cannot be chosen; channel_binding=require leaves only SCRAM over TLS"),
    ),
    other("krbsrvname", Some("PGKRBSRVNAME"), NO_GSS),
    other("gsslib", Some("PGGSSLIB"), NO_GSS),
    other("gssdelegation", Some("PGGSSDELEGATION"), NO_GSS),
    other("oauth_issuer", None, NO_OAUTH),
    other("oauth_client_id", None, NO_OAUTH),
    other("oauth_client_secret", None, NO_OAUTH),
    other("oauth_scope", None, NO_OAUTH),
];

/// The option of a name.
pub(super) fn known(name: &str) -> Result<&'static Known, Box<Refusal>> {
    KNOWN.iter().find(|k| k.name == name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Box<Refusal> {
    // What stands here may be a piece of a password that was not encoded, so only what looks like a name is shown.
    let is_name = name.len() <= 30 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let what = match is_name {
        true => format!("there is no option {name}"),
        false => "an option's name is not understood".to_owned(),
    };
    let refusal = Refusal::new(Code::BadUrl, what);
    let nearest = KNOWN
        .iter()
        .map(|k| (distance(&name.to_ascii_lowercase(), k.name), k.name))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    Box::new(match nearest {
        Some((_, nearest)) if is_name => refusal.help(format!("did you mean {nearest}?")),
        _ => refusal.help(
            "the options are those of libpq: sslmode, sslrootcert, connect_timeout, application_name, options ...; \
             in a password the characters : / ? # @ & % must be percent-encoded (@ is %40)",
        ),
    })
}

/// How many letters must be changed, added or taken out to get from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for (i, k) in KNOWN.iter().enumerate() {
            assert!(KNOWN[..i].iter().all(|other| other.name != k.name), "{} stands twice", k.name);
            assert!(k.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", k.name);
            assert!(k.variable.is_none_or(|v| v.starts_with("PG")), "{}", k.name);
        }
    }

    #[test]
    fn distances() {
        for (a, b, expected) in [("", "", 0), ("sslmode", "ssl_mode", 1), ("prot", "port", 2), ("a", "", 1)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
