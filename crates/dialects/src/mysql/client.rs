//! What the program mysql carries out itself, as far as scripts hold it. Facts from `client/mysql.cc`.

/// The first words of lines that the program takes for its own commands. No statement of a migration begins with one.
const COMMANDS: &[&str] = &[
    "?",
    "charset",
    "clear",
    "connect",
    "edit",
    "ego",
    "exit",
    "go",
    "help",
    "nopager",
    "notee",
    "nowarning",
    "pager",
    "print",
    "prompt",
    "query_attributes",
    "quit",
    "rehash",
    "resetconnection",
    "sandbox",
    "source",
    "ssl_session_data_print",
    "status",
    "system",
    "tee",
    "warnings",
];

/// The word is the name of a command.
pub(super) fn is_command(word: &str) -> bool {
    COMMANDS.iter().any(|command| command.eq_ignore_ascii_case(word))
}

/// The program keeps no more of a delimiter.
pub(super) const LONGEST: usize = 15;

/// The delimiter in what follows the word DELIMITER on its line, or what is wrong with it.
pub(super) fn delimiter(rest: &str) -> Result<&str, &'static str> {
    let rest = rest.trim_matches([' ', '\t', '\r', '\u{b}', '\u{c}']);
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"' | '`'));
    let found = match quote {
        Some(quote) => rest[1..].split(quote).next().unwrap_or_default(),
        None => rest.split([' ', '\t']).next().unwrap_or_default(),
    };
    if found.is_empty() {
        Err("DELIMITER must be followed by what is to end statements")
    } else if found.contains('\\') {
        Err("a delimiter cannot hold a backslash")
    } else if found.contains(char::is_whitespace) {
        Err("a delimiter cannot hold white space")
    } else if found.len() > LONGEST {
        Err("a delimiter cannot be longer than 15 bytes")
    } else {
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_read_as_the_program_does() {
        let good = [
            (" //", "//"),
            ("\t$$ \r", "$$"),
            (" ;", ";"),
            (" ';;'", ";;"),
            (" // -- and so on", "//"),
            (" `|` x", "|"),
            (" END_OF", "END_OF"),
        ];
        for (rest, expected) in good {
            assert_eq!(delimiter(rest), Ok(expected), "{rest}");
        }
        for bad in ["", "  ", "\r", " \\\\", " ''", " ' '", " 0123456789abcdef"] {
            assert!(delimiter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn commands_are_known_in_any_case() {
        assert!(is_command("SOURCE") && is_command("Quit") && !is_command("select") && !is_command("use"));
    }
}
