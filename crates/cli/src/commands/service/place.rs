//! Where units or an agent lie, which of them are ours, and who is told that they are there.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use super::units::{MARK, Setting};
use super::{launchd, units};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::printable;

const SYSTEM_UNITS: &str = "/etc/systemd/system";
/// What systemd makes once it runs.
const RUNS_SYSTEMD: &str = "/run/systemd/system";

/// Who starts what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    /// systemd, of the machine or of a user.
    Systemd,
    /// launchd, of a user.
    Launchd,
    /// Nobody: files are only written.
    Nobody,
}

/// A folder of units or agents.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) manager: Manager,
    pub(super) is_system: bool,
    home: PathBuf,
}

/// One file that is there.
#[derive(Debug, Serialize)]
pub(super) struct Standing {
    pub(super) name: String,
    /// Whether install wrote it.
    ours: bool,
    /// As systemd says: active, inactive, failed; none where it was not asked or did not answer.
    state: Option<String>,
    /// How the last run ended: success, exit-code and so on.
    result: Option<String>,
}

impl Standing {
    /// Whether the last run failed, or a timer starts nothing any more.
    pub(super) fn has_failed(&self) -> bool {
        let state = self.state.as_deref();
        state == Some("failed")
            || self.name.ends_with(".timer") && state.is_some_and(|state| state != "active")
    }

    pub(super) fn in_words(&self) -> String {
        let state = self.state.as_deref().unwrap_or("written");
        let result = self.result.as_deref().filter(|result| *result != "success");
        let mut text = state.to_owned();
        if let Some(result) = result {
            text.push_str(&format!(" ({result})"));
        }
        if !self.ours {
            text.push_str(", not written by install");
        }
        text
    }
}

impl Place {
    /// Where this machine looks.
    ///
    /// # Errors
    /// [`Exit::Refused`] where it has neither systemd nor launchd.
    pub(super) fn of(context: &Context, is_system: bool) -> Result<Self, Failure> {
        let home = context.home().unwrap_or_else(|| "/".into());
        if cfg!(target_os = "macos") {
            if is_system {
                return Err(Failure::new(Exit::Refused, "for a whole Mac nothing is installed")
                    .hint("leave --system out: the agent runs while this user is logged in"));
            }
            let folder = home.join("Library/LaunchAgents");
            return Ok(Self { folder, manager: Manager::Launchd, is_system, home });
        }
        if !Path::new(RUNS_SYSTEMD).is_dir() {
            return Err(Failure::new(Exit::Refused, "this system is not run by systemd").hint(
                "--write DIR writes the units for a look; cron does it too: */15 * * * * safelight --key-file FILE sync --import",
            ));
        }
        let users = || {
            let folder = context.config_folder().map(|folder| folder.join("systemd/user"));
            folder.ok_or_else(|| {
                Failure::new(Exit::NotFound, "no home is set").hint("set HOME, or pass --system")
            })
        };
        let folder = if is_system { SYSTEM_UNITS.into() } else { users()? };
        Ok(Self { folder, manager: Manager::Systemd, is_system, home })
    }

    /// A folder in which files are only written.
    ///
    /// # Errors
    /// Those of the path.
    pub(super) fn only_written(folder: PathBuf, is_system: bool) -> Result<Self, Failure> {
        let folder = std::path::absolute(folder)?;
        Ok(Self { folder, manager: Manager::Nobody, is_system, home: "/".into() })
    }

    pub(super) fn refuse_unless_allowed(&self) -> Result<(), Failure> {
        let may = self.manager != Manager::Systemd || !self.is_system || rustix::process::geteuid().is_root();
        if may {
            return Ok(());
        }
        Err(Failure::new(Exit::Refused, "units of the machine are written by root").hint(
            "sudo safelight --library DIR --key-file FILE service install --system, or without --system",
        ))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What is to lie here.
    pub(super) fn files(&self, setting: &Setting) -> Result<Vec<(&'static str, String)>, Failure> {
        let is_agent = match self.manager {
            Manager::Launchd => true,
            Manager::Systemd => false,
            Manager::Nobody => cfg!(target_os = "macos") && !self.is_system,
        };
        if !is_agent {
            return units::all(setting);
        }
        if setting.backup.is_some() {
            return Err(Failure::new(Exit::Refused, "for launchd no backup of its own is written").hint(
                "safelight backup DIR --schedule daily makes it with the first sync that finds it due",
            ));
        }
        // A comment in front of the declaration is no XML; the agent is known by its second line.
        let text = launchd::agent(setting, &self.home)?;
        Ok(vec![(launchd::FILE, text.replacen("<!--", &format!("<!-- {MARK}\n    "), 1))])
    }

    /// Whether a file was written by install; nothing where it is not there.
    pub(super) fn is_ours(&self, name: &str) -> Option<bool> {
        let path = self.path(name);
        let metadata = std::fs::symlink_metadata(&path).ok()?;
        let begins = || {
            let lines = BufReader::new(std::fs::File::open(&path).ok()?).lines();
            lines.take(2).map_while(Result::ok).any(|line| line.contains(MARK)).then_some(())
        };
        Some(metadata.is_file() && begins().is_some())
    }

    pub(super) fn refuse_to_write_over(&self, name: &str) -> Result<(), Failure> {
        if self.is_ours(name) != Some(false) {
            return Ok(());
        }
        let message = format!("{} is there and was not written by install", printable(&self.path(name)));
        Err(Failure::new(Exit::Refused, message)
            .hint("move it away first, or look at the new one with --write DIR"))
    }

    /// Leaves what starts another library alone, unless that is agreed to.
    ///
    /// # Errors
    /// [`Exit::Refused`] where what install wrote here names another library.
    pub(super) fn refuse_another_library(&self, context: &Context, library: &Path) -> Result<(), Failure> {
        let texts = self.ours().into_iter().filter_map(|name| std::fs::read_to_string(self.path(name)).ok());
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let another =
            texts.filter_map(|text| library_named(&text)).find(|named| real(named) != real(library));
        match another.filter(|_| !context.global.yes) {
            None => Ok(()),
            Some(another) => {
                let (another, library) = (printable(&another), printable(library));
                let message = format!("what is installed here runs the library {another}, not {library}");
                Err(Failure::new(Exit::Refused, message)
                    .hint("with --yes it is taken over, and the other library no longer runs by itself"))
            }
        }
    }

    fn names(&self) -> Vec<&'static str> {
        match self.manager {
            Manager::Launchd => vec![launchd::FILE],
            _ => units::names().collect(),
        }
    }

