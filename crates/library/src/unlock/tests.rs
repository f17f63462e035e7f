use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use safelight_crypto::{PassphraseCost, SeededEntropy};

use super::agent::{Address, Memory};
use super::*;
use crate::keys::{NewLibrary, NewSlot};

const PASSPHRASE: &str = "correct horse battery staple";

struct Fixture {
    temporary: tempfile::TempDir,
    folder: LibraryFolder,
    keys: UnlockedKeys,
    words: RecoveryWords,
}

impl Fixture {
    fn new() -> Self {
        Self::with_slots(&[
            NewSlot::passphrase("mine", Zeroizing::new(PASSPHRASE.to_owned()))
                .with_cost(PassphraseCost::MINIMUM),
            NewSlot::key_file("stick", Zeroizing::new(vec![0x42; 64])),
        ])
    }

    fn with_slots(slots: &[NewSlot]) -> Self {
        let temporary = tempfile::tempdir().expect("temporary folder");
        let mut entropy = SeededEntropy::new(11);
        let words = RecoveryWords::generate(&mut entropy);
        let path = temporary.path().join("library");
        let NewLibrary { folder, keys } =
            NewLibrary::create(&path, &words, slots, &mut entropy).expect("creates");
        Self { temporary, folder, keys, words }
    }

    fn file(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.temporary.path().join(name);
        std::fs::write(&path, content).expect("writes");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("sets");
        path
    }

    fn unlock(&self, sources: UnlockSources<'_>) -> Result<Unlocked, UnlockError> {
        unlock(&self.folder, sources, UNIX_EPOCH + Duration::from_secs(1_000), &mut SeededEntropy::new(5))
    }

    fn attempts(&self) -> Vec<FailedAttempt> {
        self.folder.keys().attempts().expect("reads").attempts
    }

    fn is_right(&self, unlocked: &Unlocked) -> bool {
        unlocked.keys.keyring.device().id() == self.keys.keyring.device().id()
    }
}

#[test]
fn each_source_opens_the_library() {
    let fixture = Fixture::new();
    let passphrase = fixture.file("passphrase", format!("{PASSPHRASE}\r\n").as_bytes(), 0o600);
    let key = fixture.file("key", &[0x42; 64], 0o600);
    let credentials = fixture.temporary.path().join("credentials");
    std::fs::create_dir(&credentials).expect("creates");
    std::fs::copy(&passphrase, credentials.join(PASSPHRASE_CREDENTIAL)).expect("copies");
    let mut prompt = |_: &Question<'_>| Ok(Some(Zeroizing::new(PASSPHRASE.to_owned())));
    let sources = [
        UnlockSources { passphrase_file: Some(passphrase.clone()), ..Default::default() },
        UnlockSources {
            passphrase_descriptor: Some(File::open(&passphrase).expect("opens").into()),
            ..Default::default()
        },
        UnlockSources { key_file: Some(key), ..Default::default() },
        UnlockSources { recovery: Some(&fixture.words), ..Default::default() },
        UnlockSources { environment_passphrase_file: Some(passphrase), ..Default::default() },
        UnlockSources { credentials_folder: Some(credentials), ..Default::default() },
        UnlockSources { prompt: Some(&mut prompt), ..Default::default() },
    ];
    for source in sources {
        let unlocked = fixture.unlock(source).expect("opens");
        assert!(fixture.is_right(&unlocked));
        assert_eq!(unlocked.warnings, []);
    }
    assert_eq!(fixture.attempts(), []);
}

#[test]
fn without_any_source_the_library_is_locked_and_the_hint_says_how_to_open_it() {
    let fixture = Fixture::new();
    let empty = fixture.temporary.path().join("nothing here");
    let sources = UnlockSources {
        agent_folder: Some(empty.clone()),
        credentials_folder: Some(empty),
        ..Default::default()
    };
    let error = fixture.unlock(sources).expect_err("nothing to open it with");
    assert!(matches!(error, UnlockError::Locked { .. }));
    assert_eq!(error.kind(), crate::error::ErrorKind::Locked);
    assert!(error.hint().is_some_and(|hint| hint.contains("--passphrase-file")));
}

