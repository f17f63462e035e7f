//! Units of systemd: the texts of `deploy/systemd` with the paths of one library in them.
//!
//! Each line of a text stays as it is, is written anew, or is left out; nothing else is added but what may be written to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::{Exit, Failure};
use crate::output::printable;

/// The line by which a unit of ours is known.
pub(super) const MARK: &str =
    "# Written by safelight service install; what is changed here is lost when it runs again.";

/// The credential's name, by which the program finds it.
pub(super) const CREDENTIAL: &str = "safelight.key";

macro_rules! text {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../../deploy/systemd/", $name)))
    };
}

const ALWAYS: [(&str, &str); 5] = [
    text!("safelight-sync.service"),
    text!("safelight-sync.timer"),
    text!("safelight-check.service"),
    text!("safelight-check.timer"),
    text!("safelight-failed@.service"),
];
const BACKUP: [(&str, &str); 2] = [text!("safelight-backup.service"), text!("safelight-backup.timer")];

/// What of a unit only the manager of the whole machine can do.
const NEEDS_PRIVILEGES: [&str; 21] = [
    "User",
    "StateDirectory",
    "StateDirectoryMode",
    "RequiresMountsFor",
    "ProtectSystem",
    "ProtectHome",
    "PrivateTmp",
    "PrivateDevices",
    "PrivateUsers",
    "PrivateIPC",
    "ProtectHostname",
    "ProtectClock",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectKernelLogs",
    "ProtectControlGroups",
    "ProtectProc",
    "ProcSubset",
    "RemoveIPC",
    "CapabilityBoundingSet",
    "AmbientCapabilities",
];

/// Where people's homes are, which `ProtectHome=yes` hides.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// What opens the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// A key file, by its path.
    File(PathBuf),
    /// A key file that systemd hands over as it lies there.
    Loaded(PathBuf),
    /// A key file that systemd keeps sealed to this machine.
    Sealed,
    /// The key slot of the machine's TPM, at this device.
    Tpm(PathBuf),
    /// The key slot of the user's keystore.
    Keystore,
}

/// What the units are to do, and for which library.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// The program.
    pub(super) program: PathBuf,
    /// The library's folder.
    pub(super) library: PathBuf,
    /// Whom the units run as; none for units of the user who runs them.
    pub(super) owner: Option<String>,
    /// What opens it.
    pub(super) key: Key,
    /// How long to wait between two runs.
    pub(super) every: Duration,
    /// Where a backup is made.
    pub(super) backup: Option<PathBuf>,
    /// The watched folders, which a run reads.
    pub(super) sources: Vec<PathBuf>,
    /// What a run writes to outside of the library.
    pub(super) writable: Vec<PathBuf>,
}

/// All the units, by their names, marked as ours.
///
/// # Errors
/// [`Exit::Refused`] for a path that a unit cannot hold.
pub(super) fn all(setting: &Setting) -> Result<Vec<(&'static str, String)>, Failure> {
    let backup: &[_] = if setting.backup.is_some() { &BACKUP } else { &[] };
    ALWAYS.iter().chain(backup).map(|(name, text)| Ok((*name, unit(text, setting)?))).collect()
}

/// The names of all the units that there may be.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALWAYS.iter().chain(&BACKUP).map(|(name, _)| *name)
}

