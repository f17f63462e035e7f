//! What every command gets: the flags, a voice, and the library opened with the first key that is there.
//!
//! Only here the environment is read; libraries take what they need as arguments.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use safelight_library::folder::{
    LibraryFolder, UserFolders, default_agent_folder, default_library_path, lies_within,
};
use safelight_library::keys::{NewSlot, UnlockedKeys};
use safelight_library::unlock::{self, UnlockSources, UnlockedBy, agent};
use safelight_library::{
    AzureEnvironment, Finding, Lan, Library, LibraryError, LibraryOptions, MinuteOfDay, Moment,
    RecoveryWords, Surroundings, UploadFolder, WallClock, WorkerProgram, zone_here,
};
use zeroize::Zeroizing;

use crate::arguments::Global;
use crate::diagnostics;
use crate::failure::{Exit, Failure};
use crate::output::{Output, new_private_file, printable};
use crate::progress::Progress;
use crate::prompt;

/// How long the agent that a typed passphrase starts remembers the key.
const AGENT_AFTER_PROMPT: Duration = Duration::from_secs(15 * 60);

/// The flag that names a file with the passphrase.
const PASSPHRASE_FILE: &str = "--passphrase-file";
/// The flag that names a key file.
const KEY_FILE: &str = "--key-file";

/// Bytes of a key file that is made here.
const KEY_FILE_BYTES: usize = 64;

/// What a command works with.
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) output: Output,
    pub(crate) progress: Progress,
    interrupted: Arc<AtomicBool>,
    environment: Environment,
    /// Whether the recovery words are what a join asks for, and no second way to unlock.
    words_are_to_join: AtomicBool,
}

/// The few variables that are looked at.
struct Environment {
    home: Option<OsString>,
    data_home: Option<OsString>,
    cache_home: Option<OsString>,
    config_home: Option<OsString>,
    runtime: Option<OsString>,
    credentials: Option<OsString>,
    user: Option<OsString>,
    has_display: bool,
}

impl Context {
    pub(crate) fn new(global: Global) -> Result<Self, Failure> {
        unlock::forbid_core_dumps();
        allow_many_open_files();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let output =
            Output::new(global.json, global.quiet, global.verbose, no_colour).logging(global.log_format);
        let interrupted = Arc::new(AtomicBool::new(false));
        listen_for_interrupts(&interrupted)?;
        if global.verbose {
            diagnostics::tell(output);
        }
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let environment = Environment {
            home: variable("HOME"),
            data_home: variable("XDG_DATA_HOME"),
            cache_home: variable("XDG_CACHE_HOME"),
            config_home: variable("XDG_CONFIG_HOME"),
            runtime: variable("XDG_RUNTIME_DIR"),
            credentials: variable("CREDENTIALS_DIRECTORY"),
            user: variable("USER"),
            has_display: cfg!(target_os = "macos")
                || variable("DISPLAY").is_some()
                || variable("WAYLAND_DISPLAY").is_some(),
        };
        let progress = Progress::new(output, Arc::clone(&interrupted));
        let words_are_to_join = AtomicBool::new(false);
        Ok(Self { global, output, progress, interrupted, environment, words_are_to_join })
    }

    /// Refuses `--dry-run` where a command cannot show what it would do without doing it; `why` says so, or what shows it.
    pub(crate) fn refuse_dry_run(&self, command: &str, why: &str) -> Result<(), Failure> {
        if !self.global.dry_run {
            return Ok(());
        }
        Err(Failure::usage(format!("{command} has no --dry-run; nothing was done")).hint(why))
    }

    pub(crate) fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Whether a browser could be opened for somebody who sees it.
    pub(crate) fn has_display(&self) -> bool {
        self.environment.has_display && prompt::someone_is_there()
    }

    /// What somebody on another machine calls this one.
    pub(crate) fn this_machine(&self) -> String {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        match self.environment.user.as_ref() {
            Some(user) => format!("{}@{name}", user.to_string_lossy()),
            None => name,
        }
    }

