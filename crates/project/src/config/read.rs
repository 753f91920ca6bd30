//! Reading the file: what cannot be understood is refused, with its place.

use cofferdam_core::{Code, Place, Refusal, Span};
use cofferdam_formats::nearest;
use serde_saphyr::{Location, Spanned};

use super::file::{MatrixEntry, Ordered, ProjectConfig};
use super::{Config, Database, Entry, FILE, Target};
use crate::finding::Finding;
use crate::release::Release;

impl Config {
    /// Reads the text of the file of the project in the directory `directory`. The findings are about values that
    /// are understood and wrong; what they are about is left out of the result.
    ///
    /// # Errors
    /// `BadProjectConfig`, with the place.
    pub fn read(path: &str, text: &str, directory: &str) -> Result<(Self, Vec<Finding>), Box<Refusal>> {
        let file: ProjectConfig = serde_saphyr::from_str(text)
            .map_err(|error| Box::new(not_understood(path, text, error.without_snippet())))?;
        let mut read = Reading { path, text, findings: Vec::new() };
        read.name(&file.metadata.name, directory);
        if file.spec.databases.0.is_empty() {
            read.wrong(Span::default(), "spec.databases is empty").help_last(
                "name the project's database: primary: {type: postgresql, name: orders, schemas: [public]}",
            );
        }
        let database = |(key, entry): &(Spanned<String>, super::file::DatabaseEntry)| {
            let database =
                Database { kind: entry.kind, name: entry.name.clone(), schemas: entry.schemas.clone() };
            (key.value.clone(), database)
        };
        let databases = file.spec.databases.0.iter().map(database).collect();
        let entries = read.matrix(&file.spec.compatibility_matrix);
        let config = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            description: file.metadata.description,
            databases,
            policies: file.spec.migration.policies,
            entries,
        };
        Ok((config, read.findings))
    }
}

struct Reading<'a> {
    path: &'a str,
    text: &'a str,
    findings: Vec<Finding>,
}

impl Reading<'_> {
    fn wrong(&mut self, at: Span, what: impl Into<String>) -> &mut Self {
        let finding = Finding::error(self.path, Code::BadProjectConfig, what);
        let placed = at != Span::default();
        self.findings.push(if placed { finding.at(Place::new(self.path, self.text, at)) } else { finding });
        self
    }

    fn help_last(&mut self, help: impl Into<String>) {
        if let Some(last) = self.findings.last_mut() {
            last.refusal.help = Some(help.into());
        }
    }

    fn name(&mut self, name: &Spanned<String>, directory: &str) {
        let at = span(self.text, &name.referenced, name.value.len());
        if !is_name(&name.value) {
            self.wrong(at, format!("{:?} is no name of a project", name.value)).help_last(
                "write small letters, digits and - only, 63 at most: Jobs and images are named after it",
            );
        } else if name.value != directory {
            self.wrong(at, format!("metadata.name is {}, and the directory is {directory}", name.value))
                .help_last(format!("write name: {directory}, or rename the directory"));
        }
    }

    fn matrix(&mut self, matrix: &Ordered<MatrixEntry>) -> std::collections::BTreeMap<Release, Entry> {
        let mut entries = std::collections::BTreeMap::new();
        if matrix.0.is_empty() {
            self.wrong(Span::default(), "spec.compatibility_matrix is empty")
                .help_last("name the first version: v1.0.0: {upgrades_to: [], rollback_to: []}");
        }
        for (key, entry) in &matrix.0 {
            let Some(Target { release, at }) = self.version(key) else { continue };
            let upgrades_to = entry.upgrades_to.iter().filter_map(|target| self.version(target)).collect();
            let rollback_to = entry.rollback_to.iter().filter_map(|target| self.version(target)).collect();
            let name = release.to_string();
            if entries.insert(release, Entry { at, upgrades_to, rollback_to }).is_some() {
                self.wrong(at, format!("compatibility_matrix has {name} twice"))
                    .help_last("write one of the two, with what both of them say");
            }
        }
        entries
    }

    fn version(&mut self, text: &Spanned<String>) -> Option<Target> {
        let at = span(self.text, &text.referenced, text.value.len());
        match Release::parse(&text.value) {
            Ok(release) => Some(Target { release, at }),
            Err(why) => {
                let what = format!("{:?} is no version of a project", text.value);
                self.findings.push(
                    Finding::error(self.path, Code::BadProjectVersion, what)
                        .cause(why)
                        .at(Place::new(self.path, self.text, at)),
                );
                None
            }
        }
    }
}

