//! Key stores as ways to unlock: each opens a library and nothing else does what it does; the last way stays; a new unlock key
//! reaches every way, whatever happens meanwhile.

use std::process::Command;
use std::time::Instant;

use safelight_servers::{Answer, FakeVault, SecretService, SoftHsm, Swtpm};
use serde_json::Value;

use crate::chance::{Chance, times};
use crate::room::{PATIENCE, Room, copy_folder, finish, set_mode, text};

impl Room {
    /// A command in the surroundings of a key store, with no way to unlock but that.
    fn beside(&self, surroundings: &[(&str, &str)]) -> Command {
        let mut command = self.bare();
        command.envs(surroundings.iter().copied());
        command
    }

    /// The same, unlocked by the key file.
    fn unlocked_beside(&self, surroundings: &[(&str, &str)]) -> Command {
        let mut command = self.unlocked();
        command.envs(surroundings.iter().copied());
        command
    }

    #[track_caller]
    fn tested(&self, surroundings: &[(&str, &str)]) -> Vec<Value> {
        let outcome = self.run(self.unlocked_beside(surroundings).args(["--json", "key", "test"]));
        outcome.ends_with(&[0, 3]).json().as_array().unwrap().clone()
    }

    #[track_caller]
    fn outcome_of(&self, kind: &str, surroundings: &[(&str, &str)]) -> (String, String) {
        let tested = self.tested(surroundings);
        let slot = tested.iter().find(|slot| slot["kind"] == kind).unwrap_or_else(|| panic!("{tested:?}"));
        (text(slot, "outcome"), slot["reason"].as_str().unwrap_or_default().to_owned())
    }
}

/// Whether any file below a folder holds these bytes.
fn holds(folder: &std::path::Path, needle: &[u8]) -> bool {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if std::fs::read(entry.path()).unwrap().windows(needle.len()).any(|at| at == needle) {
                return true;
            }
        }
    }
    false
}

/// Adds a store, opens by it, by its name and unasked, rotates, opens again, removes it.
#[track_caller]
fn a_store_opens(room: &Room, store: &[&str], kind: &str, surroundings: &[(&str, &str)]) {
    let add = [&["key", "add", "--store"], store].concat();
    room.run(room.unlocked_beside(surroundings).args(&add)).ends_with(&[0]);
    let opens = || {
        room.run(room.beside(surroundings).args(["--by", kind, "status"])).ends_with(&[0]);
        room.run(room.beside(surroundings).arg("status")).ends_with(&[0]);
        assert_eq!(room.outcome_of(kind, surroundings).0, "opens");
    };
    opens();
    room.run(room.beside(surroundings).args(["key", "rotate"])).ends_with(&[0]);
    opens();
    room.safelight(&["status"]).ends_with(&[0]);
}

