//! Who belongs to the library: its devices, their names, and how one leaves it.
//!
//! A device is a member by signed statements that everybody replays alike (sl1 §1.12). Whoever leaves is shut out of what is
//! sealed from then on: the same command starts an epoch for everybody who stays. What was sealed before it can still open,
//! and nothing here pretends otherwise.

use safelight_catalog::Shelf;
use safelight_crypto::{Author, DeviceId, OsEntropy, Standing, Statement, StatementBody};
use safelight_model::{EntityId, Field, OpBody, Record, Target, Value};
use safelight_sync::{Silent, Stop, lapse_one, settle_epoch_here, start_epoch};
use serde::{Deserialize, Serialize};

use crate::effects::now_stamp_millis;
use crate::error::{LibraryError, Result};
use crate::history::shown_time;
use crate::library::Library;
use crate::remote::here;
use crate::why::Why;

/// Longer than any name that anybody reads.
const MOST_NAME_CHARS: usize = 60;

/// How a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub enum DeviceStanding {
    /// It belongs to the library.
    Active,
    /// It belongs to the library, and was silent for so long that nobody waits for it.
    Lapsed,
    /// It left in peace.
    Retired,
    /// It is not trusted any more.
    Revoked,
}

impl DeviceStanding {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Lapsed => "lapsed",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    fn of(standing: Standing) -> Self {
        match standing {
            Standing::Active => Self::Active,
            Standing::Lapsed => Self::Lapsed,
            Standing::Retired { .. } => Self::Retired,
            Standing::Revoked { .. } => Self::Revoked,
        }
    }

    /// Whether it belongs to the library.
    #[must_use]
    pub fn is_member(self) -> bool {
        matches!(self, Self::Active | Self::Lapsed)
    }
}

/// A device as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownDevice {
    /// Its id.
    pub id: String,
    /// What people call it, if they gave it a name.
    pub name: Option<String>,
    /// Whether it is this one.
    pub is_this: bool,
    /// How it stands.
    pub standing: DeviceStanding,
    /// Whether it may only upload, and open nothing.
    pub upload_only: bool,
    /// How many parts of its history are known here.
    pub segments: u32,
    /// When it made its last change, by its own clock: `2026-05-14 10:11:12`, UTC.
    pub last_active: Option<String>,
}

/// How a device leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub enum Leaving {
    /// In peace: it was sold, or is no longer used.
    Retire,
    /// It was lost, or stolen, and is not trusted any more.
    Revoke,
}

/// What came of a device's leaving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Departure {
    /// The device, as it stands now.
    pub device: ShownDevice,
    /// The last part of its history that counts.
    pub last_segment: u32,
    /// The epoch that everything is sealed under from now on; none for a device that retired itself: the others start one.
    pub epoch: Option<String>,
    /// Photos and videos that the device can still open, where it has them or reaches them: all that were there until now.
    pub still_readable: u64,
    /// Devices that only upload, which go on sealing to a key that it holds until they are let in anew.
    pub still_sealing: Vec<String>,
    /// Remotes whose storage it may still reach, and how this device opens each: what is to be replaced there.
    pub storage: Vec<StorageAccess>,
}

/// A remote and what opens its storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct StorageAccess {
    /// The remote's name.
    pub remote: String,
    /// Its address, without secrets.
    pub address: String,
    /// What to do about it, in a sentence.
    pub next: String,
}

/// A sentence that somebody is told, and its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct SaidSentence {
    /// The remote that it is about, if it is about one.
    pub remote: Option<String>,
    /// The sentence.
    pub reason: String,
    /// The same in a code.
    pub why: Option<Why>,
}

impl SaidSentence {
    fn of(reason: String) -> Self {
        Self { remote: None, why: Why::of(&reason), reason }
    }
}

