//! Connection texts without their passwords, for printing.

/// What stands for a password.
const MASK: &str = "***";

/// Option names whose values are hidden.
const SECRETS: &[&str] = &["password", "sslpassword", "oauth_client_secret"];

/// The text with `***` for every password, in URLs and in `key=value` strings. A text that cannot be read hides
/// rather too much than too little: an unencoded `@`, `/` or blank in a password does not let the rest of it out.
pub fn masked(text: &str) -> String {
    let url_at = text.find("://");
    match first_name(text) {
        Some(name) if url_at.is_none_or(|at| name.begin < at) => {
            let pairs = mask_pairs(text);
            match pairs.find("://") {
                Some(at) => mask_url(&pairs, at + 3),
                None => pairs,
            }
        }
        // Without `://` it may be a URL whose scheme was forgotten.
        _ => mask_url(text, url_at.map_or(0, |at| at + 3)),
    }
}

fn mask_url(text: &str, start: usize) -> String {
    let (scheme, rest) = text.split_at(start);
    let (place, options) = split_options(rest);
    // What looks like options is then perhaps the end of a password with a `?` in it: nothing of it is sure.
    if options.contains('@')
        && !place.contains('@')
        && let Some((user, _)) = place.split_once(':')
    {
        return format!("{scheme}{user}:{MASK}");
    }
    format!("{scheme}{}{}", mask_place(place), mask_options(options))
}

/// Where the options begin: at the last `?` after which there is nothing but well-known `name=value`.
fn split_options(text: &str) -> (&str, &str) {
    text.rmatch_indices('?')
        .map(|(at, _)| text.split_at(at))
        .find(|(_, options)| {
            options[1..].split('&').all(|o| o.split_once('=').is_some_and(|(name, _)| is_known(name)))
        })
        .unwrap_or((text, ""))
}

fn is_known(name: &str) -> bool {
    name == "ssl" || super::known::known(name).is_ok()
}

/// `user:password@host:port/database`.
fn mask_place(place: &str) -> String {
    let Some(at) = place.rfind('@') else {
        // `user:password` without the host, or `host:port/database`.
        let end = place.find('/').unwrap_or(place.len());
        let servers: Vec<_> = place[..end].split(',').map(mask_port).collect();
        let hidden = servers.iter().any(|s| s.ends_with(MASK));
        return format!("{}{}", servers.join(","), if hidden { "" } else { &place[end..] });
    };
    match place[..at].split_once(':') {
        Some((user, _)) => format!("{user}:{MASK}{}", &place[at..]),
        None => place.to_owned(),
    }
}

/// What stands after the colon of a server is a port, or it is hidden.
fn mask_port(server: &str) -> String {
    let after_address = server.rfind(']').unwrap_or(0);
    match server[after_address..].split_once(':') {
        Some((host, port)) if !port.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{}{host}:{MASK}", &server[..after_address])
        }
        _ => server.to_owned(),
    }
}

fn mask_options(options: &str) -> String {
    if options.is_empty() {
        return String::new();
    }
    let masked = options[1..].split('&').map(|option| match option.split_once('=') {
        Some((name, _)) if SECRETS.contains(&name) => format!("{name}={MASK}"),
        _ => option.to_owned(),
    });
    format!("?{}", masked.collect::<Vec<_>>().join("&"))
}

/// `name=value name = 'value'`: from the value of a secret up to the next name that is known.
fn mask_pairs(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(name) = first_name(rest) {
        out.push_str(&rest[..name.value]);
        let secret = SECRETS.contains(&rest[name.begin..name.end].to_ascii_lowercase().as_str());
        rest = &rest[name.value..];
        if !secret {
            continue;
        }
        out.push_str(MASK);
        let quoted = quoted_end(rest);
        match first_name(&rest[quoted..]) {
            None => return out,
            Some(next) => {
                out.push(' ');
                rest = &rest[quoted + next.begin..];
            }
        }
    }
    out + rest
}

/// A known name that is followed by `=`: where it begins and ends, and where its value begins.
struct NameAt {
    begin: usize,
    end: usize,
    value: usize,
}