#[test]
fn wrong_secrets_are_refused_and_written_down() {
    let fixture = Fixture::new();
    let passphrase = fixture.file("passphrase", b"wrong\n", 0o600);
    let key = fixture.file("key", &[0x43; 64], 0o600);
    let error = fixture
        .unlock(UnlockSources { passphrase_file: Some(passphrase), ..Default::default() })
        .expect_err("a wrong passphrase");
    assert!(matches!(error, UnlockError::WrongSecret { way: AttemptWay::Passphrase, .. }), "{error}");
    let error = fixture
        .unlock(UnlockSources { key_file: Some(key), ..Default::default() })
        .expect_err("a wrong key file");
    assert!(matches!(error, UnlockError::WrongSecret { way: AttemptWay::KeyFile, .. }), "{error}");
    let attempts = fixture.attempts();
    assert_eq!(
        attempts.iter().map(|attempt| attempt.way).collect::<Vec<_>>(),
        [AttemptWay::Passphrase, AttemptWay::KeyFile]
    );
    assert!(attempts.iter().all(|attempt| attempt.at_millis == 1_000_000 && attempt.slot.is_some()));
}

#[test]
fn a_wrong_passphrase_takes_as_long_without_a_slot_as_with_one() {
    let desktop = NewSlot::passphrase("mine", Zeroizing::new(PASSPHRASE.to_owned()));
    let with = Fixture::with_slots(&[desktop]);
    let without = Fixture::with_slots(&[NewSlot::key_file("stick", Zeroizing::new(vec![0x42; 64]))]);
    let time = |fixture: &Fixture| {
        let passphrase = fixture.file("passphrase", b"wrong", 0o600);
        let start = Instant::now();
        let sources = UnlockSources { passphrase_file: Some(passphrase), ..Default::default() };
        let error = fixture.unlock(sources).expect_err("a wrong passphrase");
        assert!(matches!(error, UnlockError::WrongSecret { .. }));
        start.elapsed().as_secs_f64()
    };
    let (with, without) = (time(&with), time(&without));
    let ratio = with.max(without) / with.min(without);
    // Other work on the machine may slow either one down; Argon2 left out would be a ratio of hundreds.
    assert!(ratio < 8.0, "{with:.3} s with a slot, {without:.3} s without");
}

#[test]
fn a_person_may_mistype_twice() {
    let fixture = Fixture::new();
    let mut answers = ["wrong", "wrong again", PASSPHRASE].iter();
    let mut asked = Vec::new();
    let mut prompt = |question: &Question<'_>| {
        asked.push(question.is_repeated);
        Ok(answers.next().map(|answer| Zeroizing::new((*answer).to_owned())))
    };
    let unlocked =
        fixture.unlock(UnlockSources { prompt: Some(&mut prompt), ..Default::default() }).expect("opens");
    assert!(matches!(unlocked.by, UnlockedBy::Slot { was_prompted: true, .. }));
    assert_eq!(asked, [false, true, true]);
    assert_eq!(fixture.attempts().len(), 2);

    let mut never = |_: &Question<'_>| Ok(Some(Zeroizing::new("wrong".to_owned())));
    let error = fixture.unlock(UnlockSources { prompt: Some(&mut never), ..Default::default() });
    assert!(matches!(error, Err(UnlockError::WrongSecret { .. })));
    let mut silent = |_: &Question<'_>| Ok(None);
    let error = fixture.unlock(UnlockSources { prompt: Some(&mut silent), ..Default::default() });
    assert!(matches!(error, Err(UnlockError::Locked { .. })));
    // Enter alone says nothing of any slot, and is asked again.
    let mut asked = 0;
    let mut enter = |_: &Question<'_>| {
        asked += 1;
        Ok(Some(Zeroizing::new(String::new())))
    };
    let error = fixture.unlock(UnlockSources { prompt: Some(&mut enter), ..Default::default() });
    assert!(matches!(error, Err(UnlockError::Locked { .. })), "{:?}", error.err());
    assert_eq!(asked, PROMPTS);
}