impl Departure {
    /// What a person is told of it, before or after: what counts, what the device can still read, and what to replace where.
    #[must_use]
    pub fn told(&self, how: Leaving, is_plan: bool) -> Vec<SaidSentence> {
        let done = match (how, is_plan) {
            (Leaving::Retire, true) => "would leave the library",
            (Leaving::Retire, false) => "has left the library",
            (Leaving::Revoke, true) => "would not be trusted any more",
            (Leaving::Revoke, false) => "is not trusted any more",
        };
        let (device, last) = (self.device.called(), self.last_segment);
        if self.device.upload_only {
            let done = if is_plan { "could upload nothing any more" } else { "can upload nothing any more" };
            let said = format!(
                "{device} {done}. It could never open anything. What it has uploaded and nobody has taken in stays aside."
            );
            let storage = self.storage.iter().map(|storage| SaidSentence {
                remote: Some(storage.remote.clone()),
                ..SaidSentence::of(storage.next.clone())
            });
            return [SaidSentence::of(said)].into_iter().chain(storage).collect();
        }
        let mut told = vec![format!("{device} {done}. Of its history, parts 1 to {last} count.")];
        if self.device.is_this {
            told.push(
                "This device writes nothing any more. Its last word goes out with one more safelight sync."
                    .to_owned(),
            );
            return told.into_iter().map(SaidSentence::of).collect();
        }
        let photos = match self.still_readable {
            1 => "1 photo or video".to_owned(),
            many => format!("{many} photos and videos"),
        };
        told.push(format!(
            "What is sealed from now on it cannot open. What was there until now it still can, where it has it or reaches it: \
             {photos}, and their history."
        ));
        let mut told: Vec<SaidSentence> = told.into_iter().map(SaidSentence::of).collect();
        told.extend(self.storage.iter().map(|storage| SaidSentence {
            remote: Some(storage.remote.clone()),
            ..SaidSentence::of(storage.next.clone())
        }));
        if how == Leaving::Revoke && !self.still_sealing.is_empty() {
            told.push(SaidSentence::of(format!(
                "What these upload from now on it can open as well, where it reaches it, until they are let in anew: {}",
                self.still_sealing.join(", ")
            )));
        }
        if !is_plan {
            let hear = "The other devices hear of it with their next sync, after one here: safelight sync";
            told.push(SaidSentence::of(hear.to_owned()));
        }
        told
    }
}

/// What people call the devices of a library; read once for all that are told of.
pub(crate) struct DeviceNames(Record);

impl DeviceNames {
    /// The name of a device; none where nobody gave it one.
    pub(crate) fn of(&self, device: DeviceId) -> Option<String> {
        match self.0.value(name_field(device))? {
            Value::Text(name) => Some(name.to_string()),
            _ => None,
        }
    }

    /// What a device is called: its name, or its id where nobody gave it one.
    pub(crate) fn called(&self, device: DeviceId) -> String {
        self.of(device).unwrap_or_else(|| device.to_string())
    }
}

