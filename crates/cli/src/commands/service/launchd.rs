//! The agent of launchd: the text of `deploy/launchd` with the paths of one library in it.

use std::path::Path;

use super::units::{Key, Setting};
use crate::failure::{Exit, Failure};
use crate::output::printable;

pub(super) const FILE: &str = "net.safelight.sync.plist";
const TEXT: &str = include_str!("../../../../../deploy/launchd/net.safelight.sync.plist");

/// The lines that name a key file, for which there is none where the keystore opens the library.
const KEY_LINES: &str =
    "    <key>SAFELIGHT_KEY_FILE</key>\n    <string>/Users/somebody/.safelight.key</string>\n";

/// The agent's text.
///
/// # Errors
/// [`Exit::Refused`] for a path that XML cannot hold.
pub(super) fn agent(setting: &Setting, home: &Path) -> Result<String, Failure> {
    let mut text = TEXT.to_owned();
    let mut put = |from: &str, to: String| text = text.replace(from, &to);
    match &setting.key {
        Key::File(file) => put("/Users/somebody/.safelight.key", written(file)?),
        _ => put(KEY_LINES, String::new()),
    }
    put("/usr/local/bin/safelight", written(&setting.program)?);
    put("/Users/somebody/Pictures/Safelight", written(&setting.library)?);
    put("<integer>900</integer>", format!("<integer>{}</integer>", setting.every.as_secs()));
    put("/Users/somebody/Library/Logs/safelight.log", written(&home.join("Library/Logs/safelight.log"))?);
    Ok(text)
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
    fn an_agent_that_the_keystore_opens_names_no_key_file() {
        let text = agent(&setting(Key::Keystore), Path::new("/Users/ada")).unwrap();
        assert!(!text.contains("SAFELIGHT_KEY_FILE") && !text.contains("somebody"), "{text}");
    }
}