    fn user_folders(&self) -> UserFolders<'_> {
        UserFolders {
            home: self.environment.home.as_deref(),
            data_home: self.environment.data_home.as_deref(),
            cache_home: self.environment.cache_home.as_deref(),
            runtime: self.environment.runtime.as_deref(),
        }
    }

    /// The folder of the library that this command is about.
    pub(crate) fn library_path(&self) -> Result<PathBuf, Failure> {
        let path = match &self.global.library {
            Some(path) => path.clone(),
            None => default_library_path(&self.user_folders()).map_err(LibraryError::from)?,
        };
        std::path::absolute(&path).map_err(Failure::from)
    }

    /// The folder of a device that only uploads, if that is what is there.
    pub(crate) fn upload_folder(&self) -> Result<Option<UploadFolder>, Failure> {
        let path = self.library_path()?;
        if !UploadFolder::exists(&path) {
            return Ok(None);
        }
        Ok(Some(UploadFolder::open(&path)?))
    }

    /// Where plain copies remember what they sent, unless another folder is named.
    pub(crate) fn plain_folder(&self) -> Result<PathBuf, Failure> {
        let library = default_library_path(&self.user_folders()).map_err(LibraryError::from)?;
        Ok(library.with_file_name("plain"))
    }

    /// Where a gateway keeps its tokens, unless another file is named.
    pub(crate) fn gateway_folder(&self) -> Result<PathBuf, Failure> {
        let library = default_library_path(&self.user_folders()).map_err(LibraryError::from)?;
        Ok(library.with_file_name("gateway"))
    }

    /// The home of whoever runs this.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.environment.home.clone().map(PathBuf::from)
    }

    /// Where programs of whoever runs this are configured.
    pub(crate) fn config_folder(&self) -> Option<PathBuf> {
        let named = self.environment.config_home.clone().map(PathBuf::from).filter(|path| path.is_absolute());
        named.or_else(|| Some(self.home()?.join(".config")))
    }

    /// The same, if there is a library, be it one without its description.
    pub(crate) fn existing_library(&self) -> Result<Option<PathBuf>, Failure> {
        let path = self.library_path()?;
        let is_there = LibraryFolder::exists(&path) || LibraryFolder::lost_its_description(&path);
        Ok(is_there.then_some(path))
    }

    /// Writes a `library.toml` anew that is damaged, lost or another library's, once a key has opened the library that it is
    /// then to name. Says nothing where there was nothing to mend.
    pub(crate) fn mend_description(&self) -> Result<Option<Finding>, Failure> {
        let words = self.given_words()?.map(|words| words.library_id());
        let folders =
            LibraryFolder::open_undescribed(&self.library_path()?, words).map_err(LibraryError::from)?;
        let mut failure = None;
        let is_whole = folders.first().is_some_and(|folder| !folder.is_suspect());
        // One that is whole is of another library when words open what they name themselves.
        for folder in folders.into_iter().filter(LibraryFolder::is_suspect) {
            match self.unlock(&folder) {
                Ok(keys) => {
                    folder.restore_description(&keys.keyring).map_err(LibraryError::from)?;
                    let says = "written anew, as the key proves which library this is";
                    return Ok(Some(Finding::well("library.toml", says)));
                }
                Err(other) => failure = Some(other),
            }
        }
        failure.filter(|_| !is_whole).map_or(Ok(None), Err)
    }

    /// The folder of the agents' sockets.
    pub(crate) fn agent_folder(&self) -> Result<PathBuf, Failure> {
        Ok(default_agent_folder(&self.user_folders()).map_err(LibraryError::from)?)
    }

    /// The program that decodes pictures: this one.
    pub(crate) fn worker(&self) -> WorkerProgram {
        WorkerProgram { program: this_program(), arguments: vec!["worker".into()] }
    }

    pub(crate) fn library_options(&self) -> LibraryOptions {
        LibraryOptions { worker: self.worker() }
    }

    /// What connecting to remotes takes from the environment.
    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings {
            azure: AzureEnvironment::from_lookup(|name| std::env::var_os(name)),
            clock: WallClock(minute_here),
            home: self.environment.home.clone().map(PathBuf::from),
            lan: Lan::Off,
        }
    }

    /// The library's folder, still locked.
    pub(crate) fn folder(&self) -> Result<LibraryFolder, Failure> {
        let path = self.library_path()?;
        if UploadFolder::exists(&path) {
            return Err(Failure::new(
                Exit::NotFound,
                format!("{} only uploads, and holds no library", printable(&path)),
            )
            .hint("safelight import PATH sends files from there; --library names another folder"));
        }
        if self.existing_library()?.is_none() {
            return Err(Failure::new(Exit::NotFound, format!("there is no library in {}", printable(&path)))
                .hint("safelight init makes one; --library names another folder"));
        }
        Ok(LibraryFolder::open(&path).map_err(LibraryError::from)?)
    }

    /// The same for a command that changes the library: what was removed of the folder and can be made anew is.
    fn folder_to_change(&self) -> Result<LibraryFolder, Failure> {
        match self.existing_library()? {
            Some(_) => Ok(LibraryFolder::open_to_change(&self.library_path()?).map_err(LibraryError::from)?),
            None => self.folder(),
        }
    }

    /// Opens the library, asking for a passphrase if nothing else opens it.
    pub(crate) fn open_library(&self) -> Result<Library, Failure> {
        let folder = self.folder_to_change()?;
        let keys = self.unlock(&folder)?;
        Ok(self.noticed(Library::open(folder, keys, &self.library_options())?))
    }

    /// Says what was noticed when the library was opened.
    fn noticed(&self, library: Library) -> Library {
        if let Some(notice) = library.notice() {
            self.output.warn(&notice);
        }
        library
    }

    /// The same for commands that only look: nothing that earlier runs left is tidied on the way.
    pub(crate) fn open_library_to_read(&self) -> Result<Library, Failure> {
        let folder = self.folder()?;
        let keys = self.unlock(&folder)?;
        let opened = Library::open_to_read(folder.clone(), keys.clone(), &self.library_options());
        self.or_look_only(opened, folder, keys)
    }

    /// The same as it was at a moment, if one is given.
    pub(crate) fn open_library_at(&self, when: Option<&str>) -> Result<Library, Failure> {
        let Some(when) = when else { return self.open_library_to_read() };
        let moment = self.moment(when);
        let folder = self.folder()?;
        let keys = self.unlock(&folder)?;
        let library = Library::open_as_it_was(folder, keys, &self.library_options(), &moment)?;
        self.output.talk(&format!("As it was at {moment}:"));
        Ok(self.noticed(library))
    }

    /// A moment that somebody named.
    pub(crate) fn moment(&self, when: &str) -> Moment {
        Moment::of_words(when)
    }

    /// A time that somebody named, in milliseconds since 1970.
    pub(crate) fn time(&self, when: &str) -> Result<u64, Failure> {
        Ok(Moment::time(when, &zone_here(), jiff::Timestamp::now())?)
    }

    /// Opens the library for a command that would record what it finds, but can also do without: on a full disk
    /// it only looks.
    pub(crate) fn open_library_to_check(&self) -> Result<Library, Failure> {
        let folder = self.folder_to_change()?;
        let keys = self.unlock(&folder)?;
        let opened = Library::open(folder.clone(), keys.clone(), &self.library_options());
        self.or_look_only(opened, folder, keys)
    }

    fn or_look_only(
        &self,
        opened: Result<Library, LibraryError>,
        folder: LibraryFolder,
        keys: UnlockedKeys,
    ) -> Result<Library, Failure> {
        match opened {
            Err(error) if error.is_full() => {
                self.output
                    .warn("no space is left on the library's disk: nothing is recorded, it is only read");
                Ok(Library::open_to_read(folder.to_look_only(), keys, &self.library_options())?)
            }
            other => Ok(self.noticed(other?)),
        }
    }

    /// Unlocks the keys by the first way that is there.
    pub(crate) fn unlock(&self, folder: &LibraryFolder) -> Result<UnlockedKeys, Failure> {
        let mut is_empty = false;
        let mut ask = |question: &unlock::Question<'_>| {
            if question.is_repeated {
                self.output.say(if is_empty { "Nothing was typed." } else { "That is another passphrase." });
            }
            let typed = prompt::passphrase(&format!("Passphrase of {}", printable(question.library)))?;
            is_empty = typed.is_empty();
            Ok(Some(typed))
        };
        let words = self.given_words()?;
        let given = self.ways_given_by_hand();
        if let [used, ignored, ..] = given.as_slice()
            && !self.words_are_to_join.load(Ordering::Relaxed)
        {
            self.output.warn(&format!("{used} is used and {ignored} is not: one way to unlock is enough"));
        }
        // What is typed says more of what is meant than what a profile has set long ago.
        let from_environment = |is_by_hand: bool| given.is_empty() || is_by_hand;
        let ask_pin = self.pin_source();
        let stores = self.key_stores(&ask_pin);
        let is_given = |way: &str| given.contains(&way);
        let passphrase_file = self.global.passphrase_file.clone();
        // Nothing that is given can be tried where no slot is left; what the agent has still opens the library then.
        let asks_agent = given.is_empty() || folder.keys().has_no_slots().unwrap_or(false);
        let sources = UnlockSources {
            agent_folder: self.agent_folder().ok().filter(|_| asks_agent),
            passphrase_file: passphrase_file.filter(|_| from_environment(is_given(PASSPHRASE_FILE))),
            passphrase_descriptor: self.passphrase_descriptor()?,
            key_file: self.global.key_file.clone().filter(|_| from_environment(is_given(KEY_FILE))),
            recovery: words.as_ref(),
            named_store: self.global.by.map(|kind| stores.of(kind)),
            stores: if given.is_empty() { stores.that_ask_nobody(&self.global) } else { Vec::new() },
            environment_passphrase_file: None,
            credentials_folder: self.environment.credentials.clone().map(PathBuf::from),
            prompt: prompt::someone_is_there().then_some(&mut ask),
        };
        let unlocked = unlock::unlock(folder, sources, SystemTime::now(), &mut self.entropy())
            .map_err(LibraryError::from)?;
        for warning in &unlocked.warnings {
            self.output.warn(&warning.to_string());
        }
        if matches!(unlocked.by, UnlockedBy::Slot { was_prompted: true, .. }) {
            self.remember(folder, &unlocked.keys, AGENT_AFTER_PROMPT);
        }
        Ok(unlocked.keys)
    }

    /// The flags by which this command line says how to unlock, in the order in which they count; what comes from the
    /// environment is not among them.
    fn ways_given_by_hand(&self) -> Vec<&'static str> {
        let is_typed = |value: &Option<PathBuf>, variable: &str| {
            value
                .as_ref()
                .is_some_and(|value| std::env::var_os(variable).as_deref() != Some(value.as_os_str()))
        };
        let global = &self.global;
        let ways = [
            (PASSPHRASE_FILE, is_typed(&global.passphrase_file, "SAFELIGHT_PASSPHRASE_FILE")),
            ("--passphrase-fd", global.passphrase_fd.is_some()),
            (KEY_FILE, is_typed(&global.key_file, "SAFELIGHT_KEY_FILE")),
            ("--recovery-file", global.recovery_file.is_some()),
            ("--by", global.by.is_some()),
        ];
        ways.into_iter().filter_map(|(way, is_given)| is_given.then_some(way)).collect()
    }

    /// Gives the key to the agent; without one, the next command asks again.
    fn remember(&self, folder: &LibraryFolder, keys: &UnlockedKeys, lifetime: Duration) {
        if let Err(failure) = self.start_agent(folder, keys, lifetime, agent::Leash::default()) {
            self.output.talk(&format!("The passphrase is not remembered: {}", failure.message));
        }
    }

    pub(crate) fn start_agent(
        &self,
        folder: &LibraryFolder,
        keys: &UnlockedKeys,
        lifetime: Duration,
        leash: agent::Leash,
    ) -> Result<(), Failure> {
        let address = agent::Address::new(&self.agent_folder()?, folder.library());
        let memory = agent::Memory { address, key: keys.unlock_key.clone(), lifetime, leash };
        Ok(agent::start(&this_program(), &["agent".into()], &memory).map_err(LibraryError::from)?)
    }

    pub(crate) fn rebuild_catalog(&self) -> Result<Vec<Finding>, Failure> {
        let folder = self.folder_to_change()?;
        let keys = self.unlock(&folder)?;
        Ok(Library::rebuild_catalog(&folder, &keys, &self.progress)?)
    }

    /// A passphrase that a flag gives, if one does.
    pub(crate) fn given_passphrase(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let mut warnings = Vec::new();
        // A descriptor is always typed; the file may come from the environment, and then counts less.
        let is_by_descriptor =
            self.global.passphrase_fd.is_some() && !self.ways_given_by_hand().contains(&PASSPHRASE_FILE);
        let file = self.global.passphrase_file.as_ref().filter(|_| !is_by_descriptor);
        let passphrase = if let Some(file) = file {
            Some(unlock::read_passphrase_file(file, &mut warnings).map_err(LibraryError::from)?)
        } else if let Some(descriptor) = self.passphrase_descriptor()? {
            Some(unlock::read_passphrase(std::fs::File::from(descriptor)).map_err(LibraryError::from)?)
        } else {
            None
        };
        for warning in warnings {
            self.output.warn(&warning.to_string());
        }
        Ok(passphrase)
    }

    /// The recovery words that a flag gives, if one does.
    pub(crate) fn given_words(&self) -> Result<Option<RecoveryWords>, Failure> {
        let Some(file) = &self.global.recovery_file else { return Ok(None) };
        let text = Zeroizing::new(std::fs::read_to_string(file).map_err(|error| {
            Failure::new(Exit::NotFound, format!("{} cannot be read: {error}", printable(file)))
        })?);
        let words = RecoveryWords::parse(text.trim()).map_err(|error| {
            Failure::new(Exit::Locked, format!("{} holds no recovery words: {error}", printable(file)))
                .hint("it must hold the 24 words that init wrote or showed, in their order")
        })?;
        Ok(Some(words))
    }

    /// The recovery words that are given, for a join.
    pub(crate) fn given_words_to_join(&self) -> Result<Option<RecoveryWords>, Failure> {
        self.words_are_to_join.store(true, Ordering::Relaxed);
        self.given_words()
    }

    /// A key slot from a key file, which is made if it does not exist.
    pub(crate) fn new_key_file_slot(&self, file: &Path, label: &str) -> Result<NewSlot, Failure> {
        if !file.exists() {
            self.refuse_in_library(file)?;
            self.make_key_file(file)?;
        }
        let mut warnings = Vec::new();
        let bytes = unlock::read_key_file(file, &mut warnings).map_err(LibraryError::from)?;
        for warning in warnings {
            self.output.warn(&warning.to_string());
        }
        Ok(NewSlot::key_file(label, bytes))
    }

    /// Refuses to write a secret into the library that it opens: whoever gets a copy of that folder would have it.
    pub(crate) fn refuse_in_library(&self, file: &Path) -> Result<(), Failure> {
        if !lies_within(file, &self.library_path()?)? {
            return Ok(());
        }
        let message = format!("{} would lie in the library that it opens", printable(file));
        Err(Failure::new(Exit::Refused, message).hint("name a place outside of the library's folder"))
    }

    fn make_key_file(&self, file: &Path) -> Result<(), Failure> {
        use std::io::Write as _;
        let mut bytes = Zeroizing::new([0; KEY_FILE_BYTES]);
        Library::draw_bytes(&mut *bytes);
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Incomplete, format!("{} cannot be written: {error}", printable(file)))
        };
        let mut output = new_private_file(file).map_err(failed)?;
        if let Err(error) = output.write_all(&*bytes).and_then(|()| output.sync_all()) {
            // Half a key opens nothing; what cannot be removed either is named by the error.
            drop(std::fs::remove_file(file));
            return Err(failed(error));
        }
        self.output
            .talk(&format!("Made the key file {}; whoever has it can open the library.", printable(file)));
        Ok(())
    }

    /// The descriptor that a flag names, opened once more: each reader begins at its beginning or, of a pipe,
    /// takes what is left.
    fn passphrase_descriptor(&self) -> Result<Option<OwnedFd>, Failure> {
        let Some(number) = self.global.passphrase_fd else { return Ok(None) };
        let opened = std::fs::File::open(format!("/dev/fd/{number}"))
            .map_err(|error| Failure::usage(format!("descriptor {number} cannot be read: {error}")))?;
        Ok(Some(opened.into()))
    }

    pub(crate) fn entropy(&self) -> impl safelight_library::Entropy + use<> {
        safelight_library::OsEntropy
    }
}

/// The path of this program; the name alone if the system does not tell.
pub(crate) fn this_program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("safelight"))
}

/// Originals of one batch are open until they are durable, so the soft limit goes up to the hard one.
fn allow_many_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised the usual limit does.
    let _as_it_was = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The first Ctrl-C asks for an end at the next safe point, or ends a question at once; the second ends everything at once,
/// which is safe too.
fn listen_for_interrupts(interrupted: &Arc<AtomicBool>) -> Result<(), Failure> {
    let flag = Arc::clone(interrupted);
    ctrlc::set_handler(move || {
        if prompt::give_up() || flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .map_err(|error| Failure::new(Exit::Incomplete, format!("Ctrl-C cannot be listened for: {error}")))
}

/// The minute of the day by the clock on the wall.
fn minute_here() -> MinuteOfDay {
    let now = jiff::Timestamp::now().to_zoned(zone_here());
    let part = |number: i8| u8::try_from(number).unwrap_or_default();
    MinuteOfDay::new(part(now.hour()), part(now.minute())).unwrap_or_default()
}