#[test]
fn a_secret_that_others_can_read_is_used_with_a_warning() {
    let fixture = Fixture::new();
    let passphrase = fixture.file("passphrase", PASSPHRASE.as_bytes(), 0o644);
    let unlocked = fixture
        .unlock(UnlockSources { passphrase_file: Some(passphrase), ..Default::default() })
        .expect("opens");
    assert!(matches!(unlocked.warnings.as_slice(), [UnlockWarning::ReadableByOthers { mode: 0o644, .. }]));
    assert!(unlocked.warnings[0].to_string().contains("chmod 600"));
}

#[test]
fn files_that_cannot_hold_a_secret_say_why() {
    let fixture = Fixture::new();
    let missing = fixture.temporary.path().join("missing");
    let cases = [
        (missing, "No such file"),
        (fixture.temporary.path().to_owned(), "folder"),
        (fixture.file("empty", b"\n", 0o600), "empty"),
        (fixture.file("binary", b"\xff\xfe\xfd", 0o600), "UTF-8"),
        (fixture.file("large", &[b'x'; 70_000], 0o600), "more than"),
    ];
    for (path, why) in cases {
        let error = fixture
            .unlock(UnlockSources { passphrase_file: Some(path.clone()), ..Default::default() })
            .expect_err("no passphrase");
        assert!(error.to_string().contains(why), "{path:?}: {error}");
    }
    let short = fixture.file("short", &[1; 31], 0o600);
    let error =
        fixture.unlock(UnlockSources { key_file: Some(short), ..Default::default() }).expect_err("no key");
    assert!(error.to_string().contains("at least 32"), "{error}");
    assert_eq!(fixture.attempts(), [], "a file that cannot be read is no attempt");
}

#[test]
fn a_damaged_description_is_named_instead_of_a_wrong_passphrase() {
    let fixture = Fixture::new();
    let path = fixture.folder.path().join("library.toml");
    let text = std::fs::read_to_string(&path).expect("reads");
    let id = fixture.folder.library().to_string();
    let other = if id.starts_with('a') { id.replacen('a', "b", 1) } else { format!("a{}", &id[1..]) };
    std::fs::write(&path, text.replace(&id, &other)).expect("writes");
    let folder = LibraryFolder::open(fixture.folder.path()).expect("opens");
    let sources = UnlockSources { recovery: Some(&fixture.words), ..Default::default() };
    let error = unlock(&folder, sources, UNIX_EPOCH, &mut SeededEntropy::new(5)).expect_err("another id");
    assert!(matches!(error, UnlockError::Folder(FolderError::Damaged { .. })), "{error}");

    // A flipped bit in the guarding line alone locks nobody out, and the file can be written anew.
    let flipped = if text.ends_with("0\n") {
        format!("{}1\n", &text[..text.len() - 2])
    } else {
        format!("{}0\n", &text[..text.len() - 2])
    };
    std::fs::write(&path, flipped).expect("writes");
    let folder = LibraryFolder::open(fixture.folder.path()).expect("opens");
    let sources = UnlockSources { recovery: Some(&fixture.words), ..Default::default() };
    let unlocked = unlock(&folder, sources, UNIX_EPOCH, &mut SeededEntropy::new(5)).expect("opens");
    assert_eq!(unlocked.warnings, [UnlockWarning::DescriptionDamaged]);
    assert!(folder.authenticate(&unlocked.keys.keyring).is_err());
    folder.restore_description(&unlocked.keys.keyring).expect("restores");
    folder.authenticate(&unlocked.keys.keyring).expect("is authentic again");
    assert!(!LibraryFolder::open(fixture.folder.path()).expect("opens").is_suspect());
}

