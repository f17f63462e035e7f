//! Files that are written whole or not at all, so that nobody reads half of one: what other programs take up.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::failure::{Exit, Failure};
use crate::output::printable;

/// Other programs run as somebody of their own.
const READ_BY_ALL: u32 = 0o644;

/// Writes a file that everybody may read beside its place and moves it there.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Incomplete, format!("{} cannot be written: {error}", printable(path)))
    };
    let name =
        path.file_name().ok_or_else(|| Failure::usage(format!("{} names no file", printable(path))))?;
    // Nobody takes it for the file: neither its beginning nor its end is the same.
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = write_whole(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // What cannot be removed either is named by the error.
        drop(std::fs::remove_file(&beside));
    }
    written.map_err(failed)
}

fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(READ_BY_ALL).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(READ_BY_ALL))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_over_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("safelight.prom");
        std::fs::write(&path, "older and longer than what comes").unwrap();
        write(&path, "new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, READ_BY_ALL);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("nowhere/x.prom"), "new\n").is_err());
    }
}
