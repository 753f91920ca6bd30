//! Reading migrations from disk, and writing new ones.

use std::io::Write;
use std::path::Path;

use cofferdam_core::bundle::Bundle;
use cofferdam_core::{Code, Fault, Refusal, Result, Script};
use cofferdam_formats::{File, Tree};

use crate::config::Settings;

/// All files below a directory.
///
/// # Errors
/// `NoSuchDirectory` and `UnreadableFile`.
pub(crate) fn tree(directory: &Path) -> Result<Tree> {
    cofferdam_adapters::sources::read_directory(directory).map_err(Fault::Refused)
}

/// The migrations of the directory that the settings name.
///
/// # Errors
/// Those of [`tree`] and of the format.
pub(crate) fn bundle(settings: &Settings) -> Result<Bundle> {
    read(&settings.dir, settings).map(|(_, bundle)| bundle)
}

/// The files of a directory, and the migrations in them.
///
/// # Errors
/// Those of [`tree`] and of the format.
pub(crate) fn read(directory: &Path, settings: &Settings) -> Result<(Tree, Bundle)> {
    let tree = tree(directory)?;
    let format = settings.format.as_deref();
    let bundle = cofferdam_formats::read_with(&tree, format, &settings.placeholders);
    Ok((tree, bundle.map_err(Fault::Refused)?))
}

/// One SQL file, whatever its name.
///
/// # Errors
/// `UnreadableFile`, `NotUtf8` and `NulByte`.
pub(crate) fn script(path: &Path) -> Result<Script> {
    let bytes = std::fs::read(path).map_err(|error| {
        Refusal::new(Code::UnreadableFile, format!("{} cannot be read", path.display()))
            .cause(error.to_string())
            .help("check the path and its rights")
    })?;
    let file = File { path: path.display().to_string(), bytes };
    cofferdam_formats::script(&Tree::default(), &file).map_err(Fault::Refused)
}

/// Writes a file that is not there yet, with the directories above it.
///
/// # Errors
/// `AlreadyThere`: nothing is ever overwritten. `UnreadableFile` where it cannot be written.
pub(crate) fn create(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        make_directory(parent)?;
    }
    let mut file = match std::fs::File::create_new(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Refusal::new(Code::AlreadyThere, format!("{} is already there", path.display()))
                .cause("nothing was overwritten")
                .help("choose another name, or remove the file")
                .into());
        }
        Err(error) => return Err(unwritable(path, &error)),
    };
    file.write_all(text.as_bytes()).map_err(|e| unwritable(path, &e))
}

/// Puts a new text into a file that is there: written beside it and renamed, so that nobody sees half of it.
///
/// # Errors
/// `UnreadableFile` where it cannot be written.
pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("cofferdam-new");
    let written = std::fs::write(&beside, text)
        .and_then(|()| std::fs::set_permissions(&beside, std::fs::metadata(path)?.permissions()))
        .and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        // What is left of the try would be read as a file of the directory.
        let _ = std::fs::remove_file(&beside);
        unwritable(path, &error)
    })
}

/// Writes a file that a flag named, whether it is there or not.
///
/// # Errors
/// `UnreadableFile` where it cannot be written.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| unwritable(path, &e))
}

/// Makes a directory, with those above it. One that is there is fine.
///
/// # Errors
/// `UnreadableFile` where it cannot be made.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| unwritable(path, &e))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Fault {
    Refusal::new(Code::UnreadableFile, format!("{} cannot be written", path.display()))
        .cause(error.to_string())
        .help("check the rights of the directory")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_created_once_and_replaced_whole() {
        let directory = std::env::temp_dir().join(format!("cofferdam-files-{}", uuid::Uuid::now_v7()));
        let path = directory.join("sub").join("a.sql");
        create(&path, "one").unwrap();
        let again = create(&path, "two").unwrap_err();
        assert_eq!(again.refusal().unwrap().code, Code::AlreadyThere);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        replace(&path, "three").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
