//! The block `lint` of an `atlas.hcl`: what Atlas' analysers are told there holds for the rules that go by their names.

use std::path::Path;

use cofferdam_lint::Convention;

use super::levels::{Level, LintKeys, Named};

/// What an atlas.hcl says of lint.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Atlas {
    /// `error = true` and `error = false` of analysers that we have a name for.
    pub(crate) keys: LintKeys,
    /// Analysers and attributes that are not honoured, to be told.
    pub(crate) ignored: Vec<String>,
}

impl Atlas {
    /// The block `naming`: a pattern for all, and one for each kind that has a block in it. Kinds that we do not know
    /// are told.
    fn name(&mut self, naming: &Block) {
        for (kind, block) in std::iter::once(("match", naming)).chain(
            naming
                .blocks
                .iter()
                .map(|block| (block.head.first().map(String::as_str).unwrap_or_default(), block)),
        ) {
            let of =
                |key: &str| block.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value);
            let Some(pattern) = of("match") else { continue };
            // Two backslashes in a quoted text of HCL are one.
            let pattern = pattern.replace("\\\\", "\\");
            match Convention::new(kind, &pattern, None) {
                Ok(_) => {
                    self.keys.naming.retain(|named| named.of != kind);
                    self.keys.naming.push(Named {
                        of: kind.to_owned(),
                        pattern,
                        message: of("message").cloned(),
                    });
                }
                Err(_) => self.ignored.push(format!("naming {kind}")),
            }
        }
    }
}

/// Reads the file of a directory; without one, nothing. The block of `env "NAME"` counts more than the one at the top.
pub(crate) fn read(directory: &Path, environment: Option<&str>) -> Atlas {
    std::fs::read_to_string(directory.join("atlas.hcl"))
        .map(|text| parsed(&text, environment))
        .unwrap_or_default()
}

/// A block: its words (`env "local"` are two), and what stands in it.
#[derive(Debug, Default)]
struct Block {
    head: Vec<String>,
    attributes: Vec<(String, String)>,
    blocks: Vec<Block>,
}

fn parsed(text: &str, environment: Option<&str>) -> Atlas {
    let tokens = tokens(text);
    let mut at = 0;
    let root = block(&tokens, &mut at, Vec::new());
    let own = |head: &[String]| head.len() == 2 && head[0] == "env" && Some(head[1].as_str()) == environment;
    let inside = root.blocks.iter().filter(|block| own(&block.head)).flat_map(|block| &block.blocks);
    let mut atlas = Atlas::default();
    // Later ones replace earlier ones.
    for lint in root.blocks.iter().chain(inside).filter(|block| block.head == ["lint"]) {
        for analyser in &lint.blocks {
            let name = analyser.head.first().map(String::as_str).unwrap_or_default();
            let error =
                analyser.attributes.iter().find(|(key, _)| key == "error").map(|(_, value)| value.as_str());
            if name == "git" {
                let base = analyser.attributes.iter().find(|(key, _)| key == "base");
                atlas.keys.git_base = base.map(|(_, value)| value.clone()).or(atlas.keys.git_base);
                continue;
            }
            let level = match error {
                Some("true") => Some(Level::Error),
                Some("false") => Some(Level::Warning),
                _ => None,
            };
            if name == "naming" {
                atlas.name(analyser);
            }
            if cofferdam_lint::rule(name).is_none() {
                atlas.ignored.push(name.to_owned());
            } else if let Some(level) = level {
                atlas.keys.rules.insert(name.to_owned(), level);
            }
        }
    }
    atlas.ignored.sort();
    atlas.ignored.dedup();
    atlas
}

/// Words, quoted texts without their quotes, and signs; comments are left out. An end of line is a token of its own.
fn tokens(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\n' => 1,
            c if c.is_whitespace() => {
                rest = &rest[c.len_utf8()..];
                continue;
            }
            '#' => skip(&mut rest, "\n"),
            '/' if rest.starts_with("//") => skip(&mut rest, "\n"),
            '/' if rest.starts_with("/*") => {
                let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
                rest = &rest[end..];
                0
            }
            '"' => {
                let mut escaped = false;
                let end = rest.char_indices().skip(1).find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |(end, _)| end + 1)
            }
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        if length > 0 {
            all.push(rest[..length].trim_matches('"').to_owned());
            rest = &rest[length..];
        }
    }
    all
}

fn skip(rest: &mut &str, to: &str) -> usize {
    *rest = &rest[rest.find(to).unwrap_or(rest.len())..];
    0
}

fn block(tokens: &[String], at: &mut usize, head: Vec<String>) -> Block {
    let mut block = Block { head, ..Block::default() };
    let mut words: Vec<String> = Vec::new();
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token.as_str() {
            "{" => block.blocks.push(self::block(tokens, at, std::mem::take(&mut words))),
            "}" => return block,
            "=" => {
                let value = tokens.get(*at).cloned().unwrap_or_default();
                let name = words.last().cloned().unwrap_or_default();
                words.clear();
                if value == "{" {
                    *at += 1;
                    self::block(tokens, at, Vec::new());
                } else {
                    block.attributes.push((name, value));
                }
            }
            "\n" => words.clear(),
            _ => words.push(token.clone()),
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lint_blocks_are_read_and_what_is_not_honoured_is_told() {
        let text = r#"
            // lint { destructive { error = true } }
            variable "url" { type = string, default = "postgres://{" }
            lint {
              destructive { error = false }
              data_depend {
                error = true # always
              }
              naming {
                match = "^[a-z]+$"
                index {
                  match   = "^idx_[a-z]+_[a-z]+$"
                  message = "idx_table_column"
                }
                cloud { match = "." }
              }
              modify_check { error = true }
              strange { error = true }
              git { base = "main" }
            }
            env "local" {
              src = { a = 1 }
              lint { destructive { error = true } }
            }
            env "other" { lint { incompatible { error = true } } }"#;
        let top = parsed(text, None);
        let level = |atlas: &Atlas, name: &str| atlas.keys.rules.get(name).copied();
        assert_eq!(level(&top, "destructive"), Some(Level::Warning));
        assert_eq!(level(&top, "data_depend"), Some(Level::Error));
        assert_eq!(level(&top, "incompatible"), None);
        assert_eq!(top.keys.git_base.as_deref(), Some("main"));
        assert_eq!(top.ignored, ["naming cloud", "strange"]);
        assert_eq!(level(&top, "modify_check"), Some(Level::Error));
        let named: Vec<(&str, &str)> =
            top.keys.naming.iter().map(|named| (named.of.as_str(), named.pattern.as_str())).collect();
        assert_eq!(named, [("match", "^[a-z]+$"), ("index", "^idx_[a-z]+_[a-z]+$")]);
        assert_eq!(top.keys.naming[1].message.as_deref(), Some("idx_table_column"));
        assert_eq!(level(&parsed(text, Some("local")), "destructive"), Some(Level::Error));
        for broken in ["", "lint {", "}}}", "lint = ", "\"", "lint { destructive { error"] {
            assert_eq!(parsed(broken, None).keys, LintKeys::default(), "{broken}");
        }
    }
}