/// A name for directories, Jobs and images.
pub(crate) fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn not_understood(path: &str, text: &str, error: &serde_saphyr::Error) -> Refusal {
    let (refusal, length) = match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            let help = match nearest(field, expected.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the keys are {}", expected.join(", ")),
            };
            (
                Refusal::new(Code::BadProjectConfig, format!("{FILE} has an unknown key {field}")).help(help),
                field.len(),
            )
        }
        _ => {
            let message = error.to_string();
            let line = message.lines().next().unwrap_or(&message);
            let cause = line.split(" at line ").next().unwrap_or(line).to_owned();
            let refusal = Refusal::new(Code::BadProjectConfig, format!("{FILE} cannot be understood"))
                .cause(cause)
                .help("docs/projects.md has an example; docs/project-config.schema.json is for your editor");
            (refusal, 1)
        }
    };
    // Without a place at least the file is named.
    let at =
        error.location().map_or(Span { line: 1, column: 1, ..Span::default() }, |l| span(text, &l, length));
    refusal.at(Place::new(path, text, at))
}

fn span(text: &str, location: &Location, length: usize) -> Span {
    let (line, column) = (location.line() as usize, location.column() as usize);
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(line_start..).unwrap_or_default();
    let within: usize = rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    let start = line_start + within;
    let quoted = usize::from(text.get(start..).is_some_and(|t| t.starts_with(['"', '\''])));
    Span { start, end: (start + length + 2 * quoted).min(text.len()), line, column }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DatabaseType, Policies};

    const EXAMPLE: &str = r#"# projects/e-commerce-api/project-config.yaml
apiVersion: v1
kind: ProjectConfig
metadata:
  name: e-commerce-api
  description: "E-commerce API database migrations"

spec:
  databases:
    primary:
      type: postgresql
      name: ecommerce_db
      schemas: ["public", "audit", "reporting"]
    
  migration:
    policies:
      require_rollback: true
      require_validation: true
      dry_run_first: true
      backup_before_upgrade: true
    
  compatibility_matrix:
    v1.0.0:
      upgrades_to: ["v1.1.0"]
      rollback_to: []
    v1.1.0:
      upgrades_to: ["v2.0.0"]
      rollback_to: ["v1.0.0"]
