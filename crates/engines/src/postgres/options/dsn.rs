//! URLs and `key=value` strings, read as libpq reads them.
//!
//! No message repeats a piece of the text but an option's name: what looks like a host or a port may be the rest
//! of a password whose special characters were not encoded.

use cofferdam_core::{Code, Refusal};

type Pairs = Vec<(String, String)>;

/// What stands in the text, in order; of an option that stands twice the later one counts.
pub(super) fn parse(text: &str) -> Result<Pairs, Box<Refusal>> {
    let text = text.trim();
    if let Some((scheme, rest)) = text.split_once("://") {
        if ["postgres", "postgresql"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) {
            return url(rest);
        }
        if scheme.eq_ignore_ascii_case("jdbc:postgresql") {
            return Err(bad("this is a URL for Java's driver", "leave out the first five characters, jdbc:"));
        }
        // `password=a://b` is not a URL of another kind.
        if !scheme.contains(['=', ' ']) {
            return Err(bad(
                "the URL is not one of PostgreSQL",
                "it begins with postgres:// or postgresql://, as in postgres://user@host:5432/database",
            ));
        }
    }
    if text.contains('=') {
        return pairs(text);
    }
    Err(bad(
        if text.is_empty() { "the URL is empty" } else { "this is neither a URL nor a list of key=value" },
        "write postgres://user@host:5432/database, or host=... dbname=... user=...",
    ))
}

fn bad(what: &str, help: &str) -> Box<Refusal> {
    Box::new(Refusal::new(Code::BadUrl, what).help(help))
}

/// What all messages about a URL's parts say, since this is the usual reason.
pub(super) const ENCODE: &str = "in user names and passwords the characters : / ? # @ & % and blanks must be percent-encoded (@ is %40, / is %2F)";

/// `[user[:password]@][host[:port]][,...][/database][?option=value[&...]]`.
fn url(text: &str) -> Result<Pairs, Box<Refusal>> {
    let mut out = Pairs::new();
    let before_path = text.find('/').unwrap_or(text.len());
    let rest = match text[..before_path].find('@') {
        None => text,
        Some(at) => {
            let (user, password) = match text[..at].split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (&text[..at], None),
            };
            push(&mut out, "user", user)?;
            push(&mut out, "password", password.unwrap_or_default())?;
            &text[at + 1..]
        }
    };
    let (place, options) = match rest.split_once('?') {
        Some((place, options)) => (place, Some(options)),
        None => (rest, None),
    };
    let (servers, database) = match place.split_once('/') {
        Some((servers, database)) => (servers, database),
        None => (place, ""),
    };
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for server in servers.split(',') {
        let (host, port) = host_and_port(server)?;
        hosts.push(decode(host)?);
        ports.push(decode(port)?);
    }
    if ports.iter().any(|p| !p.is_empty() && p.parse::<u16>().is_err()) {
        return Err(bad("a port in the URL is not a number from 1 to 65535", ENCODE));
    }
    if hosts.iter().any(|h| h.contains('@')) {
        return Err(bad("a host in the URL has an @ in it", ENCODE));
    }
    // A socket's folder may have a comma in it, but then it cannot stand in a list either.
    push_decoded(&mut out, "host", hosts.join(","));
    if ports.iter().any(|p| !p.is_empty()) {
        push_decoded(&mut out, "port", ports.join(","));
    }
    push(&mut out, "dbname", database)?;
    for option in options.unwrap_or_default().split('&').filter(|o| !o.is_empty()) {
        let Some((name, value)) = option.split_once('=') else {
            return Err(bad("an option of the URL has no value", ENCODE));
        };
        match (decode(name)?.as_str(), value) {
            // As libpq: JDBC's way of saying it.
            ("ssl", "true") => push_decoded(&mut out, "sslmode", "require".to_owned()),
            (name, value) => out.push((name.to_owned(), decode(value)?)),
        }
    }
    Ok(out)
}

fn host_and_port(server: &str) -> Result<(&str, &str), Box<Refusal>> {
    if let Some(inner) = server.strip_prefix('[') {
        let Some((address, rest)) = inner.split_once(']') else {
            return Err(bad("an IPv6 address in the URL is not closed by ]", ENCODE));
        };
        return match rest.strip_prefix(':') {
            Some(port) => Ok((address, port)),
            None if rest.is_empty() => Ok((address, "")),
            None => Err(bad("after an IPv6 address in the URL a port or a path is expected", ENCODE)),
        };
    }
    Ok(server.split_once(':').unwrap_or((server, "")))
}

fn push(out: &mut Pairs, name: &str, encoded: &str) -> Result<(), Box<Refusal>> {
    push_decoded(out, name, decode(encoded)?);
    Ok(())
}

fn push_decoded(out: &mut Pairs, name: &str, value: String) {
    if !value.is_empty() {
        out.push((name.to_owned(), value));
    }
}

fn decode(text: &str) -> Result<String, Box<Refusal>> {
    let wrong =
        || bad("a % in the URL is not followed by two hexadecimal digits", "a % itself is written %25");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
        let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
        match u8::try_from(high * 16 + low).unwrap_or(0) {
            0 => return Err(bad("the URL has a NUL byte (%00) in it", "remove it: PostgreSQL takes none")),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| {
        bad("the URL is not UTF-8 where it is percent-encoded", "encode the UTF-8 form: é is %C3%A9")
    })
}

/// `host=db user = 'a b' password='it\'s'`.
fn pairs(text: &str) -> Result<Pairs, Box<Refusal>> {
    const HELP: &str = "a value with blanks stands in single quotes; \\' and \\\\ stand for ' and \\ in it";
    let mut out = Pairs::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let name_end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end);
        let Some(value_text) = after.trim_start().strip_prefix('=') else {
            return Err(bad("in the list of key=value a = is missing", HELP));
        };
        let (value, after) = value(value_text.trim_start())
            .ok_or_else(|| bad("in the list of key=value a quote is not closed", HELP))?;
        out.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(out)
}

/// A value and what follows it; `None`: its quote is not closed.
fn value(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let quoted = text.starts_with('\'');
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = characters.next() {
        match c {
            // A backslash at the very end stands for nothing, as in libpq.
            '\\' => out.extend(characters.next().map(|(_, c)| c)),
            '\'' if quoted => return Some((out, &text[at + 1..])),
            c if !quoted && c.is_whitespace() => return Some((out, &text[at..])),
            c => out.push(c),
        }
    }
    (!quoted).then_some((out, ""))
}
