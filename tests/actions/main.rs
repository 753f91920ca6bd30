//! The GitHub Action and the pre-commit hook of this repository: their shell steps run as they would there, and lint is
//! the real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cofferdam");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(root().join(name)).unwrap()).unwrap()
}

/// A repository with a migration that is fine on `main`, and a checked-out branch with one that is not.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::create_dir(folder.path().join("migrations")).unwrap();
    let write =
        |name: &str, text: &str| std::fs::write(folder.path().join("migrations").join(name), text).unwrap();
    git(&["init", "--quiet"]);
    write("V1__shop.sql", "CREATE TABLE orders (id bigint PRIMARY KEY, note text);\nDROP TABLE ancient;\n");
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "one"]);
    git(&["checkout", "--quiet", "-b", "change"]);
    let wrong =
        "CREATE INDEX CONCURRENTLY orders_note ON orders (note);\nALTER TABLE orders ADD COLUMN more text;\n";
    write("V2__index.sql", wrong);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "two"]);
    folder
}

/// The action on a machine: its inputs, and what GitHub gives to each step.
struct Machine {
    folder: tempfile::TempDir,
    inputs: BTreeMap<String, String>,
    path: String,
}

impl Machine {
    fn new(inputs: &[(&str, &str)]) -> Self {
        let action = yaml("action.yml");
        let defaults = action["inputs"].as_object().unwrap().iter();
        let mut all: BTreeMap<String, String> = defaults
            .map(|(name, input)| (name.clone(), input["default"].as_str().unwrap().to_owned()))
            .collect();
        for (name, value) in inputs {
            assert!(all.insert((*name).to_owned(), (*value).to_owned()).is_some(), "no input {name}");
        }
        let path = std::env::var("PATH").unwrap();
        Self { folder: tempfile::tempdir().unwrap(), inputs: all, path }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a step as the runner does: `bash --noprofile --norc -eo pipefail FILE`.
    fn step(&self, name: &str, directory: &Path) -> Output {
        let action = yaml("action.yml");
        let steps = action["runs"]["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["name"] == name).unwrap();
        assert_eq!(step["shell"], "bash");
        let script = step["run"].as_str().unwrap();
        assert!(!script.contains("${{"), "an expression in a script is an injection");
        std::fs::write(self.file("step.sh"), script).unwrap();
        // What a step put on the path is before everything else in the next.
        let added = std::fs::read_to_string(self.file("path")).unwrap_or_default();
        let path = added.lines().rev().chain([self.path.as_str()]).collect::<Vec<_>>().join(":");
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(self.file("step.sh"))
            .current_dir(directory)
            .env("PATH", path)
            .env("RUNNER_TEMP", self.folder.path())
            .env("GITHUB_PATH", self.file("path"))
            .env("GITHUB_OUTPUT", self.file("output"))
            .env("GITHUB_STEP_SUMMARY", self.file("summary"))
            .env_remove("DATABASE_URL");
        for (name, value) in step["env"].as_object().unwrap() {
            let expression = value.as_str().unwrap().trim_start_matches("${{").trim_end_matches("}}").trim();
            let value = match expression.strip_prefix("inputs.") {
                Some(input) => self.inputs[input].clone(),
                None if expression == "github.action_path" => root().to_string_lossy().into_owned(),
                None => panic!("{expression}"),
            };
            command.env(name, value);
        }
        command.output().unwrap()
    }

    /// A program of this name, found before all others.
    fn program(&mut self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let folder = self.file("programs");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
        std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        self.path = format!("{}:{}", folder.display(), self.path);
    }

    fn said(output: &Output) -> String {
        String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
    }

    /// The program under test is that of the machine.
    fn with_program(mut self) -> Self {
        self.program("cofferdam", &format!("#!/bin/sh\nexec '{PROGRAM}' \"$@\"\n"));
        self
    }
}

#[test]
fn findings_are_annotations_and_documents_and_fail_the_job() {
    let repository = repository();
    let machine = Machine::new(&[("sarif", "found.sarif"), ("markdown", "found.md")]).with_program();
    let got = machine.step("Get cofferdam", repository.path());
    assert!(got.status.success(), "{}", Machine::said(&got));
    let lint = machine.step("Lint", repository.path());
    assert_eq!(lint.status.code(), Some(4), "{}", Machine::said(&lint));
    let annotations = String::from_utf8_lossy(&lint.stdout).into_owned();
    assert!(annotations.contains("::error file=migrations/V2__index.sql,line=1"), "{annotations}");
    assert_eq!(std::fs::read_to_string(machine.file("output")).unwrap(), "code=4\n");
    let sarif: Value =
        serde_json::from_str(&std::fs::read_to_string(repository.path().join("found.sarif")).unwrap())
            .unwrap();
    let rules: Vec<&str> = sarif["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["ruleId"].as_str().unwrap())
        .collect();
    assert!(rules.contains(&"create-index-concurrently-in-tx"), "{rules:?}");
    for file in [repository.path().join("found.md"), machine.file("summary")] {
        assert!(
            std::fs::read_to_string(&file).unwrap().contains("create-index-concurrently-in-tx"),
            "{file:?}"
        );
    }
}

#[test]
fn only_what_a_branch_changes_and_warnings_as_asked() {
    let repository = repository();
    let lint = |inputs: &[(&str, &str)]| {
        let machine = Machine::new(inputs).with_program();
        assert!(machine.step("Get cofferdam", repository.path()).status.success());
        machine.step("Lint", repository.path())
    };
    let all = lint(&[]);
    assert!(String::from_utf8_lossy(&all.stdout).contains("V1__shop.sql"), "{}", Machine::said(&all));
    let changed = lint(&[("git-base", "main")]);
    assert!(
        !String::from_utf8_lossy(&changed.stdout).contains("V1__shop.sql"),
        "{}",
        Machine::said(&changed)
    );
    // Two paths, one a line; of the old file there are warnings only.
    let old = [("paths", "migrations/V1__shop.sql\n")];
    assert_eq!(lint(&old).status.code(), Some(0));
    assert_eq!(lint(&[old[0], ("deny-warnings", "true")]).status.code(), Some(4));
    // Neither 0 nor 4: the reason is said, and no document is written.
    let missing = lint(&[("paths", "nowhere")]);
    assert_eq!(missing.status.code(), Some(2), "{}", Machine::said(&missing));
}

#[test]
fn a_download_is_run_only_with_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(PROGRAM, folder.path().join("cofferdam")).unwrap();
    let archive = folder.path().join("cofferdam.tar.gz");
    let tar =
        Command::new("tar").arg("-czhf").arg(&archive).arg("-C").arg(folder.path()).arg("cofferdam").status();
    assert!(tar.unwrap().success());
    let sum = Command::new("sha256sum").arg(&archive).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap().split(' ').next().unwrap().to_owned();
    let url = format!("file://{}", archive.display());
    let here = tempfile::tempdir().unwrap();
    let got = Machine::new(&[("download", &url), ("sha256", &sum)]).step("Get cofferdam", here.path());
    assert!(got.status.success(), "{}", Machine::said(&got));
    assert!(String::from_utf8_lossy(&got.stdout).contains("cofferdam "), "{}", Machine::said(&got));
    for wrong in ["", &"0".repeat(64)] {
        let machine = Machine::new(&[("download", &url), ("sha256", wrong)]);
        assert!(!machine.step("Get cofferdam", here.path()).status.success(), "{wrong:?}");
        assert!(!machine.file("path").exists(), "nothing is put on the path");
    }
}

#[test]
fn without_a_program_it_is_built_from_the_sources_of_the_action() {
    let here = tempfile::tempdir().unwrap();
    let mut machine = Machine::new(&[]);
    // The build itself would take minutes: what is asked of cargo is looked at, and that it is a crate of ours.
    machine.program(
        "cargo",
        &format!(
            "#!/bin/sh\necho \"$@\" > '{}'\nwhile [ \"$1\" != --root ]; do shift; done\nmkdir -p \"$2/bin\"\nln -s '{PROGRAM}' \"$2/bin/cofferdam\"\n",
            machine.file("asked").display()
        ),
    );
    let got = machine.step("Get cofferdam", here.path());
    assert!(got.status.success(), "{}", Machine::said(&got));
    let asked = std::fs::read_to_string(machine.file("asked")).unwrap();
    let crate_ = root().join("crates/cofferdam");
    assert!(asked.contains(&format!("install --locked --path {}", crate_.display())), "{asked}");
    assert!(crate_.join("Cargo.toml").is_file() && root().join("Cargo.lock").is_file());
}

#[test]
fn the_hook_lints_the_files_that_it_is_given() {
    let repository = repository();
    let hooks = yaml(".pre-commit-hooks.yaml");
    let hook = &hooks[0];
    assert_eq!((hook["language"].as_str(), hook["types"][0].as_str()), (Some("system"), Some("sql")));
    // As pre-commit does: the entry, and the names of the files after it.
    let run = |files: &[&str]| {
        let entry: Vec<&str> = hook["entry"].as_str().unwrap().split(' ').collect();
        assert_eq!(entry[0], "cofferdam");
        Command::new(PROGRAM).args(&entry[1..]).args(files).current_dir(repository.path()).output().unwrap()
    };
    assert_eq!(run(&["migrations/V1__shop.sql"]).status.code(), Some(0));
    let both = run(&["migrations/V1__shop.sql", "migrations/V2__index.sql"]);
    assert_eq!(both.status.code(), Some(4), "{}", Machine::said(&both));
}