    /// What of it install wrote.
    pub(super) fn ours(&self) -> Vec<&'static str> {
        self.names().into_iter().filter(|name| self.is_ours(name) == Some(true)).collect()
    }

    pub(super) fn standing(&self) -> Vec<Standing> {
        let there = self.names().into_iter().filter_map(|name| Some((name, self.is_ours(name)?)));
        there
            .map(|(name, ours)| {
                // What tells of failures has no state of its own.
                let asks = self.manager == Manager::Systemd && !name.contains('@');
                let property = |property: &str| asks.then(|| self.property(name, property)).flatten();
                Standing {
                    name: name.to_owned(),
                    ours,
                    state: property("ActiveState"),
                    result: property("Result"),
                }
            })
            .collect()
    }

    fn property(&self, unit: &str, property: &str) -> Option<String> {
        let answer =
            self.systemctl().args(["show", "--value", "--property", property, unit]).output().ok()?;
        let text = String::from_utf8(answer.stdout).ok()?.trim().to_owned();
        (answer.status.success() && !text.is_empty()).then_some(text)
    }

    fn systemctl(&self) -> Command {
        let mut command = Command::new("systemctl");
        if !self.is_system {
            command.arg("--user");
        }
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str], units: &[&str]) -> Result<(), String> {
        let answer =
            self.systemctl().args(arguments).args(units).output().map_err(|error| error.to_string())?;
        if answer.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&answer.stderr).trim().to_owned())
    }

    fn run_for(&self, arguments: &[&str], units: &[&str]) -> Result<(), String> {
        if units.is_empty() { Ok(()) } else { self.run(arguments, units) }
    }

    /// Lets what was written run.
    pub(super) fn start(&self, context: &Context, files: &[(&'static str, String)]) -> Result<(), Failure> {
        match self.manager {
            Manager::Nobody => return Ok(()),
            Manager::Launchd => {
                let path = printable(&self.path(launchd::FILE));
                context.output.talk(&format!("Start it: launchctl bootstrap gui/$(id -u) {path}"));
                return Ok(());
            }
            Manager::Systemd => {}
        }
        let timers: Vec<&str> =
            files.iter().map(|(name, _)| *name).filter(|name| name.ends_with(".timer")).collect();
        let user = if self.is_system { "" } else { "--user " };
        let started =
            self.run(&["daemon-reload"], &[]).and_then(|()| self.run(&["enable", "--now"], &timers));
        started.map_err(|why| {
            Failure::new(
                Exit::Incomplete,
                format!("the units are written, and systemd did not start them: {why}"),
            )
            .hint(format!("systemctl {user}enable --now {}", timers.join(" ")))
        })?;
        context.output.talk(&format!("The timers run; safelight service status says how it went, journalctl {user}-u safelight-sync what was said."));
        if !self.is_system {
            context.output.talk("They stop when you log out, unless: loginctl enable-linger");
        }
        Ok(())
    }

    /// Stops what is there. What does not stop is removed all the same.
    pub(super) fn stop(&self, context: &Context, ours: &[&str]) {
        if ours.is_empty() {
            return;
        }
        let stopped = match self.manager {
            Manager::Systemd => {
                let ending = |end: &str| -> Vec<&str> {
                    ours.iter().copied().filter(|name| name.ends_with(end) && !name.contains('@')).collect()
                };
                // The timers first, so that none starts again what is stopped.
                let disabled = self.run_for(&["disable", "--now"], &ending(".timer"));
                disabled.and(self.run_for(&["stop"], &ending(".service")))
            }
            Manager::Launchd => {
                context
                    .output
                    .talk("It runs until you log out, or: launchctl bootout gui/$(id -u)/net.safelight.sync");
                Ok(())
            }
            Manager::Nobody => Ok(()),
        };
        if let Err(why) = stopped {
            context.output.warn(&format!("systemd did not stop them: {why}"));
        }
    }

    /// Lets systemd forget what is gone.
    pub(super) fn forget(&self, context: &Context) {
        if self.manager == Manager::Systemd
            && let Err(why) = self.run(&["daemon-reload"], &[])
        {
            context.output.warn(&format!("systemd did not look again: {why}"));
        }
    }
}

/// The library that a unit or an agent names.
fn library_named(text: &str) -> Option<PathBuf> {
    units::library_of(text).or_else(|| launchd::library_of(text))
}

/// Who owns the library: a name where there is one, else the number.
pub(super) fn owner(library: &Path) -> Result<String, Failure> {
    let user = std::fs::metadata(library)?.uid();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    });
    Ok(named.unwrap_or_else(|| user.to_string()))
}
