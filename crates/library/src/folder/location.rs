//! Where a user's library and the agent's socket are by default. Nothing is read from the environment here:
//! the caller passes what it found there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::folder::FolderError;

/// What the environment says about this user's folders.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserFolders<'a> {
    /// `$HOME`.
    pub home: Option<&'a OsStr>,
    /// `$XDG_DATA_HOME`.
    pub data_home: Option<&'a OsStr>,
    /// `$XDG_RUNTIME_DIR`.
    pub runtime: Option<&'a OsStr>,
    /// `$XDG_CACHE_HOME`.
    pub cache_home: Option<&'a OsStr>,
}

/// The library that commands use when none is named.
///
/// # Errors
/// [`FolderError::NoHome`].
pub fn default_library_path(folders: &UserFolders<'_>) -> Result<PathBuf, FolderError> {
    let data = absolute(folders.data_home).or_else(|| Some(absolute(folders.home)?.join(data_below_home())));
    Ok(data.ok_or(FolderError::NoHome)?.join("safelight").join("library"))
}

/// The folder for the sockets of agents: in the runtime folder, which goes with the session, or else in the
/// user's cache.
///
/// # Errors
/// [`FolderError::NoHome`].
pub fn default_agent_folder(folders: &UserFolders<'_>) -> Result<PathBuf, FolderError> {
    if let Some(runtime) = absolute(folders.runtime) {
        return Ok(runtime.join("safelight"));
    }
    let cache =
        absolute(folders.cache_home).or_else(|| Some(absolute(folders.home)?.join(cache_below_home())));
    // A folder of its own, because others may look into a cache.
    Ok(cache.ok_or(FolderError::NoHome)?.join("safelight").join("agent"))
}

/// The XDG base directory specification says that relative paths are invalid and to be ignored.
fn absolute(value: Option<&OsStr>) -> Option<PathBuf> {
    value.map(Path::new).filter(|path| path.is_absolute()).map(Path::to_owned)
}

const fn data_below_home() -> &'static str {
    if cfg!(target_vendor = "apple") { "Library/Application Support" } else { ".local/share" }
}

const fn cache_below_home() -> &'static str {
    if cfg!(target_vendor = "apple") { "Library/Caches" } else { ".cache" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_folder_comes_before_the_home_and_must_be_absolute() {
        let home = Some(OsStr::new("/home/ada"));
        let by_data = UserFolders { home, data_home: Some(OsStr::new("/data")), ..UserFolders::default() };
        assert_eq!(default_library_path(&by_data).expect("found"), Path::new("/data/safelight/library"));
        let relative = UserFolders { home, data_home: Some(OsStr::new("data")), ..UserFolders::default() };
        let expected = Path::new("/home/ada").join(data_below_home()).join("safelight/library");
        assert_eq!(default_library_path(&relative).expect("found"), expected);
        assert!(matches!(default_library_path(&UserFolders::default()), Err(FolderError::NoHome)));
    }

    #[test]
    fn the_agents_folder_is_in_the_runtime_folder_if_there_is_one() {
        let runtime = UserFolders { runtime: Some(OsStr::new("/run/user/7")), ..UserFolders::default() };
        assert_eq!(default_agent_folder(&runtime).expect("found"), Path::new("/run/user/7/safelight"));
        let home = UserFolders { home: Some(OsStr::new("/home/ada")), ..UserFolders::default() };
        let expected = Path::new("/home/ada").join(cache_below_home()).join("safelight/agent");
        assert_eq!(default_agent_folder(&home).expect("found"), expected);
    }
}