fn first_name(text: &str) -> Option<NameAt> {
    text.match_indices('=').find_map(|(at, _)| {
        let end = text[..at].trim_end().len();
        let word = text[..end].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let begin = end - word.len();
        let apart = text[..begin].chars().next_back().is_none_or(char::is_whitespace);
        let value = text.len() - text[at + 1..].trim_start().len();
        (apart && is_known(&word.to_ascii_lowercase())).then_some(NameAt { begin, end, value })
    })
}

/// The end of the quoted text with which `text` begins; all of it if the quote is not closed; 0 without one.
fn quoted_end(text: &str) -> usize {
    if !text.starts_with('\'') {
        return 0;
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_password_stays() {
        for text in [
            "postgres://u@h:5432/db?sslmode=require&application_name=a",
            "postgres://h1:5432,h2:5433/db",
            "postgresql://[::1]:5432/db",
            "postgresql:///db?host=/tmp&port=5433",
            "host=h user=u dbname=d",
            "postgres://",
            "",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn passwords_are_hidden() {
        for (text, expected) in [
            ("postgres://u:PW@h/db", "postgres://u:***@h/db"),
            ("postgres://u:P%40W@h/db?sslmode=require", "postgres://u:***@h/db?sslmode=require"),
            ("postgres://u:@h/db", "postgres://u:***@h/db"),
            (
                "postgres://u@h/db?password=PW&sslmode=require",
                "postgres://u@h/db?password=***&sslmode=require",
            ),
            ("postgres://u:P@W@h/db", "postgres://u:***@h/db"),
            ("postgres://u:P/W@h/db", "postgres://u:***@h/db"),
            ("postgres://u:P?W@h/db", "postgres://u:***@h/db"),
            ("postgres://u:P?sslmode=W@h/db", "postgres://u:***"),
            ("postgres://h:1/d?user=a@b&password=PW", "postgres://h:***"),
            ("postgres:///d?user=a@b&password=PW", "postgres:///d?user=a@b&password=***"),
            ("postgres://u:P#W@h/db", "postgres://u:***@h/db"),
            ("postgres://u:P W@h/db", "postgres://u:***@h/db"),
            ("postgres://u:PW/db", "postgres://u:***"),
            ("postgres://u:PW", "postgres://u:***"),
            ("mysql://u:PW@h/db", "mysql://u:***@h/db"),
            ("jdbc:postgresql://h/db?user=u&password=PW", "jdbc:postgresql://h/db?user=u&password=***"),
            ("u:PW@h/db", "u:***@h/db"),
            ("host=h password=PW user=u", "host=h password=*** user=u"),
            ("host=h password=PW", "host=h password=***"),
            ("host=h PASSWORD=PW", "host=h PASSWORD=***"),
            ("password = 'P W' host=h", "password = *** host=h"),
            (r"password='P\' host=W' host=h", "password=*** host=h"),
            ("password='P W host=h", "password=***"),
            ("password=P W host=h", "password=*** host=h"),
            ("password='P'W host=h", "password=*** host=h"),
            ("sslpassword=PW host=h", "sslpassword=*** host=h"),
            ("password=P=W host=h", "password=*** host=h"),
            ("dbname=postgres://u:PW@h/db", "dbname=postgres://u:***@h/db"),
            ("password='a://P@W b' host=h", "password=*** host=h"),
            ("password=PW dbname=postgres://u:PW@h/db", "password=*** dbname=postgres://u:***@h/db"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn no_character_in_a_password_lets_it_out() {
        // Every ASCII character before, within and after what must not be seen.
        for c in (1..127u8).map(char::from) {
            let password = format!("CAN{c}ARY{c}");
            for text in [
                format!("postgres://u:{password}@h:5432/db?sslmode=require"),
                format!("postgres://u:{c}{password}@h/db"),
                format!("host=h password='{}'", password.replace('\\', "\\\\").replace('\'', "\\'")),
            ] {
                let shown = masked(&text);
                assert!(!shown.contains("CAN") && !shown.contains("ARY"), "{c:?}: {text} -> {shown}");
            }
        }
    }
}