#[test]
fn a_damaged_slot_is_a_warning_while_another_opens() {
    let fixture = Fixture::new();
    let slot = fixture.folder.keys().find_slot("stick").expect("finds").id();
    let path = fixture.folder.path().join(format!("keys/slots/{slot}.toml"));
    std::fs::write(path, "not a slot").expect("writes");
    let unlocked = fixture
        .unlock(UnlockSources { recovery: Some(&fixture.words), ..Default::default() })
        .expect("opens");
    assert!(
        matches!(unlocked.warnings.as_slice(), [UnlockWarning::SlotUnusable { .. }]),
        "{:?}",
        unlocked.warnings
    );
}

#[test]
fn a_flipped_bit_in_the_slot_that_unlocks_is_damage_and_not_a_wrong_secret() {
    let fixture = Fixture::new();
    let slot = fixture.folder.keys().find_slot("stick").expect("finds").id();
    let path = fixture.folder.path().join(format!("keys/slots/{slot}.toml"));
    let key = fixture.file("key", &[0x42; 64], 0o600);
    let good = std::fs::read(&path).expect("reads");
    let mut named = 0;
    for at in (0..good.len()).step_by(5) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bad).expect("writes");
        let sources = UnlockSources { key_file: Some(key.clone()), ..Default::default() };
        match fixture.unlock(sources) {
            // Its last line alone is damaged, which verify names.
            Ok(unlocked) => assert!(fixture.is_right(&unlocked)),
            Err(UnlockError::Keys(KeysError::Damaged { path: blamed, .. })) => {
                named += 1;
                assert_eq!(blamed, path);
            }
            Err(error) => panic!("byte {at} of {}: {error}", good.len()),
        }
        let tested = fixture.folder.keys().test_slot(slot, &SlotSecret::KeyFile(&[0x42; 64]));
        let is_blamed = matches!(tested, Err(KeysError::WrongSecret { .. }));
        assert!(!is_blamed, "byte {at}: testing the slot calls the secret wrong");
    }
    assert!(named * 5 > good.len() / 2, "only {named} flips were noticed");
    std::fs::write(&path, &good).expect("writes");
    let wrong = fixture.file("key", &[0x43; 64], 0o600);
    let error = fixture.unlock(UnlockSources { key_file: Some(wrong), ..Default::default() });
    assert!(matches!(error, Err(UnlockError::WrongSecret { .. })));
}

#[test]
fn an_agent_with_an_old_key_is_passed_over_with_a_warning() {
    let fixture = Fixture::new();
    let sockets = fixture.temporary.path().join("agents");
    let address = Address::new(&sockets, fixture.folder.library());
    let memory = Memory {
        address: address.clone(),
        key: fixture.keys.unlock_key.clone(),
        lifetime: Duration::from_secs(60),
        leash: agent::Leash::default(),
    };
    let (sender, ready) = std::sync::mpsc::channel();
    let is_ready = move || sender.send(()).map_err(io::Error::other);
    let server = std::thread::spawn(move || agent::serve(memory, is_ready));
    ready.recv().expect("is ready");
    let sources = || UnlockSources {
        agent_folder: Some(sockets.clone()),
        recovery: Some(&fixture.words),
        ..Default::default()
    };
    assert_eq!(fixture.unlock(sources()).expect("opens").by, UnlockedBy::Agent);

    fixture.folder.keys().replace_unlock_key(&fixture.keys, &mut SeededEntropy::new(77)).expect("replaces");
    let unlocked = fixture.unlock(sources()).expect("opens by the words");
    assert!(matches!(unlocked.by, UnlockedBy::Slot { .. }));
    assert_eq!(unlocked.warnings, [UnlockWarning::StaleAgent]);
    assert!(agent::lock(&address).expect("locks"));
    server.join().expect("joins").expect("ends well");
}