impl Library {
    /// All devices that ever belonged to the library, those that do first, then the latest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn devices(&self) -> Result<Vec<ShownDevice>> {
        let catalog = self.catalog();
        let Some(roster) = catalog.roster(self.id())? else { return Ok(Vec::new()) };
        let names = DeviceNames(catalog.record(&EntityId::Library)?.unwrap_or_default());
        let mut devices = Vec::new();
        for (id, member) in roster.members() {
            devices.push(ShownDevice {
                id: id.to_string(),
                name: names.of(*id),
                is_this: *id == catalog.device(),
                standing: match DeviceStanding::of(member.standing) {
                    DeviceStanding::Active if catalog.is_lapsed(*id)? => DeviceStanding::Lapsed,
                    standing => standing,
                },
                upload_only: false,
                segments: catalog.tip(*id)?.seq.0,
                last_active: catalog.last_op_millis(*id)?.map(shown_time),
            });
        }
        drop(catalog);
        for (id, known) in self.uploaders()? {
            devices.push(ShownDevice {
                id: id.to_string(),
                name: names.of(id),
                is_this: false,
                standing: if known.is_ended { DeviceStanding::Revoked } else { DeviceStanding::Active },
                upload_only: true,
                segments: 0,
                last_active: None,
            });
        }
        devices.sort_by(|one, other| {
            let key = |device: &ShownDevice| (device.standing.is_member(), device.last_active.clone());
            key(other).cmp(&key(one))
        });
        Ok(devices)
    }

    /// What people call the devices.
    pub(crate) fn device_names(&self) -> Result<DeviceNames> {
        Ok(DeviceNames(self.catalog().record(&EntityId::Library)?.unwrap_or_default()))
    }

    /// Gives a device a name; an empty one takes its name away.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] if no device, or several, are meant, or another one is called so.
    pub fn rename_device(&mut self, word: &str, name: &str) -> Result<ShownDevice> {
        let device = self.find_device(word)?;
        let name = name.trim();
        if name.chars().count() > MOST_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(LibraryError::Refused {
                reason: format!("a name has at most {MOST_NAME_CHARS} letters, on one line"),
                hint: "give it a shorter one".into(),
            });
        }
        if let Some(other) = self
            .devices()?
            .into_iter()
            .find(|other| other.id != device.id && !name.is_empty() && other.name.as_deref() == Some(name))
        {
            return Err(LibraryError::Refused {
                reason: format!("another device is called {name}: {}", other.id),
                hint: "give it another name".into(),
            });
        }
        let id: DeviceId = id_of(&device)?;
        let value = if name.is_empty() { Value::None } else { name.to_owned().into() };
        self.change(|change| {
            let record = change.record(&EntityId::Library)?.unwrap_or_default();
            change.push(record.write_field(Target::Library, name_field(id), value))?;
            Ok(())
        })?;
        self.find_device(&device.id)
    }

    /// Lets a device leave in peace. Another one goes with what is known of it here, and an epoch begins without it; this one
    /// says so itself with its last word, and writes nothing any more.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] if it does not belong to the library, or is the last that does.
    pub fn retire_device(&mut self, word: &str) -> Result<Departure> {
        let device = self.leaving(word)?;
        if device.upload_only {
            return Err(LibraryError::Refused {
                reason: format!(
                    "{} may only upload, and has no history that could end in peace",
                    device.called()
                ),
                hint:
                    "take in what it has uploaded (safelight sync), then revoke it: safelight device revoke"
                        .into(),
            });
        }
        if !device.is_this {
            let id = id_of(&device)?;
            let last_seq = self.catalog().tip(id)?.seq.0;
            return self.depart(&device, &StatementBody::Retire { device: id, last_seq });
        }
        self.folder.require_writable()?;
        // The statement must stand in the last segment that counts: everything else goes before it.
        self.close_segment()?;
        let (library, now) = (self.id(), now_stamp_millis());
        let own = self.keyring().device().clone();
        let last_segment = self.catalog().tip(own.id())?.seq.0 + 1;
        let heads = self.catalog().roster(library)?.map(|roster| roster.heads()).unwrap_or_default();
        let body = StatementBody::Retire { device: own.id(), last_seq: last_segment };
        let retire = Statement::sign(Author::Device(&own), library, now, &heads, &body)?;
        self.record(vec![OpBody::Statement(retire.as_bytes().to_vec())])?;
        self.close_segment()?;
        self.departure(&device, last_segment, None)
    }

    /// Stops trusting a device: nothing counts that it says after what is known of it here, and what is sealed from now on
    /// it cannot open.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] if it does not belong to the library, or is this one.
    pub fn revoke_device(&mut self, word: &str) -> Result<Departure> {
        let device = self.leaving(word)?;
        if device.is_this {
            return Err(LibraryError::Refused {
                reason: "a device cannot revoke itself".into(),
                hint: "revoke it on another device, or let it retire: safelight device retire".into(),
            });
        }
        let id = id_of(&device)?;
        if device.upload_only {
            self.end_uploader(id)?;
            return self.departure(&device, 0, None);
        }
        let tip = self.catalog().tip(id)?;
        self.depart(
            &device,
            &StatementBody::Revoke { device: id, last_seq: tip.seq.0, last_root: tip.root.0 },
        )
    }

    /// Waits no longer for a device that was silent for 90 days: what leaves a remote does not wait for its word. It belongs
    /// to the library as before, and comes back by syncing.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] if it is this one, does not belong to the library, is lapsed already, or was heard of too
    /// lately.
    pub fn lapse_device(&mut self, word: &str) -> Result<ShownDevice> {
        self.prepare_to_write()?;
        let device = self.find_device(word)?;
        let reason = match device.standing {
            _ if device.is_this => Some("this device is not silent: it is the one that asks".to_owned()),
            _ if device.upload_only => {
                Some(format!("{} may only upload, and nobody waits for its word", device.called()))
            }
            DeviceStanding::Active => None,
            standing => Some(format!("{} was {} already", device.called(), standing.word())),
        };
        if let Some(reason) = reason {
            let hint = "safelight device list shows how each device stands".into();
            return Err(LibraryError::Refused { reason, hint });
        }
        let (id, mut keys, mut entropy, stop) = (id_of(&device)?, None, OsEntropy, Stop::default());
        if !lapse_one(&mut here(self, &mut keys, &mut entropy, &Silent, &stop), id)? {
            return Err(LibraryError::Refused {
                reason: format!(
                    "{} was not silent for 90 days at every remote, as far as this device looked lately: it may still act on \
                     what it knows",
                    device.called()
                ),
                hint: "sync first; if it was sold or lost, let it leave: safelight device retire or revoke"
                    .into(),
            });
        }
        self.find_device(&device.id)
    }

    /// What is to be known before a device leaves: which it is, and what it will still be able to read and reach.
    ///
    /// # Errors
    /// As [`Library::revoke_device`].
    pub fn plan_departure(&self, word: &str) -> Result<Departure> {
        let device = self.leaving(word)?;
        let last_segment = device.segments;
        self.departure(&device, last_segment, None)
    }

    /// Refuses to write where this device does not belong to the library any more: nobody would read it.
    pub(crate) fn require_membership(&self) -> Result<()> {
        let own = self.keyring().device().id();
        let roster = self.catalog().roster(self.id())?;
        let standing = roster.and_then(|roster| Some(DeviceStanding::of(roster.member(&own)?.standing)));
        match standing {
            Some(standing) if !standing.is_member() => Err(LibraryError::Refused {
                reason: format!("this device was {}, so nobody would read what it writes", standing.word()),
                hint: "join the library again with the recovery words, into another folder; what is here can be read and exported"
                    .into(),
            }),
            _ => Ok(()),
        }
    }

    /// What comes before every change: this device belongs to the library, and seals for nobody who left.
    ///
    /// # Errors
    /// A library that may only be read; this device has left; the keys cannot be kept.
    pub(crate) fn prepare_to_write(&mut self) -> Result<()> {
        self.folder.require_writable()?;
        self.require_membership()?;
        self.settle_epoch()
    }

    /// Seals under an epoch that opens for nobody who left, wherever the last sync ended and whatever another process learnt.
    pub(crate) fn settle_epoch(&mut self) -> Result<()> {
        if self.is_read_only() {
            return Ok(());
        }
        let roster = self.catalog().roster(self.id())?;
        let sealing = roster.and_then(|roster| Some(roster.sealing_epoch()?.epoch));
        if sealing.is_none_or(|epoch| epoch != self.keyring().epoch().id()) {
            let kept = self.folder.keys().refreshed(self.keys.clone());
            if kept.keyring.device().id() == self.keyring().device().id() {
                self.keys = kept;
            }
        }
        let (mut keys, mut entropy, stop) = (None, OsEntropy, Stop::default());
        Ok(settle_epoch_here(&mut here(self, &mut keys, &mut entropy, &Silent, &stop))?)
    }

    fn depart(&mut self, device: &ShownDevice, body: &StatementBody) -> Result<Departure> {
        self.prepare_to_write()?;
        let (mut keys, mut entropy, stop) = (None, OsEntropy, Stop::default());
        let epoch = start_epoch(&mut here(self, &mut keys, &mut entropy, &Silent, &stop), Some(body))?;
        self.close_segment()?;
        let last_segment = match body {
            StatementBody::Retire { last_seq, .. } | StatementBody::Revoke { last_seq, .. } => *last_seq,
            _ => device.segments,
        };
        self.departure(device, last_segment, Some(epoch.to_string()))
    }

    fn departure(&self, device: &ShownDevice, last_segment: u32, epoch: Option<String>) -> Result<Departure> {
        let storage = self.remotes()?.into_iter().map(|remote| StorageAccess {
            next: to_replace(&remote.name, &remote.address, remote.credential),
            remote: remote.name,
            address: remote.address,
        });
        Ok(Departure {
            device: self.find_device(&device.id)?,
            last_segment,
            epoch,
            still_sealing: if device.upload_only {
                Vec::new()
            } else {
                let devices = self.devices()?.into_iter();
                let uploads = devices.filter(|one| one.upload_only && one.standing.is_member());
                uploads.map(|one| one.called().to_owned()).collect()
            },
            still_readable: if device.upload_only { 0 } else { self.count_photos()? },
            storage: storage.collect(),
        })
    }

    /// How many photos and videos there are, on whatever shelf.
    pub(crate) fn count_photos(&self) -> Result<u64> {
        let catalog = self.catalog();
        Shelf::ALL.iter().try_fold(0, |count, shelf| {
            let totals = catalog.totals(*shelf)?;
            Ok(count + totals.photos + totals.raws + totals.videos + totals.others)
        })
    }

    /// A device that can leave.
    fn leaving(&self, word: &str) -> Result<ShownDevice> {
        let device = self.find_device(word)?;
        if !device.standing.is_member() {
            return Err(LibraryError::Refused {
                reason: format!("{} was {} already", device.called(), device.standing.word()),
                hint: "safelight device list shows who belongs to the library".into(),
            });
        }
        if device.upload_only {
            return Ok(device);
        }
        let is_member = |device: &&ShownDevice| device.standing.is_member() && !device.upload_only;
        let members = self.devices()?.iter().filter(is_member).count();
        if members < 2 {
            return Err(LibraryError::Refused {
                reason: format!("{} is the only device of this library", device.called()),
                hint: "delete the library's folder once another device has joined and synced".into(),
            });
        }
        Ok(device)
    }

    /// The device that a name, an id or the beginning of one means.
    pub(crate) fn find_device(&self, word: &str) -> Result<ShownDevice> {
        let devices = self.devices()?;
        let is_meant = |device: &&ShownDevice| {
            device.name.as_deref() == Some(word) || (word.len() >= 4 && device.id.starts_with(word))
        };
        let meant: Vec<&ShownDevice> = devices.iter().filter(is_meant).collect();
        match meant.as_slice() {
            [device] => Ok((*device).clone()),
            [] => Err(LibraryError::NoSuchDevice { name: word.to_owned() }),
            several => Err(LibraryError::Ambiguous {
                item: word.to_owned(),
                count: format!("{} devices", several.len()),
                examples: several.iter().map(|device| device.id.as_str()).collect::<Vec<_>>().join(", "),
            }),
        }
    }
}

