//! `safelight key test`: proves which ways still open the library. What was not tried is told apart from what failed.

use safelight_keystore::StoreError;
use safelight_library::folder::LibraryFolder;
use safelight_library::keys::KeysError;
use safelight_library::{LibraryError, RecoveryWords, Slot, SlotKind, SlotSecret};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::commands::key::{ListedSlot, in_words, kind_word, listed, require_slots};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::printable_text;
use crate::prompt;
use crate::stores::KeyStores;

/// How a test of one slot ended.
enum Outcome {
    Opens,
    /// The secret was not given, or its store is not here.
    NotTried(String),
    Fails(LibraryError),
}

#[derive(Serialize)]
struct Tested {
    #[serde(flatten)]
    slot: ListedSlot,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The secrets that were given, each asked for at most once.
struct Given<'a> {
    context: &'a Context,
    /// Whether a person may be asked for what no flag gives.
    may_ask: bool,
    passphrase: Option<Option<Zeroizing<String>>>,
    words: Option<Option<RecoveryWords>>,
}

pub(super) fn run(context: &Context, wanted: Option<&str>) -> Result<(), Failure> {
    let folder = context.folder()?;
    match wanted {
        Some(wanted) => one(context, &folder, wanted),
        None => all(context, &folder),
    }
}

fn one(context: &Context, folder: &LibraryFolder, wanted: &str) -> Result<(), Failure> {
    let slot = folder.keys().find_slot(wanted).map_err(LibraryError::from)?;
    let pin = context.pin_source();
    let mut given = Given::new(context);
    match given.test(folder, &slot, &context.key_stores(&pin))? {
        Outcome::Opens => {}
        Outcome::Fails(error) => {
            note(folder, &slot, &error);
            return Err(error.into());
        }
        Outcome::NotTried(reason) if slot.kind().is_store() => {
            let failure = Failure::new(Exit::Locked, format!("{} was not tried: {reason}", in_words(&slot)));
            return Err(match slot.kind() {
                SlotKind::Passkey => {
                    failure.hint("lock the gallery of safelight serve, and unlock it with the passkey")
                }
                _ => failure,
            });
        }
        Outcome::NotTried(_) => return Err(missing(slot.kind())),
    }
    if context.output.json() {
        return Ok(context.output.print_json(&serde_json::json!({ "opens": listed(&slot) }))?);
    }
    context.output.talk(&format!("{} opens the library.", printable_text(slot.label())));
    Ok(())
}

/// A wrong secret is written down, as every failed unlock is.
fn note(folder: &LibraryFolder, slot: &Slot, error: &LibraryError) {
    if matches!(error, LibraryError::Keys(KeysError::WrongSecret { .. })) {
        folder.keys().note_wrong_secret(slot.id(), slot.kind());
    }
}

fn missing(kind: SlotKind) -> Failure {
    let (what, hint) = match kind {
        SlotKind::Recovery => ("the recovery words are needed", "pass --recovery-file FILE"),
        SlotKind::KeyFile => ("the key file is needed", "pass --key-file FILE"),
        _ => ("the passphrase is needed", "pass --passphrase-file FILE"),
    };
    Failure::usage(what).hint(hint)
}

fn all(context: &Context, folder: &LibraryFolder) -> Result<(), Failure> {
    require_slots(folder)?;
    let list = folder.keys().slots().map_err(LibraryError::from)?;
    let pin = context.pin_source();
    let stores = context.key_stores(&pin);
    let mut given = Given::new(context);
    let mut outcomes = Vec::with_capacity(list.slots.len());
    for slot in &list.slots {
        outcomes.push(given.test(folder, slot, &stores)?);
    }
    // One passphrase opens its own slot; that it does not open another one is no news about that.
    for kind in [SlotKind::Passphrase, SlotKind::KeyFile] {
        let of_kind = |slot: &Slot| slot.kind() == kind;
        let opened = list.slots.iter().zip(&outcomes);
        if opened.clone().any(|(slot, outcome)| of_kind(slot) && matches!(outcome, Outcome::Opens)) {
            for (_, outcome) in list.slots.iter().zip(&mut outcomes).filter(|(slot, _)| of_kind(slot)) {
                if matches!(outcome, Outcome::Fails(LibraryError::Keys(KeysError::WrongSecret { .. }))) {
                    *outcome = Outcome::NotTried(format!("the {} given is another slot's", kind_word(kind)));
                }
            }
        }
    }
    for (slot, outcome) in list.slots.iter().zip(&outcomes) {
        if let Outcome::Fails(error) = outcome {
            note(folder, slot, error);
        }
    }
    report(context, &list.slots, &outcomes)?;
    for damaged in &list.damaged {
        let path = crate::output::printable(&damaged.path);
        context.output.warn(&format!("{path}: {}", printable_text(&damaged.reason)));
    }
    let fails = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Fails(_)));
    match (list.damaged.is_empty(), fails) {
        (false, _) => Err(Failure::silent(Exit::Damaged)),
        (true, true) => Err(Failure::silent(Exit::Locked)),
        (true, false) => Ok(()),
    }
}