"#;

    fn read(text: &str) -> Result<(Config, Vec<Finding>), Box<Refusal>> {
        Config::read("p/project-config.yaml", text, "e-commerce-api")
    }

    /// The text under the caret.
    fn shown(place: &Place) -> &str {
        &place.source.as_deref().unwrap()[place.at.start..place.at.end]
    }

    #[test]
    fn the_configuration_that_users_wrote_down_is_read() {
        let (config, findings) = read(EXAMPLE).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(config.databases[0].0, "primary");
        assert_eq!(config.databases[0].1.schemas, ["public", "audit", "reporting"]);
        assert_eq!(config.types(), [DatabaseType::Postgresql]);
        assert_eq!(config.policies, Policies::default());
        let (release, entry) = config.entries.last_key_value().unwrap();
        assert_eq!(
            (release.plain(), entry.rollback_to[0].release.to_string()),
            ("1.1.0".into(), "v1.0.0".into())
        );
        assert_eq!(shown(&config.place(entry.at)), "v1.1.0");
        assert_eq!(shown(&config.place(entry.rollback_to[0].at)), "\"v1.0.0\"");
    }

    #[test]
    fn policies_that_are_left_out_are_required_and_databases_keep_their_order() {
        let text = EXAMPLE
            .replace("      require_rollback: true\n", "      require_rollback: false\n")
            .replace("      require_validation: true\n", "")
            .replace("    primary:\n", "    zeta: {type: mongodb, name: z}\n    primary:\n");
        let (config, _) = read(&text).unwrap();
        let expected = Policies { require_rollback: false, ..Policies::default() };
        assert_eq!(config.policies, expected);
        let names: Vec<&str> = config.databases.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["zeta", "primary"]);
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_its_place() {
        for (from, to, what, help, line) in [
            ("  databases:", "  database:", "unknown key database", "did you mean databases?", 9),
            (
                "require_rollback",
                "require_rolback",
                "unknown key require_rolback",
                "did you mean require_rollback?",
                17,
            ),
            ("type: postgresql", "type: oracle", "cannot be understood", "docs/projects.md", 11),
            ("kind: ProjectConfig", "kind: Project", "cannot be understood", "docs/projects.md", 3),
            ("apiVersion: v1", "apiVersion: v2", "cannot be understood", "docs/projects.md", 2),
            ("dry_run_first: true", "dry_run_first: maybe", "cannot be understood", "docs/projects.md", 19),
            (
                "upgrades_to: [\"v2.0.0\"]",
                "upgrades_to: [\"v2.0.0\"",
                "cannot be understood",
                "docs/projects.md",
                28,
            ),
            ("    v1.1.0:", "    v1.0.0:", "cannot be understood", "docs/projects.md", 26),
        ] {
            assert!(EXAMPLE.contains(from), "{from}");
            let refusal = read(&EXAMPLE.replace(from, to)).unwrap_err();
            assert_eq!(refusal.code, Code::BadProjectConfig);
            assert!(refusal.what.contains(what), "{to}: {refusal}");
            assert!(refusal.help.as_deref().unwrap().contains(help), "{to}: {:?}", refusal.help);
            assert_eq!(refusal.place.as_ref().unwrap().at.line, line, "{to}: {refusal}");
        }
        for text in ["", "# nothing\n", "[]", "apiVersion: v1\n", "\u{0}", "&a [*a]"] {
            let refusal = read(text).unwrap_err();
            assert_eq!(refusal.code, Code::BadProjectConfig, "{text:?}");
            assert!(refusal.place.is_some() && refusal.help.is_some(), "{text:?}");
        }
    }

    #[test]
    fn values_that_are_wrong_are_each_a_finding_with_its_place() {
        let one = |from: &str, to: &str| {
            assert!(EXAMPLE.contains(from), "{from}");
            let (_, findings) = read(&EXAMPLE.replacen(from, to, 1)).unwrap();
            assert_eq!(findings.len(), 1, "{to}: {findings:?}");
            findings.into_iter().next().unwrap().refusal
        };
        let version = one("[\"v2.0.0\"]", "[\"v2.0\"]");
        assert_eq!(
            (version.code, shown(version.place.as_ref().unwrap())),
            (Code::BadProjectVersion, "\"v2.0\"")
        );
        let key = one("    v1.1.0:", "    latest:");
        assert_eq!((key.code, shown(key.place.as_ref().unwrap())), (Code::BadProjectVersion, "latest"));
        let pre = one("[\"v2.0.0\"]", "[v2.0.0-rc.1]");
        assert!(pre.cause.unwrap().contains("pre-release"));
        let name = one("name: e-commerce-api", "name: E_Commerce");
        assert_eq!((name.code, shown(name.place.as_ref().unwrap())), (Code::BadProjectConfig, "E_Commerce"));
        let other = one("name: e-commerce-api", "name: shop");
        assert!(other.help.unwrap().contains("name: e-commerce-api"));
        let twice = one("    v1.1.0:", "    1.0.0:");
        assert!(twice.what.contains("twice"), "{twice}");
    }
}
