//! Folders of this machine, for whoever types a path and wants to see where it may go on.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// The most folders that are offered.
const MOST: usize = 50;
/// Folders below the home in which photos usually lie.
const USUAL: [&str; 4] = ["Pictures", "Photos", "DCIM", "Desktop"];
/// Where disks and cards are connected.
const CONNECTED: [&str; 3] = ["/media", "/run/media", "/Volumes"];

/// What a path that is being typed may become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct TypedPath {
    /// The path as it is meant, `~` read as the home.
    pub path: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// The home of whoever runs this.
    pub home: Option<String>,
    /// Folders that it may become, in the order of their names.
    pub folders: Vec<String>,
}

/// The path that somebody means: `~` is the home.
#[must_use]
pub fn meant_path(typed: &str, home: Option<&Path>) -> String {
    match (typed.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", home.display())
        }
        _ => typed.to_owned(),
    }
}

/// Looks where a path that is being typed may go on. What cannot be read offers nothing.
#[must_use]
pub fn complete_folder(typed: &str, home: Option<&Path>) -> TypedPath {
    let path = meant_path(typed, home);
    let found = if path.is_empty() { usual(home) } else { going_on(&path) };
    let text = |path: PathBuf| path.into_os_string().into_string().ok();
    let mut folders: Vec<String> = found.into_iter().filter_map(text).collect();
    folders.truncate(MOST);
    TypedPath {
        is_folder: Path::new(&path).is_absolute() && Path::new(&path).is_dir(),
        path,
        home: home.map(|home| home.to_string_lossy().into_owned()),
        folders,
    }
}

/// The folders that begin so.
fn going_on(path: &str) -> Vec<PathBuf> {
    let Some((parent, begun)) = path.rsplit_once('/') else { return Vec::new() };
    let parent = Path::new(if parent.is_empty() { "/" } else { parent });
    if !parent.is_absolute() {
        return Vec::new();
    }
    let begun = begun.to_lowercase();
    let fits = |name: &str| {
        name.to_lowercase().starts_with(&begun) && (begun.starts_with('.') || !name.starts_with('.'))
    };
    below(parent, fits)
}

/// Where photos usually lie.
fn usual(home: Option<&Path>) -> Vec<PathBuf> {
    let at_home = home.into_iter().flat_map(|home| USUAL.map(|name| home.join(name)));
    let mut found: Vec<PathBuf> = at_home.filter(|folder| folder.is_dir()).collect();
    for place in CONNECTED {
        for folder in below(Path::new(place), |name| !name.starts_with('.')) {
            // Some systems put a folder of the user's between.
            let within = below(&folder, |name| !name.starts_with('.'));
            if within.is_empty() { found.push(folder) } else { found.extend(within) }
        }
    }
    found
}

fn below(folder: &Path, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let fitting = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(&fits));
    let mut found: Vec<PathBuf> = fitting.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_on_in_folders_that_begin_so() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for name in ["Pictures/2024", "Pictures/.thumbnails", "pixels", "Music"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::write(root.join("Pictures/one.jpg"), "x").unwrap();
        let names = |typed: &str| -> Vec<String> {
            let found = complete_folder(typed, Some(root));
            found.folders.iter().map(|path| path.replace(root.to_str().unwrap(), "~")).collect()
        };
        assert_eq!(names("~/pi"), ["~/Pictures", "~/pixels"]);
        assert_eq!(names(&format!("{}/Mu", root.display())), ["~/Music"]);
        assert_eq!(names("~/Pictures/"), ["~/Pictures/2024"]);
        assert_eq!(names("~/Pictures/."), ["~/Pictures/.thumbnails"]);
        assert!(names("Pictures/").is_empty() && names("~/nowhere/x").is_empty());
        assert!(names("").contains(&"~/Pictures".to_owned()));
        assert!(complete_folder("~/Pictures", Some(root)).is_folder);
        assert!(!complete_folder("~/Pictures/one.jpg", Some(root)).is_folder);
        assert!(!complete_folder("~/x", None).is_folder);
    }
}