#[test]
fn a_softhsm_token_opens_the_library_with_its_pin_and_with_no_other() {
    let Some(hsm) = SoftHsm::set_up() else { return };
    hsm.add_token("drawer");
    hsm.add_token("other");
    let room = Room::with_library();
    let write = |name: &str, text: &str| {
        std::fs::write(room.path(name), text).unwrap();
        set_mode(&room.path(name), 0o600);
        room.path(name).display().to_string()
    };
    let (pin, wrong_pin) = (write("pin", SoftHsm::PIN), write("wrong-pin", "9999-9999"));
    let (settings, module) = (hsm.settings().display().to_string(), hsm.module().display().to_string());
    let with = |pin: &str| {
        [
            ("SOFTHSM2_CONF", settings.clone()),
            ("SAFELIGHT_PKCS11_MODULE", module.clone()),
            ("SAFELIGHT_PIN_FILE", pin.to_owned()),
        ]
    };
    let named = with(&pin);
    let named: Vec<(&str, &str)> = named.iter().map(|(name, value)| (*name, value.as_str())).collect();

    let unnamed =
        room.run(room.unlocked_beside(&named).args(["key", "add", "--store", "pkcs11"])).ends_with(&[3]);
    assert!(unnamed.stderr.contains("--token"), "{}", unnamed.said());
    a_store_opens(&room, &["pkcs11", "--token", "drawer"], "pkcs11", &named);

    let wrong = with(&wrong_pin);
    let wrong: Vec<(&str, &str)> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = room.run(room.beside(&wrong).args(["--by", "pkcs11", "status"])).ends_with(&[3]);
    assert!(refused.stderr.contains("not the PIN of the token drawer"), "{}", refused.said());
    let (outcome, reason) = room.outcome_of("pkcs11", &wrong);
    assert_eq!(outcome, "fails", "{reason}");
    // Without a PIN, and without the module, nothing is tried, and that is said.
    let (outcome, reason) = room.outcome_of("pkcs11", &named[..2]);
    assert!(outcome == "not-tried" && reason.contains("--pin-file"), "{outcome}: {reason}");
    let (outcome, _) = room.outcome_of("pkcs11", &[]);
    assert_eq!(outcome, "not-tried");
    assert!(!holds(&room.library(), SoftHsm::PIN.as_bytes()), "the PIN is in the library");

    // The key goes from the token with the slot; the folder with the slot put back then opens by nothing.
    let slots = room.path("slots");
    copy_folder(&room.library().join("keys/slots"), &slots);
    room.run(room.unlocked_beside(&named).args(["--yes", "key", "remove", "drawer"])).ends_with(&[0]);
    std::fs::remove_dir_all(room.library().join("keys/slots")).unwrap();
    copy_folder(&slots, &room.library().join("keys/slots"));
    let gone = room.run(room.beside(&named).args(["--by", "pkcs11", "status"])).ends_with(&[3]);
    assert!(gone.stderr.contains("does not have the key any more"), "{}", gone.said());
}

#[test]
fn a_tpm_opens_the_library_and_the_folder_copied_beside_another_tpm_stays_closed() {
    let (Some(here), Some(elsewhere)) = (Swtpm::start(), Swtpm::start()) else { return };
    let room = Room::with_library();
    let at = |tpm: &Swtpm| tpm.socket().display().to_string();
    let (here_at, elsewhere_at) = (at(&here), at(&elsewhere));
    let (here, elsewhere) =
        ([("SAFELIGHT_TPM", here_at.as_str())], [("SAFELIGHT_TPM", elsewhere_at.as_str())]);
    a_store_opens(&room, &["tpm"], "tpm", &here);

    let copied = room.run(room.beside(&elsewhere).args(["--by", "tpm", "status"])).ends_with(&[3]);
    assert!(copied.stderr.contains("this TPM did not seal it"), "{}", copied.said());
    // Unasked it is passed over, with a word why.
    let unasked = room.run(room.beside(&elsewhere).arg("status")).ends_with(&[3]);
    assert!(unasked.stderr.contains("this TPM did not seal it"), "{}", unasked.said());
    assert_eq!(room.outcome_of("tpm", &elsewhere).0, "fails");
    let none = [("SAFELIGHT_TPM", "/nowhere/tpm")];
    let (outcome, reason) = room.outcome_of("tpm", &none);
    assert!(outcome == "not-tried" && reason.contains("/nowhere/tpm"), "{outcome}: {reason}");
    // Where there is no TPM, nothing is said of it unasked.
    let quiet = room.run(room.beside(&none).arg("status")).ends_with(&[3]);
    assert!(!quiet.stderr.contains("TPM"), "{}", quiet.said());
    // The other machine opens it by what its owner has or knows.
    room.run(room.unlocked_beside(&elsewhere).arg("status")).ends_with(&[0]);
}

