//! Helm: where it is, and what it renders.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_scratch::skipped;
use serde_json::Value;

/// The version of Kubernetes that is rendered for.
const KUBERNETES: &str = "1.35.4";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares a file with what it should be; with `UPDATE_DOCS` it is written.
pub(crate) fn expect_file(path: &str, text: &str) {
    let file = root().join(path);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let is = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        is == text,
        "{path} is not up to date: UPDATE_DOCS=1 cargo test -p cofferdam-operator --test chart"
    );
}

/// The documents of a YAML text that are not empty.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let all = serde_saphyr::from_multiple::<Value>(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    all.into_iter().filter(|document| !document.is_null()).collect()
}

pub(crate) struct Helm {
    program: PathBuf,
    /// What it keeps: nothing of the user's own.
    home: tempfile::TempDir,
}

impl Helm {
    /// `$HELM`; that of the test cluster, which the test cache keeps; or one on the search path.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let named = env::var_os("HELM").filter(|value| !value.is_empty()).map(PathBuf::from);
        let Some(program) = named.or_else(|| of_the_cache("helm")).or_else(|| on_the_path(&["helm"])) else {
            skipped(test, "there is no helm: `cargo xtask cluster up` builds it, HELM names one");
            return None;
        };
        Some(Self { program, home: tempfile::tempdir().unwrap() })
    }

    /// What it prints; or what it says if it fails.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String, String> {
        let home = self.home.path();
        let done = Command::new(&self.program)
            .args(arguments)
            .env("HELM_CACHE_HOME", home.join("cache"))
            .env("HELM_CONFIG_HOME", home.join("config"))
            .env("HELM_DATA_HOME", home.join("data"))
            .env("KUBECONFIG", home.join("none"))
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        if done.status.success() { Ok(out.into_owned()) } else { Err(format!("{out}{err}")) }
    }

    /// A chart of the repository, as release `name` in a namespace.
    pub(crate) fn template(
        &self,
        chart: &Path,
        name: &str,
        namespace: &str,
        set: &[&str],
    ) -> Result<String, String> {
        let mut arguments = vec!["template", name, chart.to_str().unwrap(), "--namespace", namespace];
        arguments.extend(["--kube-version", KUBERNETES]);
        set.iter().for_each(|set| arguments.extend(["--set-json", set]));
        self.run(&arguments)
    }

    /// The operator's chart.
    pub(crate) fn ours(&self, namespace: &str, set: &[&str]) -> Result<String, String> {
        self.template(&root().join("charts/cofferdam"), "cofferdam", namespace, set)
    }

    /// The example of the library with its dependency in place, in a folder of its own.
    pub(crate) fn hook(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in ["charts/cofferdam-hook", "examples/helm-hook"] {
            copy(&root().join(path), &folder.path().join(path));
        }
        let example = folder.path().join("examples/helm-hook");
        self.run(&["dependency", "build", example.to_str().unwrap()]).unwrap();
        folder
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// `$KUBECTL`; that of the test cluster; or one on the search path.
pub(crate) fn kubectl() -> Option<PathBuf> {
    let named = env::var_os("KUBECTL").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| of_the_cache("kubectl")).or_else(|| on_the_path(&["kubectl"]))
}

fn of_the_cache(program: &str) -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let shelf = variable("COFFERDAM_TEST_CACHE").or_else(|| Some(cache?.join("cofferdam")))?.join("cluster");
    let found = fs::read_dir(shelf).ok()?.filter_map(|entry| Some(entry.ok()?.path().join(program)));
    found
        .filter(|path| {
            path.parent().is_some_and(|p| p.extension() != Some(OsStr::new("new"))) && path.is_file()
        })
        .max()
}

/// The first of these programs that the search path has.
pub(crate) fn on_the_path(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}
