//! The roster: what all statements together say. Replaying is deterministic: any order of arrival gives the
//! same roster, and a statement whose author had no right to make it is listed, not silently dropped.
//!
//! Order: a statement comes after all that it names; among those that could come next, the words go before
//! devices, revocations before the rest, then the older stamp, then the smaller id. A device may state things
//! while it is active or lapsed; a revocation that is concurrent with what the device says comes first. Only the words
//! in force put others in force: a device that was taken over for a day must not name itself an heir for ever.
//!
//! Spec: sl1.md §1.12.

use std::collections::{BTreeMap, BTreeSet};

use crate::device::DeviceCard;
use crate::error::Fault;
use crate::ids::{DeviceId, EpochId, LibraryId};
use crate::keys_file::Recipient;
use crate::sign::VerifyingKey;
use crate::statement::{Statement, StatementBody, StatementId};
use crate::words::WordsCard;

/// How a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It belongs to the library.
    Active,
    /// It is silent and not waited for; it may come back.
    Lapsed,
    /// It has left in peace after this segment.
    Retired {
        /// Its last segment.
        last_seq: u32,
    },
    /// It is no longer trusted after this segment.
    Revoked {
        /// The last segment that is accepted.
        last_seq: u32,
        /// That segment's body root.
        last_root: [u8; 32],
    },
}

impl Standing {
    /// Whether a device that stands so belongs to the library: it left neither in peace nor otherwise.
    #[must_use]
    pub fn belongs(&self) -> bool {
        matches!(self, Self::Active | Self::Lapsed)
    }
}

/// A device of the library, present or past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its public keys.
    pub card: DeviceCard,
    /// How it stands.
    pub standing: Standing,
}

/// An epoch as it was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedEpoch {
    /// The epoch.
    pub epoch: EpochId,
    /// SHA-256 of the sealed keys file of each recipient.
    pub files: BTreeMap<Recipient, [u8; 32]>,
}

/// What all statements together say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    library: LibraryId,
    words: WordsCard,
    replaced: Vec<(LibraryId, u64)>,
    members: BTreeMap<DeviceId, Member>,
    epochs: Vec<AnnouncedEpoch>,
    features: BTreeSet<String>,
    unknown_kinds: BTreeSet<u16>,
    heads: BTreeSet<StatementId>,
    refused: Vec<(StatementId, Fault)>,
}

