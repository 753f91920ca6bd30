//! The images of the cluster: ours, from the working tree, and the one that every Pod begins with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::oci::{self, Settings};
use crate::machine::{cargo, output, stream};
use crate::test::target_dir;

/// The registry.
pub(super) const REGISTRY: &str = "10.250.0.1:5000";

/// The image that every Pod begins with.
pub(super) const PAUSE: &str = "10.250.0.1:5000/pause:1";

/// Our image in the registry.
#[derive(Default)]
pub(crate) struct Image {
    /// `10.250.0.1:5000/cofferdam`.
    pub(crate) repository: String,
    /// `dev`.
    pub(crate) tag: String,
    /// `sha256:...`.
    pub(crate) digest: String,
}

/// Files that every image of ours has: the account that it runs under, and where names are looked up.
static ACCOUNTS: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"),
    ("etc/group", "root:x:0:\nnonroot:x:65532:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
];

/// For outgoing TLS.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Pushes an image of our program.
pub(super) fn push_ours(program: &Path) -> Result<Image, String> {
    let files = Files::new()?;
    let inside = "/usr/local/bin/cofferdam";
    files.put_stripped(program, inside)?;
    for library in libraries(program)? {
        files.put(&library, &library)?;
    }
    files.put(AUTHORITIES, AUTHORITIES)?;
    files.finish()?;
    let (repository, tag) = (format!("{REGISTRY}/cofferdam"), "dev".to_owned());
    let settings = Settings { user: "65532:65532", entrypoint: inside };
    let digest = oci::push(files.root(), &settings, &format!("{repository}:{tag}"))?;
    println!("cluster: pushed {repository}:{tag}@{digest}");
    Ok(Image { repository, tag, digest })
}

/// Pushes the image that every Pod begins with.
pub(super) fn push_pause(program: &Path) -> Result<(), String> {
    let files = Files::new()?;
    files.put(program, "/pause")?;
    files.finish()?;
    oci::push(files.root(), &Settings { user: "65535:65535", entrypoint: "/pause" }, PAUSE).map(|_| ())
}

/// Builds our program.
pub(super) fn build() -> Result<PathBuf, String> {
    println!("cluster: building our program: a few minutes the first time");
    let target = target_dir();
    let code = stream(
        cargo().args(["build", "--quiet", "--package", "cofferdam"]).env("CARGO_TARGET_DIR", &target),
    )?;
    if code == 0 { Ok(target.join("debug/cofferdam")) } else { Err("cargo build failed".into()) }
}

/// The shared libraries that a program needs, and what loads them.
fn libraries(program: &Path) -> Result<Vec<String>, String> {
    let libraries = libraries_of(&output(Command::new("ldd").arg(program))?);
    if libraries.is_empty() {
        return Err(format!("ldd names no library of {}", program.display()));
    }
    Ok(libraries)
}

/// `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`; the loader stands without a name before it, and what
/// the kernel brings has no path.
fn libraries_of(ldd: &str) -> Vec<String> {
    ldd.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(str::to_owned)
        .collect()
}

/// The files of an image before they are one.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder for an image: {e}"))?;
        let files = Self { folder };
        for (name, text) in ACCOUNTS {
            let path = files.place(name)?;
            fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        Ok(files)
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn put(&self, from: impl AsRef<Path>, inside: &str) -> Result<(), String> {
        let from = from.as_ref();
        fs::copy(from, self.place(inside)?).map(|_| ()).map_err(|e| format!("{}: {e}", from.display()))
    }

    fn put_stripped(&self, program: &Path, inside: &str) -> Result<(), String> {
        output(Command::new("strip").arg("-o").arg(self.place(inside)?).arg(program)).map(|_| ())
    }

    /// The same modes whatever our umask is.
    fn finish(&self) -> Result<(), String> {
        output(Command::new("chmod").args(["-R", "u=rwX,go=rX"]).arg(self.root()))?;
        let temporary = self.root().join("tmp");
        let at = |e: std::io::Error| format!("{}: {e}", temporary.display());
        fs::create_dir(&temporary).map_err(at)?;
        fs::set_permissions(&temporary, fs::Permissions::from_mode(0o1777)).map_err(at)
    }

    fn place(&self, inside: &str) -> Result<PathBuf, String> {
        let path = self.root().join(inside.trim_start_matches('/'));
        let folder = path.parent().unwrap_or(self.root());
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_those_with_a_path() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(libraries_of(ldd), ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
    }
}