impl ShownDevice {
    /// Its name, or its id.
    #[must_use]
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// What this machine is called where nobody gave it another name.
#[must_use]
pub fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

pub(crate) fn id_of(device: &ShownDevice) -> Result<DeviceId> {
    device.id.parse().map_err(|_| LibraryError::NoSuchDevice { name: device.id.clone() })
}

/// The shared setting that holds the name of a device.
fn name_field(device: DeviceId) -> Field {
    Field::setting(&format!("device/{device}/name"))
}

/// The id of the device that a shared setting names.
pub(crate) fn named_device(field: &Field) -> Option<&str> {
    let key = Some(field).filter(|field| field.code() == Field::SETTING)?.key();
    std::str::from_utf8(key).ok()?.strip_prefix("device/")?.strip_suffix("/name")
}

/// Whether a shared setting is about a device: its name, or that it may upload.
pub(crate) fn is_name_of_device(field: &Field) -> bool {
    field.code() == Field::SETTING
        && (field.key().starts_with(b"device/") || safelight_model::Uploader::device_of(field).is_some())
}

/// What keeps a device out of storage that it may have the key of.
fn to_replace(name: &str, address: &str, credential: Option<&str>) -> String {
    let scheme = address.split(':').next().unwrap_or_default();
    let what = match (scheme, credential) {
        ("folder", _) => return "unshare the folder with it, or take the drive".to_owned(),
        ("file", _) => return "take the drive: what is in one file stays in it".to_owned(),
        (_, None) => {
            return "take its role on the storage away: it signs in there with an identity of its own"
                .to_owned();
        }
        ("dropbox" | "gdrive" | "onedrive", Some(_)) => {
            return "end the session of that device in the account's settings: each device signed in for itself".to_owned();
        }
        ("azure" | "https" | "http", Some(_)) => {
            "if it has the same SAS: rotate the account key that signed it, or delete its stored access policy"
        }
        ("s3", Some(_)) => "if it has the same access key: make a new one, and disable this one",
        ("sftp", Some(_)) => {
            "if it has the same key or password: take the key out of authorized_keys, or change the password"
        }
        (_, Some(_)) => "if it has the same password: change it",
    };
    format!(
        "{what}; then safelight remote set {name} --credential-file FILE gives the new one to this device"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is told of a device's leaving can be said in another language as well.
    #[test]
    fn all_that_is_told_of_a_departure_has_a_code() {
        let addresses = [
            "folder:/a",
            "file:/a",
            "azure://a/b",
            "s3://b",
            "sftp://a@b/c",
            "webdav://h/p",
            "dropbox:/a",
            "gdrive:/a",
        ];
        let storage = addresses.iter().flat_map(|address| {
            [None, Some("a key")].map(|credential| StorageAccess {
                remote: "nas".into(),
                address: (*address).into(),
                next: to_replace("nas", address, credential),
            })
        });
        let device = ShownDevice {
            id: "9be1c07a55555555".into(),
            name: Some("Old phone".into()),
            is_this: false,
            standing: DeviceStanding::Active,
            upload_only: false,
            segments: 7,
            last_active: None,
        };
        let mut departure = Departure {
            device,
            last_segment: 7,
            epoch: None,
            still_readable: 1,
            still_sealing: vec!["Camera".into()],
            storage: storage.collect(),
        };
        for (how, is_plan, many) in [
            (Leaving::Retire, true, 1),
            (Leaving::Retire, false, 12),
            (Leaving::Revoke, true, 3),
            (Leaving::Revoke, false, 0),
        ] {
            departure.still_readable = many;
            for is_this in [false, true] {
                departure.device.is_this = is_this;
                let mut uploads = departure.clone();
                uploads.device.upload_only = true;
                let all = departure.told(how, is_plan).into_iter().chain(uploads.told(how, is_plan));
                for sentence in all {
                    let why = sentence.why.unwrap_or_else(|| panic!("{}", sentence.reason));
                    let values = [("device", "Old phone"), ("last", "7"), ("remote", "nas")];
                    for (name, value) in values {
                        assert_eq!(why.values.get(name).map_or(value, String::as_str), value, "{why:?}");
                    }
                }
            }
        }
    }
}