fn report(context: &Context, slots: &[Slot], outcomes: &[Outcome]) -> Result<(), Failure> {
    let tested: Vec<Tested> = slots
        .iter()
        .zip(outcomes)
        .map(|(slot, outcome)| {
            let (outcome, reason) = match outcome {
                Outcome::Opens => ("opens", None),
                Outcome::NotTried(reason) => ("not-tried", Some(reason.clone())),
                Outcome::Fails(error) => ("fails", Some(error.to_string())),
            };
            Tested { slot: listed(slot), outcome, reason }
        })
        .collect();
    if context.output.json() {
        return Ok(context.output.print_json(&tested)?);
    }
    for (slot, tested) in slots.iter().zip(&tested) {
        let said = match (tested.outcome, &tested.reason) {
            ("opens", _) => "opens".to_owned(),
            ("not-tried", Some(reason)) => format!("not tried: {}", printable_text(reason)),
            (_, reason) => {
                format!("does not open: {}", printable_text(reason.as_deref().unwrap_or_default()))
            }
        };
        context.output.data(&format!("{}  {said}", in_words(slot)))?;
    }
    Ok(())
}

impl<'a> Given<'a> {
    fn new(context: &'a Context) -> Self {
        Self { context, may_ask: prompt::someone_is_there(), passphrase: None, words: None }
    }

    fn test(
        &mut self,
        folder: &LibraryFolder,
        slot: &Slot,
        stores: &KeyStores<'_>,
    ) -> Result<Outcome, Failure> {
        let test = |secret: &SlotSecret<'_>| match folder.keys().try_slot(slot.id(), secret) {
            Ok(_) => Outcome::Opens,
            Err(KeysError::Crypto(error)) => match error.store_error() {
                Some(StoreError::Absent(reason)) => Outcome::NotTried(reason.clone()),
                _ => Outcome::Fails(KeysError::Crypto(error).into()),
            },
            Err(error) => Outcome::Fails(error.into()),
        };
        let not_given = |flag: &str| Outcome::NotTried(format!("it was not given: {flag} FILE"));
        Ok(match slot.kind() {
            SlotKind::Recovery => match self.words()? {
                Some(words) => test(&SlotSecret::Recovery(words)),
                None => not_given("--recovery-file"),
            },
            SlotKind::KeyFile => match &self.context.global.key_file {
                Some(file) => {
                    let bytes = safelight_library::unlock::read_key_file(file, &mut Vec::new())
                        .map_err(LibraryError::from)?;
                    test(&SlotSecret::KeyFile(&bytes))
                }
                None => not_given("--key-file"),
            },
            SlotKind::Passphrase => match self.passphrase()? {
                Some(passphrase) => test(&SlotSecret::Passphrase(passphrase)),
                None => not_given("--passphrase-file"),
            },
            SlotKind::Passkey => {
                Outcome::NotTried("a browser asks it; the gallery is where it is tested".to_owned())
            }
            kind => match stores.of_slot(kind) {
                Some(store) => test(&SlotSecret::Store(store)),
                None => Outcome::NotTried(format!("this version cannot ask a {}", kind_word(kind))),
            },
        })
    }

    fn passphrase(&mut self) -> Result<Option<&str>, Failure> {
        if self.passphrase.is_none() {
            let given = match self.context.given_passphrase()? {
                None if self.may_ask => Some(prompt::passphrase("Passphrase")?),
                given => given,
            };
            self.passphrase = Some(given);
        }
        Ok(self.passphrase.as_ref().and_then(Option::as_ref).map(|passphrase| passphrase.as_str()))
    }

    fn words(&mut self) -> Result<Option<&RecoveryWords>, Failure> {
        if self.words.is_none() {
            let given = match self.context.given_words()? {
                None if self.may_ask => {
                    let typed = prompt::passphrase("The 24 recovery words (empty: leave them out)")?;
                    let typed = typed.trim();
                    let parsed = (!typed.is_empty()).then(|| RecoveryWords::parse(typed)).transpose();
                    parsed.map_err(LibraryError::from)?
                }
                given => given,
            };
            self.words = Some(given);
        }
        Ok(self.words.as_ref().and_then(Option::as_ref))
    }
}
