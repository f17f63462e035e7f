//! The key file of a service of the machine: sealed by systemd where it can do that, and taken away with the units.

use std::path::Path;
use std::process::{Command, Stdio};

use super::place::{Manager, Place};
use super::units::{CREDENTIAL, Key, Setting};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::printable;

const CREDENTIALS: &str = "/etc/credstore.encrypted";

impl Place {
    /// Hands a key file to systemd, sealed to this machine where it can do that. Only its path is passed on.
    pub(super) fn bring_key(&self, context: &Context, setting: &mut Setting) -> Result<(), Failure> {
        let Key::File(file) = setting.key.clone() else { return Ok(()) };
        if !self.is_system {
            return Ok(());
        }
        if self.manager == Manager::Nobody {
            setting.key = Key::Sealed;
            context.output.talk(&format!(
                "They expect the key sealed: systemd-creds encrypt --name={CREDENTIAL} {} {CREDENTIALS}/{CREDENTIAL}",
                printable(&file)
            ));
            return Ok(());
        }
        let sealed = Path::new(CREDENTIALS).join(CREDENTIAL);
        if sealed.exists() && self.is_ours("safelight-sync.service") != Some(true) {
            let message = format!("{} is there and was not written by install", printable(&sealed));
            return Err(Failure::new(Exit::Refused, message).hint("move it away first"));
        }
        match seal(&file, &sealed) {
            Ok(()) => {
                setting.key = Key::Sealed;
                context.output.talk(&format!(
                    "The key file is sealed to this machine in {}; keep {}: install asks for it when it runs again.",
                    printable(&sealed),
                    printable(&file)
                ));
            }
            Err(why) => {
                context.output.warn(&format!(
                    "the key file could not be sealed to this machine and is used as it lies there: {why}"
                ));
                setting.key = Key::Loaded(file);
            }
        }
        Ok(())
    }

    /// Whether our unit takes the sealed key, which install then wrote too.
    fn names_sealed_key(&self) -> bool {
        let name = "safelight-sync.service";
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        self.is_ours(name) == Some(true) && text.contains(&format!("LoadCredentialEncrypted={CREDENTIAL}"))
    }

    /// Takes away the sealed key of our units, where they take one; before they are removed or written anew.
    pub(super) fn drop_sealed_key(&self) {
        if self.manager == Manager::Systemd && self.is_system && self.names_sealed_key() {
            drop(std::fs::remove_file(Path::new(CREDENTIALS).join(CREDENTIAL)));
        }
    }
}

/// Seals a file to this machine; it is opened by systemd alone, and its content passes through nobody else.
fn seal(file: &Path, sealed: &Path) -> Result<(), String> {
    std::fs::create_dir_all(CREDENTIALS).map_err(|error| error.to_string())?;
    let beside = sealed.with_extension("new");
    let answer = Command::new("systemd-creds")
        .args(["encrypt", &format!("--name={CREDENTIAL}")])
        .args([file, beside.as_path()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("systemd-creds: {error}"))?;
    if !answer.status.success() {
        drop(std::fs::remove_file(&beside));
        return Err(String::from_utf8_lossy(&answer.stderr).trim().to_owned());
    }
    std::fs::rename(&beside, sealed).map_err(|error| error.to_string())
}