#[test]
fn the_kernel_s_keyring_opens_the_library_until_it_forgets() {
    let room = Room::with_library();
    let add = room.safelight(&["key", "add", "--store", "kernel-keyring", "--label", "kernel"]);
    if add.stderr.contains("may not be used here") {
        // A container's filter may forbid the calls: then nothing can be shown on this machine.
        safelight_servers::forbidden("the kernel's keyring");
        return;
    }
    add.ends_with(&[0]);
    room.run(room.bare().arg("status")).ends_with(&[0]);
    room.run(room.bare().args(["--by", "keystore", "status"])).ends_with(&[0]);
    let listed = room.safelight(&["--json", "key"]).ends_with(&[0]).json();
    assert!(listed.as_array().unwrap().iter().any(|slot| slot["holder"] == "kernel keyring"), "{listed}");

    let slots = room.path("slots");
    copy_folder(&room.library().join("keys/slots"), &slots);
    room.safelight(&["--yes", "key", "remove", "kernel"]).ends_with(&[0]);
    room.run(room.bare().arg("status")).ends_with(&[3]);
    // As after a restart: the slot is there, its entry is not.
    std::fs::remove_dir_all(room.library().join("keys/slots")).unwrap();
    copy_folder(&slots, &room.library().join("keys/slots"));
    let gone = room.run(room.bare().args(["--by", "keystore", "status"])).ends_with(&[3]);
    assert!(gone.stderr.contains("kernel keyring has no entry"), "{}", gone.said());
}

#[test]
fn the_secret_service_of_a_session_opens_the_library_and_another_session_does_not() {
    let (Some(service), Some(another)) = (SecretService::start(), SecretService::start()) else { return };
    let Some(bare_bus) = SecretService::start_bus_alone() else { return };
    let room = Room::with_library();
    let on = |bus: &SecretService| bus.address().to_owned();
    let (here, there, empty) = (on(&service), on(&another), on(&bare_bus));
    a_store_opens(&room, &["keystore"], "keystore", &[("DBUS_SESSION_BUS_ADDRESS", &here)]);

    let other = [("DBUS_SESSION_BUS_ADDRESS", there.as_str())];
    let refused = room.run(room.beside(&other).args(["--by", "keystore", "status"])).ends_with(&[3]);
    assert!(refused.stderr.contains("Secret Service has no entry"), "{}", refused.said());
    for nobody in
        [[("DBUS_SESSION_BUS_ADDRESS", empty.as_str())], [("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")]]
    {
        let (outcome, reason) = room.outcome_of("keystore", &nobody);
        assert!(outcome == "not-tried" && reason.contains("no Secret Service"), "{outcome}: {reason}");
    }
    let listed = room.safelight(&["--json", "key"]).ends_with(&[0]).json();
    assert!(listed.as_array().unwrap().iter().any(|slot| slot["holder"] == "Secret Service"), "{listed}");
}

