//! The agent of launchd: the text of `deploy/launchd` with the paths of one library in it.

use std::path::{Path, PathBuf};

use super::units::{Key, Setting};
use crate::failure::{Exit, Failure};
use crate::output::printable;

pub(super) const FILE: &str = "net.safelight.sync.plist";
const TEXT: &str = include_str!("../../../../../deploy/launchd/net.safelight.sync.plist");

/// The library's folder in the text.
const LIBRARY: &str = "/Users/somebody/Pictures/Safelight";

/// The lines that name a key file, for which there is none where the keystore opens the library.
const KEY_LINES: &str =
    "    <key>SAFELIGHT_KEY_FILE</key>\n    <string>/Users/somebody/.safelight.key</string>\n";

/// The agent's text.
///
/// # Errors
/// [`Exit::Refused`] for a path that XML cannot hold.
pub(super) fn agent(setting: &Setting, home: &Path) -> Result<String, Failure> {
    let key = match &setting.key {
        Key::File(file) => ("/Users/somebody/.safelight.key", written(file)?),
        _ => (KEY_LINES, String::new()),
    };
    let every = format!("<integer>{}</integer>", setting.every.as_secs());
    let log = written(&home.join("Library/Logs/safelight.log"))?;
    Ok(put(
        TEXT,
        &[
            key,
            ("/usr/local/bin/safelight", written(&setting.program)?),
            (LIBRARY, written(&setting.library)?),
            ("<integer>900</integer>", every),
            ("/Users/somebody/Library/Logs/safelight.log", log),
        ],
    ))
}

/// A text with each part replaced; what was put in is not looked at again.
fn put(text: &str, parts: &[(&str, String)]) -> String {
    let Some(((from, to), rest)) = parts.split_first() else { return text.to_owned() };
    text.split(from).map(|between| put(between, rest)).collect::<Vec<_>>().join(to)
}

/// The library that an agent names, if it names one.
pub(super) fn library_of(agent: &str) -> Option<PathBuf> {
    let (_, rest) = agent.split_once("<key>SAFELIGHT_LIBRARY</key>")?;
    let (_, rest) = rest.split_once("<string>")?;
    let (path, _) = rest.split_once("</string>")?;
    Some(path.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").into())
}

/// A path in XML.
fn written(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    let text = text.ok_or_else(|| {
        Failure::new(Exit::Refused, format!("{} cannot be written into a file for launchd", printable(path)))
    })?;
    Ok(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn setting(key: Key) -> Setting {
        Setting {
            program: "/opt/a & b/safelight".into(),
            library: "/Users/ada/Photos".into(),
            owner: None,
            key,
            every: Duration::from_secs(3600),
            backup: None,
            sources: Vec::new(),
            writable: Vec::new(),
        }
    }

    #[test]
    fn an_agent_names_this_library_and_nobody_elses_paths() {
        let text = agent(&setting(Key::File("/Users/ada/key".into())), Path::new("/Users/ada")).unwrap();
        for part in
            ["/opt/a &amp; b/safelight", "/Users/ada/Photos", "/Users/ada/key", "<integer>3600</integer>"]
        {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains("somebody"), "{text}");
    }

    #[test]
    fn a_path_that_holds_a_part_of_the_text_is_left_as_it_is() {
        let mut setting = setting(Key::File("/usr/local/bin/safelight/key".into()));
        setting.library = "/Volumes/A & B/Users/somebody/Library/Logs/safelight.log".into();
        let text = agent(&setting, Path::new("/Users/ada")).unwrap();
        assert!(text.contains("<string>/usr/local/bin/safelight/key</string>"), "{text}");
        assert_eq!(library_of(&text), Some(setting.library));
    }

    #[test]
    fn an_agent_that_the_keystore_opens_names_no_key_file() {
        let text = agent(&setting(Key::Keystore), Path::new("/Users/ada")).unwrap();
        assert!(!text.contains("SAFELIGHT_KEY_FILE") && !text.contains("somebody"), "{text}");
    }
}