fn unit(text: &str, setting: &Setting) -> Result<String, Failure> {
    let mut lines = vec![MARK.to_owned()];
    for line in text.lines() {
        match line.split_once('=') {
            _ if line.starts_with("# safelight service install") || line.starts_with("# The key file") => {}
            Some((name, value)) if !name.starts_with('#') => {
                lines.extend(directive(name, value, line, setting)?);
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// What becomes of one line.
fn directive(name: &str, value: &str, line: &str, setting: &Setting) -> Result<Vec<String>, Failure> {
    let is_system = setting.owner.is_some();
    let keep = vec![line.to_owned()];
    let backup = setting.backup.as_deref();
    Ok(match (name, value) {
        ("User", _) => setting.owner.iter().map(|owner| format!("User={owner}")).collect(),
        ("StateDirectory" | "StateDirectoryMode", _) => Vec::new(),
        ("ReadWritePaths", _) => {
            backup.filter(|_| is_system).map(writable).transpose()?.into_iter().collect()
        }
        ("Wants" | "After", "network-online.target") if !is_system => Vec::new(),
        (name, _) if !is_system && NEEDS_PRIVILEGES.contains(&name) => Vec::new(),
        ("Environment", _) => surroundings(setting)?,
        ("LoadCredentialEncrypted", _) => credential(setting)?,
        ("ProtectHome", _) if lies_in_a_home(setting) => vec!["ProtectHome=read-only".to_owned()],
        ("PrivateDevices", _) => match &setting.key {
            Key::Tpm(device) => tpm(device)?,
            _ => keep,
        },
        ("RequiresMountsFor", _) => match backup {
            Some(folder) => vec![format!("{name}={}", quoted(folder)?)],
            None => Vec::new(),
        },
        ("ConditionPathIsDirectory", _) => match backup {
            Some(folder) => vec![format!("{name}={}", unquoted(folder)?)],
            None => Vec::new(),
        },
        ("ExecStart", command) => vec![format!("ExecStart={}", self::command(command, setting)?)],
        // A user's manager starts with the first log-in, and not with the machine.
        ("OnBootSec", _) if !is_system => vec![format!("OnStartupSec={value}")],
        ("OnUnitInactiveSec", _) => vec![format!("OnUnitInactiveSec={}s", setting.every.as_secs())],
        _ => keep,
    })
}

/// The library's folder, what else may be written, and the key file where nobody hands it over.
fn surroundings(setting: &Setting) -> Result<Vec<String>, Failure> {
    let mut lines = vec![assignment("SAFELIGHT_LIBRARY", &setting.library)?];
    if let Key::File(file) = &setting.key {
        lines.push(assignment("SAFELIGHT_KEY_FILE", file)?);
    }
    if let Key::Tpm(device) = &setting.key {
        lines.push(assignment("SAFELIGHT_TPM", device)?);
    }
    if setting.owner.is_some() {
        lines.push(writable(&setting.library)?);
        for path in &setting.writable {
            lines.push(writable(path)?);
        }
    }
    Ok(lines)
}

/// The library that a unit names, if it names one.
pub(super) fn library_of(unit: &str) -> Option<PathBuf> {
    let line = unit.lines().find_map(|line| line.strip_prefix("Environment=\"SAFELIGHT_LIBRARY="))?;
    let escaped = line.strip_suffix('"')?;
    Some(escaped.replace("\\\"", "\"").replace("\\\\", "\\").replace("%%", "%").into())
}

fn assignment(name: &str, path: &Path) -> Result<String, Failure> {
    Ok(format!("Environment=\"{name}={}\"", in_quotes(path)?))
}

/// A disk that is not connected keeps nothing from starting.
fn writable(path: &Path) -> Result<String, Failure> {
    Ok(format!("ReadWritePaths=\"-{}\"", in_quotes(path)?))
}

fn credential(setting: &Setting) -> Result<Vec<String>, Failure> {
    Ok(match &setting.key {
        Key::Sealed => vec![format!("LoadCredentialEncrypted={CREDENTIAL}")],
        Key::Loaded(file) => vec![format!("LoadCredential={CREDENTIAL}:{}", unquoted(file)?)],
        Key::File(_) | Key::Tpm(_) | Key::Keystore => Vec::new(),
    })
}

/// One device, for the group to which it belongs.
fn tpm(device: &Path) -> Result<Vec<String>, Failure> {
    let allow = format!("DeviceAllow={} rw", unquoted(device)?);
    let lines = ["PrivateDevices=no", "DevicePolicy=closed", &allow, "SupplementaryGroups=tss"];
    Ok(lines.map(str::to_owned).to_vec())
}

fn lies_in_a_home(setting: &Setting) -> bool {
    let own = [&setting.library, &setting.program].into_iter();
    let mut paths = own.chain(&setting.sources).chain(&setting.writable).chain(&setting.backup);
    paths.any(|path| HOMES.iter().any(|home| path.starts_with(home)))
}

/// The command of a text with this program, this way to unlock and this folder.
fn command(text: &str, setting: &Setting) -> Result<String, Failure> {
    let Some(rest) = text.strip_prefix("/usr/bin/safelight ") else { return Ok(text.to_owned()) };
    let by = match setting.key {
        Key::Tpm(_) => "--by tpm ",
        Key::Keystore => "--by keystore ",
        Key::File(_) | Key::Loaded(_) | Key::Sealed => "",
    };
    let rest = match &setting.backup {
        Some(folder) => rest.replace("/mnt/backup", &quoted(folder)?.replace('$', "$$")),
        None => rest.to_owned(),
    };
    Ok(format!("{} {by}{rest}", quoted(&setting.program)?))
}

fn quoted(path: &Path) -> Result<String, Failure> {
    let inner = in_quotes(path)?;
    let is_plain = inner.chars().all(|letter| letter.is_alphanumeric() || "/._-".contains(letter));
    Ok(if is_plain { inner } else { format!("\"{inner}\"") })
}

/// A path as it stands between quotes.
fn in_quotes(path: &Path) -> Result<String, Failure> {
    Ok(escaped(path)?.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A path as it stands without quotes, where systemd cuts outer spaces and joins the next line after a backslash.
fn unquoted(path: &Path) -> Result<String, Failure> {
    let text = escaped(path)?;
    if text.ends_with('\\') || text.trim() != text {
        return Err(cannot_be_written(path).hint("name it without a backslash or a space at its end"));
    }
    Ok(text)
}

/// A path in which systemd finds none of its own signs.
fn escaped(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    let text =
        text.ok_or_else(|| cannot_be_written(path).hint("name it without control characters, in UTF-8"))?;
    Ok(text.replace('%', "%%"))
}

fn cannot_be_written(path: &Path) -> Failure {
    Failure::new(Exit::Refused, format!("{} cannot be written into a unit of systemd", printable(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(owner: Option<&str>, key: Key) -> Setting {
        Setting {
            program: "/opt/safe light/safelight".into(),
            library: "/srv/100% \"mine\"".into(),
            owner: owner.map(str::to_owned),
            key,
            every: Duration::from_secs(3600),
            backup: Some("/mnt/my drive".into()),
            sources: Vec::new(),
            writable: vec!["/srv/nas".into()],
        }
    }

    fn of(name: &str, setting: &Setting) -> String {
        all(setting).unwrap().into_iter().find(|(found, _)| *found == name).unwrap().1
    }

    fn has_line(text: &str, line: &str) -> bool {
        text.lines().any(|found| found == line)
    }

    #[test]
    fn a_unit_of_the_machine_names_this_library_and_keeps_what_it_may_not_do() {
        let sync = of("safelight-sync.service", &setting(Some("ada"), Key::Sealed));
        for line in [
            MARK,
            "User=ada",
            "Environment=\"SAFELIGHT_LIBRARY=/srv/100%% \\\"mine\\\"\"",
            "ReadWritePaths=\"-/srv/100%% \\\"mine\\\"\"",
            "ReadWritePaths=\"-/srv/nas\"",
            "LoadCredentialEncrypted=safelight.key",
            "ExecStart=\"/opt/safe light/safelight\" sync --import",
            "ProtectSystem=strict",
            "ProtectHome=yes",
        ] {
            assert!(has_line(&sync, line), "{line} is missing in\n{sync}");
        }
        assert_eq!(library_of(&sync), Some("/srv/100% \"mine\"".into()));
        assert!(!sync.contains("StateDirectory") && !sync.contains("/var/lib/safelight"), "{sync}");
        assert!(has_line(
            &of("safelight-sync.timer", &setting(Some("ada"), Key::Sealed)),
            "OnUnitInactiveSec=3600s"
        ));
    }

    #[test]
    fn a_unit_of_a_user_asks_for_nothing_that_only_the_machine_may() {
        for (name, text) in all(&setting(None, Key::File("/home/ada/key".into()))).unwrap() {
            let keys = || text.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key);
            assert!(!keys().any(|key| NEEDS_PRIVILEGES.contains(&key)), "{name}:\n{text}");
            assert!(!text.contains("network-online") && !text.contains("OnBootSec"), "{name}:\n{text}");
            assert!(!text.contains("LoadCredential") && !text.contains("ReadWritePaths"), "{name}:\n{text}");
            if name.ends_with(".service") {
                assert!(has_line(&text, "NoNewPrivileges=yes"), "{name}:\n{text}");
            }
        }
        let sync = of("safelight-sync.service", &setting(None, Key::File("/home/ada/key".into())));
        assert!(has_line(&sync, "Environment=\"SAFELIGHT_KEY_FILE=/home/ada/key\""), "{sync}");
    }

    #[test]
    fn a_tpm_is_let_in_and_asked_for() {
        let sync = of("safelight-sync.service", &setting(Some("ada"), Key::Tpm("/dev/tpmrm1".into())));
        assert!(has_line(&sync, "DeviceAllow=/dev/tpmrm1 rw"), "{sync}");
        assert!(has_line(&sync, "Environment=\"SAFELIGHT_TPM=/dev/tpmrm1\""), "{sync}");
        assert!(has_line(&sync, "ExecStart=\"/opt/safe light/safelight\" --by tpm sync --import"), "{sync}");
        assert!(!sync.contains("PrivateDevices=yes") && !sync.contains("LoadCredential"), "{sync}");
    }

    #[test]
    fn a_backup_goes_to_the_folder_that_is_named_and_nowhere_where_none_is() {
        let with = setting(Some("ada"), Key::Loaded("/etc/key".into()));
        let backup = of("safelight-backup.service", &with);
        for line in [
            "ConditionPathIsDirectory=/mnt/my drive",
            "RequiresMountsFor=\"/mnt/my drive\"",
            "ReadWritePaths=\"-/mnt/my drive\"",
            "ExecStart=\"/opt/safe light/safelight\" backup \"/mnt/my drive\"",
            "LoadCredential=safelight.key:/etc/key",
        ] {
            assert!(has_line(&backup, line), "{line} is missing in\n{backup}");
        }
        for unheard in ["/mnt/drive\\", "/mnt/drive "] {
            let unheard = Setting { backup: Some(unheard.into()), ..with.clone() };
            assert!(all(&unheard).is_err(), "{:?}", unheard.backup);
        }
        let without = Setting { backup: None, ..with };
        assert!(all(&without).unwrap().iter().all(|(name, _)| !name.contains("backup")));
    }

    #[test]
    fn a_library_in_a_home_is_seen_and_a_path_with_a_line_break_is_refused() {
        let mut setting = setting(Some("ada"), Key::Sealed);
        setting.library = "/home/ada/Photos".into();
        assert!(has_line(&of("safelight-sync.service", &setting), "ProtectHome=read-only"));
        setting.library = "/srv/a\nExecStart=/bin/false".into();
        assert!(all(&setting).is_err());
    }
}
