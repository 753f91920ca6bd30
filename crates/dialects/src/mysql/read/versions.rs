//! Comments for some versions, `/*!80013 ... */`: whose SQL is carried out by whom.

use super::super::Flavour;
use super::super::lex::{Lexer, Token, version};
use super::cursor::Tok;

/// The tokens of a statement that mean something on a server.
pub(super) struct Tokens<'a> {
    pub(super) tokens: Vec<Tok<'a>>,
    /// The first comment of which the version that is still supported decides whether it is carried out.
    pub(super) perhaps: Option<&'a str>,
}

/// Whether the servers of a flavour carry a comment's SQL out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    Out,
    Never,
    BySome,
}

/// The oldest versions that are supported: all that is asked of an older one is carried out.
const OLDEST_MYSQL: u32 = 80_000;
const OLDEST_MARIADB: u32 = 100_600;

/// `mark` is `/*!80013` or `/*M!100600`. MariaDB skips what MySQL added since 5.7, whose versions lie below its own.
fn carried(mark: &str, flavour: Flavour) -> Carried {
    let own = mark.strip_prefix("/*M!");
    let version = version(own.unwrap_or(mark.get(3..).unwrap_or_default()));
    match (flavour, version) {
        (Flavour::MySql, _) if own.is_some() => Carried::Never,
        (_, None) => Carried::Out,
        (Flavour::MySql, Some(version)) if version <= OLDEST_MYSQL => Carried::Out,
        (Flavour::MariaDb, Some(50_700..100_000)) if own.is_none() => Carried::Never,
        (Flavour::MariaDb, Some(version)) if version <= OLDEST_MARIADB => Carried::Out,
        _ => Carried::BySome,
    }
}

/// The tokens of one statement, without white space and comments; what only some versions carry out is among them where
/// `some` is true. The statement must be one that the splitter made.
pub(super) fn tokens(text: &str, flavour: Flavour, some: bool) -> Tokens<'_> {
    let mut lexer = Lexer::new(text, 0, "");
    let mut all = Tokens { tokens: Vec::new(), perhaps: None };
    // How deep the comment is that is skipped, and how deep it stands.
    let mut skipped: Option<usize> = None;
    while let Ok(Some((kind, at))) = lexer.next() {
        let depth = lexer.versions.len();
        match kind {
            Token::Space | Token::LineComment | Token::BlockComment => {}
            Token::VersionOpen => {
                let mark = &text[at];
                let carried = carried(mark, flavour);
                if skipped.is_none() {
                    if carried == Carried::BySome {
                        all.perhaps = all.perhaps.or(Some(mark));
                    }
                    if carried == Carried::Never || carried == Carried::BySome && !some {
                        skipped = Some(depth);
                    }
                }
            }
            Token::VersionClose => {
                if skipped.is_some_and(|outer| depth < outer) {
                    skipped = None;
                }
            }
            _ if skipped.is_some() => {}
            _ => all.tokens.push(Tok { kind, text: &text[at.clone()], at }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, flavour: Flavour, some: bool) -> String {
        tokens(text, flavour, some).tokens.iter().map(|t| t.text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_are_carried_out_by_the_servers_that_they_are_for() {
        use Flavour::{MariaDb, MySql};
        let text = "a /*! b */ /*!40101 c */ /*!50708 d */ /*!80000 e */ /*M!100100 f */ g";
        assert_eq!(words(text, MySql, false), "a b c d e g");
        assert_eq!(words(text, MariaDb, false), "a b c f g");
        for (text, flavour, without, with) in [
            ("a /*!80016 b */ c", MySql, "a c", "a b c"),
            ("a /*!80016 b */ c", MariaDb, "a c", "a c"),
            ("a /*!110200 b */ c", MariaDb, "a c", "a b c"),
            ("a /*M!110200 b */ c", MySql, "a c", "a c"),
            ("a /*!90000 b /*!40000 c */ d */ e", MySql, "a e", "a b c d e"),
        ] {
            assert_eq!(words(text, flavour, false), without, "{text}");
            assert_eq!(words(text, flavour, true), with, "{text}");
            assert_eq!(tokens(text, flavour, true).perhaps.is_some(), with != without, "{text}");
        }
    }
}
