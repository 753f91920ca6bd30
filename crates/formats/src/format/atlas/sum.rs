//! `atlas.sum`: the hash of the directory, and one for each file, which covers the files before it, too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cofferdam_core::{Code, Refusal};
use sha2::{Digest, Sha256};

use crate::script::script;
use crate::tree::{File, Tree};

/// The file's name.
pub const NAME: &str = "atlas.sum";

/// What stands before every value.
const VERSION: &str = "h1:";

/// The values of the files, in their order, without `h1:`; `None` of one that asks to be left out.
pub fn sums(files: &[&File]) -> Vec<Option<String>> {
    // One digest runs over all files, and each line is what it is at that point.
    let mut running = Sha256::new();
    let mut sums = Vec::with_capacity(files.len());
    for file in files {
        running.update(file.name().as_bytes());
        if is_ignored(&file.bytes) {
            sums.push(None);
            continue;
        }
        running.update(&file.bytes);
        sums.push(Some(STANDARD.encode(running.clone().finalize())));
    }
    sums
}

/// The text of the file.
pub fn text(files: &[&File], sums: &[Option<String>]) -> String {
    let lines = || files.iter().zip(sums).filter_map(|(file, sum)| Some((file.name(), sum.as_deref()?)));
    let mut whole = Sha256::new();
    for (name, sum) in lines() {
        whole.update(name.as_bytes());
        whole.update(sum.as_bytes());
    }
    let whole = STANDARD.encode(whole.finalize());
    let lines: String = lines().map(|(name, sum)| format!("{name} {VERSION}{sum}\n")).collect();
    format!("{VERSION}{whole}\n{lines}")
}

/// The values of the files, if the directory's sum says the same.
///
/// # Errors
/// `SumMismatch` where there is no sum, or it does not fit; with the first file that differs.
pub(super) fn checked(tree: &Tree, files: &[&File]) -> Result<Vec<Option<String>>, Box<Refusal>> {
    let path = tree.typed(NAME);
    let Some(file) = tree.file(NAME) else {
        return match files.is_empty() {
            true => Ok(Vec::new()),
            false => Err(refusal(
                format!("there is no {path}"),
                "it is what shows that no file was changed".into(),
            )),
        };
    };
    let sums = sums(files);
    let found = script(tree, file)?.text;
    let wanted = text(files, &sums);
    let (found, wanted): (Vec<&str>, Vec<&str>) = (found.lines().collect(), wanted.lines().collect());
    if found == wanted {
        return Ok(sums);
    }
    let name = |line: &str| line.rsplit_once(' ').map_or(String::new(), |(name, _)| name.to_owned());
    let pairs = found.iter().skip(1).zip(wanted.iter().skip(1));
    let cause = match pairs.into_iter().find(|(one, other)| one != other) {
        Some((one, other)) if name(one) == name(other) => {
            format!("{} is not the file that the sum was taken of", name(other))
        }
        Some((_, other)) if !found.iter().any(|line| name(line) == name(other)) => {
            format!("{} came after the sum was written", name(other))
        }
        Some((one, _)) => {
            format!("{} is in the sum and not in the directory, or not in its place", name(one))
        }
        None if found.len() > wanted.len() => {
            format!(
                "{} is in the sum and not in the directory",
                found.get(wanted.len()).map_or(String::new(), |line| name(line))
            )
        }
        None if found.len() < wanted.len() => {
            format!("{} came after the sum was written", name(wanted[found.len().max(1)]))
        }
        None => "the files are as they were, and the first line is not".to_owned(),
    };
    Err(refusal(format!("{path} does not fit its directory"), cause))
}

fn refusal(what: String, cause: String) -> Box<Refusal> {
    Box::new(
        Refusal::new(Code::SumMismatch, what)
            .cause(cause)
            .help("if the files are right: atlas migrate hash; else restore them from version control"),
    )
}

/// Its first line asks to be left out of the sum: `-- atlas:sum ignore`, in printable characters.
fn is_ignored(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let printable = |part: &[u8]| part.iter().all(|byte| (b' '..=b'~').contains(byte));
    let mark = b"atlas:sum";
    line.windows(mark.len()).enumerate().any(|(at, part)| {
        let rest = &line[at + mark.len()..];
        let blanks = rest.len() - rest.trim_ascii_start().len();
        part == mark && printable(&line[..at]) && blanks > 0 && rest[blanks..].starts_with(b"ignore")
    })
}