impl Roster {
    /// Replays the statements of `library`, in whatever order they are given.
    ///
    /// Returns nothing when no statement is the birth of this library.
    #[must_use]
    pub fn replay<'a>(
        library: LibraryId,
        statements: impl IntoIterator<Item = &'a Statement>,
    ) -> Option<Self> {
        let mut waiting: BTreeMap<StatementId, &Statement> =
            statements.into_iter().map(|statement| (statement.id(), statement)).collect();
        let (birth, words) = waiting.iter().find_map(|(id, statement)| {
            let words = birth_words(library, statement)?;
            Some((*id, words))
        })?;
        waiting.remove(&birth);
        let mut roster = Self {
            library,
            words,
            replaced: Vec::new(),
            members: BTreeMap::new(),
            epochs: Vec::new(),
            features: BTreeSet::new(),
            unknown_kinds: BTreeSet::new(),
            heads: BTreeSet::from([birth]),
            refused: Vec::new(),
        };
        let mut done = BTreeSet::from([birth]);
        while let Some(next) = next_statement(&waiting, &done) {
            if let Some(statement) = waiting.remove(&next) {
                done.insert(next);
                match roster.apply(statement) {
                    Ok(()) => {
                        roster.heads.retain(|head| !statement.after().contains(head));
                        roster.heads.insert(next);
                    }
                    Err(fault) => roster.refused.push((next, fault)),
                }
            }
        }
        roster.refused.extend(waiting.keys().map(|id| (*id, Fault::MissingStatement)));
        Some(roster)
    }

    fn apply(&mut self, statement: &Statement) -> Result<(), Fault> {
        if statement.library() != self.library {
            return Err(Fault::NotAllowed("it is about another library"));
        }
        if statement.after().is_empty() {
            return Err(Fault::NotAllowed("only the birth of a library comes after nothing"));
        }
        let key = self.author_key(statement.author())?;
        statement.check(&key)?;
        match statement.body() {
            StatementBody::Root(words) => match statement.author() {
                Recipient::Words(former) => {
                    self.replaced.push((former, statement.millis()));
                    self.words = words.clone();
                }
                Recipient::Device(_) => {
                    return Err(Fault::NotAllowed("only the words in force may replace them"));
                }
            },
            StatementBody::Admit(card) => self.admit(card)?,
            StatementBody::Retire { device, last_seq } => {
                self.set_standing(device, Standing::Retired { last_seq: *last_seq })?;
            }
            StatementBody::Revoke { device, last_seq, last_root } => {
                self.set_standing(device, Standing::Revoked { last_seq: *last_seq, last_root: *last_root })?;
            }
            StatementBody::Lapse { device } => self.set_standing(device, Standing::Lapsed)?,
            StatementBody::Epoch { epoch, files } => {
                self.announce(*epoch, files);
            }
            StatementBody::RequireFeature(name) => {
                self.features.insert(name.clone());
            }
            StatementBody::Unknown { kind, .. } => {
                self.unknown_kinds.insert(*kind);
            }
        }
        // What an active device says shows that it is back.
        if let Recipient::Device(id) = statement.author()
            && let Some(member) = self.members.get_mut(&id)
            && member.standing == Standing::Lapsed
            && !matches!(statement.body(), StatementBody::Lapse { device } if *device == id)
        {
            member.standing = Standing::Active;
        }
        Ok(())
    }

    fn author_key(&self, author: Recipient) -> Result<VerifyingKey, Fault> {
        match author {
            Recipient::Words(id) if id == self.words.id() => Ok(self.words.verifying_key),
            Recipient::Words(_) => Err(Fault::NotAllowed("these recovery words are not in force")),
            Recipient::Device(id) => match self.members.get(&id) {
                Some(Member { card, standing: Standing::Active | Standing::Lapsed }) => {
                    Ok(*card.verifying_key())
                }
                Some(_) => Err(Fault::NotAllowed("the device was retired or revoked")),
                None => Err(Fault::NotAllowed("the device was never admitted")),
            },
        }
    }

    fn admit(&mut self, card: &DeviceCard) -> Result<(), Fault> {
        if self.members.contains_key(&card.id()) {
            return Err(Fault::NotAllowed("the device was admitted before"));
        }
        self.members.insert(card.id(), Member { card: card.clone(), standing: Standing::Active });
        Ok(())
    }

    /// An epoch may be announced again, for a recipient who came later.
    fn announce(&mut self, epoch: EpochId, files: &[(Recipient, [u8; 32])]) {
        match self.epochs.iter_mut().find(|announced| announced.epoch == epoch) {
            Some(announced) => announced.files.extend(files.iter().copied()),
            None => self.epochs.push(AnnouncedEpoch { epoch, files: files.iter().copied().collect() }),
        }
    }

    fn set_standing(&mut self, device: &DeviceId, standing: Standing) -> Result<(), Fault> {
        let member =
            self.members.get_mut(device).ok_or(Fault::NotAllowed("the device was never admitted"))?;
        match (member.standing, standing) {
            (Standing::Revoked { .. }, _) => Err(Fault::NotAllowed("the device was revoked before")),
            (Standing::Retired { .. }, Standing::Lapsed | Standing::Retired { .. }) => {
                Err(Fault::NotAllowed("the device was retired before"))
            }
            _ => {
                member.standing = standing;
                Ok(())
            }
        }
    }

    /// The library.
    #[must_use]
    pub fn library(&self) -> LibraryId {
        self.library
    }

    /// The recovery words in force.
    #[must_use]
    pub fn words(&self) -> &WordsCard {
        &self.words
    }

    /// When the words in force were put in force instead of others, in milliseconds since 1970 by the clock of who stated
    /// it; none for those of the birth.
    #[must_use]
    pub fn words_since(&self) -> Option<u64> {
        self.replaced.last().map(|(_, millis)| *millis)
    }

    /// When words that were in force were replaced, by the same clock; none for those in force, and for such as never were.
    #[must_use]
    pub fn words_replaced(&self, id: &LibraryId) -> Option<u64> {
        if *id == self.words.id() {
            return None;
        }
        self.replaced.iter().rev().find(|(former, _)| former == id).map(|(_, millis)| *millis)
    }

    /// All devices, present and past.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<DeviceId, Member> {
        &self.members
    }

    /// The device with this id.
    #[must_use]
    pub fn member(&self, id: &DeviceId) -> Option<&Member> {
        self.members.get(id)
    }

    /// The epochs in the order of their statements.
    #[must_use]
    pub fn epochs(&self) -> &[AnnouncedEpoch] {
        &self.epochs
    }

    /// Whom a new epoch must be wrapped to: the words, and every device that is active or lapsed.
    #[must_use]
    pub fn recipients(&self) -> BTreeSet<Recipient> {
        let devices = self.members.iter().filter(|(_, member)| member.standing.belongs());
        let devices = devices.map(|(id, _)| Recipient::Device(*id));
        devices.chain([Recipient::Words(self.words.id())]).collect()
    }

    /// The newest epoch, if it may be sealed under. Without one a writer makes an epoch first.
    #[must_use]
    pub fn sealing_epoch(&self) -> Option<&AnnouncedEpoch> {
        self.epochs.last().filter(|epoch| self.may_seal_under(&epoch.epoch))
    }

    /// Whether nobody who left can open what is sealed under an epoch: nobody who left was given its secret, nor a later one's,
    /// since whoever is given a secret is given those before it too.
    #[must_use]
    pub fn may_seal_under(&self, epoch: &EpochId) -> bool {
        let trusted = self.recipients();
        let Some(first) = self.epochs.iter().position(|announced| announced.epoch == *epoch) else {
            return false;
        };
        self.epochs[first..].iter().all(|announced| announced.files.keys().all(|file| trusted.contains(file)))
    }

    /// Features that a writer must know.
    #[must_use]
    pub fn features(&self) -> &BTreeSet<String> {
        &self.features
    }

    /// Kinds of statements that this version does not know; while there are any, it may only read.
    #[must_use]
    pub fn unknown_kinds(&self) -> &BTreeSet<u16> {
        &self.unknown_kinds
    }

    /// The newest statements: what the next one comes after.
    #[must_use]
    pub fn heads(&self) -> Vec<StatementId> {
        self.heads.iter().copied().collect()
    }

    /// Statements that do not count, and why.
    #[must_use]
    pub fn refused(&self) -> &[(StatementId, Fault)] {
        &self.refused
    }
}

/// The words of a library's birth, when `statement` is it: signed by words whose id is the library's.
fn birth_words(library: LibraryId, statement: &Statement) -> Option<WordsCard> {
    let StatementBody::Root(words) = statement.body() else { return None };
    let is_birth = statement.library() == library
        && statement.after().is_empty()
        && words.id() == library
        && statement.author() == Recipient::Words(library)
        && statement.check(&words.verifying_key).is_ok();
    is_birth.then(|| words.clone())
}

fn next_statement(
    waiting: &BTreeMap<StatementId, &Statement>,
    done: &BTreeSet<StatementId>,
) -> Option<StatementId> {
    let ready = waiting.iter().filter(|(_, statement)| statement.after().iter().all(|id| done.contains(id)));
    let rank = |(id, statement): &(&StatementId, &&Statement)| {
        (
            matches!(statement.author(), Recipient::Device(_)),
            !matches!(statement.body(), StatementBody::Revoke { .. }),
            statement.millis(),
            **id,
        )
    };
    ready.min_by_key(rank).map(|(id, _)| *id)
}

#[cfg(test)]
mod tests;