#[test]
fn the_last_way_that_a_person_can_open_is_not_removed() {
    let Some(tpm) = Swtpm::start() else { return };
    let socket = tpm.socket().display().to_string();
    let here = [("SAFELIGHT_TPM", socket.as_str())];
    let room = Room::with_library();
    room.run(room.unlocked_beside(&here).args(["key", "add", "--store", "tpm"])).ends_with(&[0]);
    let remove = |name: &str, code: i32| {
        room.run(room.beside(&here).args(["--yes", "key", "remove", name])).ends_with(&[code])
    };
    remove("passphrase", 0);
    remove("key file", 0);
    let words = remove("recovery words", 5);
    assert!(words.stderr.contains("last key slot that a person can open"), "{}", words.said());
    remove("TPM", 0);
    let listed = room.run(room.bare().args(["--json", "key"])).ends_with(&[0]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
}

#[test]
fn a_key_test_says_of_each_way_whether_it_opens_and_why_it_was_not_tried() {
    let room = Room::with_library();
    let tested = room.tested(&[]);
    let of = |kind: &str| tested.iter().find(|slot| slot["kind"] == kind).unwrap();
    assert_eq!(text(of("key file"), "outcome"), "opens");
    for (kind, flag) in [("passphrase", "--passphrase-file"), ("recovery", "--recovery-file")] {
        assert_eq!(text(of(kind), "outcome"), "not-tried");
        assert!(text(of(kind), "reason").contains(flag), "{tested:?}");
    }
    // All at once, and a second key file that is not the one that is given.
    std::fs::write(room.path("other-key"), [9; 64]).unwrap();
    set_mode(&room.path("other-key"), 0o600);
    let other = room.path("other-key").display().to_string();
    room.safelight(&["key", "add", "--new-key-file", &other, "--label", "other"]).ends_with(&[0]);
    let mut all = room.unlocked();
    all.arg("--passphrase-file")
        .arg(room.path("passphrase"))
        .arg("--recovery-file")
        .arg(room.path("recovery"));
    let told = room.run(all.args(["key", "test"])).ends_with(&[0]).text();
    assert_eq!(told.matches("  opens").count(), 3, "{told}");
    assert!(told.contains("not tried: the key file given is another slot's"), "{told}");
    // Nothing of this was a failed unlock.
    assert!(!room.library().join("keys/attempts").exists());
    // A wrong passphrase is one.
    std::fs::write(room.path("passphrase"), "another\n").unwrap();
    let mut wrong = room.bare();
    wrong.arg("--passphrase-file").arg(room.path("passphrase"));
    let told = room.run(wrong.args(["key", "test"])).ends_with(&[3]).text();
    assert!(told.contains("does not open"), "{told}");
    assert!(room.library().join("keys/attempts").exists());
}

#[test]
fn killed_at_any_moment_a_rotation_leaves_a_library_that_every_way_opens() {
    let kills = times("SAFELIGHT_KILLS", 50).min(200);
    let room = Room::with_library();
    let generation = |room: &Room| {
        let slots = std::fs::read_dir(room.library().join("keys/slots")).unwrap();
        let line = |path: std::path::PathBuf| {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().find(|line| line.starts_with("generation")).unwrap().to_owned()
        };
        slots.map(|entry| line(entry.unwrap().path())).collect::<std::collections::BTreeSet<_>>()
    };
    let begun = Instant::now();
    let before = generation(&room);
    room.safelight(&["key", "rotate"]).ends_with(&[0]);
    let whole = begun.elapsed();
    assert_ne!(before, generation(&room), "nothing was rotated");
    let mut chance = Chance::seeded(times("SAFELIGHT_SEED", 1));
    let (mut rotated, mut kept) = (0, 0);
    for _ in 0..kills {
        let before = generation(&room);
        let mut child = room.unlocked().args(["key", "rotate"]).spawn().unwrap();
        let share = f64::from(u32::try_from(chance.below(1000)).unwrap()) / 1000.0;
        std::thread::sleep(whole.mul_f64(share));
        child.kill().unwrap();
        drop(finish(child, PATIENCE));
        room.safelight(&["status"]).ends_with(&[0]);
        let after = generation(&room);
        assert_eq!(after.len(), 1, "slots of two unlock keys");
        if before == after { kept += 1 } else { rotated += 1 }
    }
    assert!(kept > 0, "no kill came before the end");
    eprintln!("{kills} kills of a rotation: {rotated} after it was done, {kept} before");
    let mut by_passphrase = room.bare();
    by_passphrase.arg("--passphrase-file").arg(room.path("passphrase"));
    room.run(by_passphrase.arg("status")).ends_with(&[0]);
    room.run(room.bare().arg("--recovery-file").arg(room.path("recovery")).arg("status")).ends_with(&[0]);
    room.verify_is_clean();
}

#[test]
fn the_agent_gets_the_new_key_and_forgets_it_when_nobody_asks() {
    let room = Room::with_library();
    room.safelight(&["unlock", "--for", "10m"]).ends_with(&[0]);
    room.run(room.bare().arg("status")).ends_with(&[0]);
    room.run(room.bare().args(["key", "rotate"])).ends_with(&[0]);
    let still = room.run(room.bare().arg("status")).ends_with(&[0]);
    assert!(!still.stderr.contains("old key"), "{}", still.said());
    room.run(room.bare().arg("lock")).ends_with(&[0]);
    room.run(room.bare().arg("status")).ends_with(&[3]);
    // One that nobody asks forgets before its time.
    room.safelight(&["unlock", "--for", "10m", "--idle", "2s"]).ends_with(&[0]);
    room.run(room.bare().arg("status")).ends_with(&[0]);
    std::thread::sleep(std::time::Duration::from_secs(4));
    room.run(room.bare().arg("status")).ends_with(&[3]);
}

#[test]
fn a_key_of_a_vault_opens_the_library_while_the_vault_lets_it() {
    let vault = FakeVault::start();
    let room = Room::with_library();
    let key = vault.key();
    let identity = vault.environment();
    let mut named: Vec<(&str, &str)> = identity.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let added = room.unlocked_beside(&named).args(["key", "add", "--key-vault", &key]).output().unwrap();
    assert!(added.status.success(), "{added:?}");
    // By its name, and unasked only where the vault is named.
    room.run(room.beside(&named).args(["--by", "vault", "status"])).ends_with(&[0]);
    let asked = vault.asked().len();
    room.run(room.beside(&named).arg("status")).ends_with(&[3]);
    assert_eq!(vault.asked().len(), asked, "a slot alone makes nobody ask a vault");
    named.push(("SAFELIGHT_VAULT", &key));
    room.run(room.beside(&named).arg("status")).ends_with(&[0]);
    assert_eq!(room.outcome_of("vault", &named).0, "opens");
    // Neither another version of the key nor another unlock key takes the way away.
    vault.add_version();
    room.run(room.beside(&named).args(["key", "rotate"])).ends_with(&[0]);
    room.run(room.beside(&named).args(["--by", "vault", "status"])).ends_with(&[0]);
    for secret in [FakeVault::CLIENT_SECRET, "PLANTED-vault-token"] {
        assert!(!holds(&room.library(), secret.as_bytes()), "{secret} is in the library");
    }
    let refused =
        serde_json::json!({ "error": { "code": "Forbidden", "innererror": { "code": "ForbiddenByRbac" } } });
    vault.answer_instead(Some(Answer::json(403, &refused.to_string())));
    let outcome = room.run(room.beside(&named).args(["--by", "vault", "status"])).ends_with(&[3]);
    assert!(outcome.stderr.contains("Key Vault Crypto User"), "{}", outcome.said());
    let (outcome, reason) = room.outcome_of("vault", &named);
    assert!(outcome == "fails" && reason.contains("ForbiddenByRbac"), "{outcome}: {reason}");
    vault.answer_instead(Some(Answer::status(503)));
    let (outcome, reason) = room.outcome_of("vault", &named);
    assert!(outcome == "not-tried" && reason.contains("asks to wait"), "{outcome}: {reason}");
    vault.answer_instead(None);
    // Another key than the slot's is not asked; and without the vault, the other ways are there.
    let other = key.replace("/photos", "/other");
    let others: Vec<(&str, &str)> = named
        .iter()
        .map(|(name, value)| (*name, if *name == "SAFELIGHT_VAULT" { other.as_str() } else { value }))
        .collect();
    let (outcome, reason) = room.outcome_of("vault", &others);
    assert!(outcome == "not-tried" && reason.contains("was named"), "{outcome}: {reason}");
    vault.delete_key();
    room.run(room.beside(&named).args(["--by", "vault", "status"])).ends_with(&[3]);
    room.safelight(&["status"]).ends_with(&[0]);
    room.run(room.unlocked_beside(&named).args(["--yes", "key", "remove", "photos"])).ends_with(&[0]);
    let refused = room
        .unlocked_beside(&named)
        .args(["key", "add", "--key-vault", "https://evil.example/keys/a"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}
