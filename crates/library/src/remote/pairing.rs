//! Letting a new device in by a code: the steps of `safelight-sync`, driven until they end, through a remote and, beside it,
//! over the local network.
//!
//! A person is asked in between, through [`PairingTalk`]: whether both screens show the same six words. Without a yes nobody
//! is admitted, and nothing is joined.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use safelight_catalog::RemoteRow;
use safelight_crypto::{Closing, OsEntropy, PairingPlace};
use safelight_store::{RemoteAddress, RemoteCredential};
use safelight_sync::{Admitted, Invitation, Looked, PairingRefusal, Stop, SyncError};
use serde::Serialize;
use zeroize::Zeroizing;

use super::at::{Surroundings, parse_address, reconnect, runtime};
use super::given_code::qr_text;
use super::lan::check_lan;
use super::lock::SyncLock;
use super::near::Near;
use super::run::{Told, here};
use crate::effects::now_stamp_millis;
use crate::error::{LibraryError, Result};
use crate::history::shown_time;
use crate::library::Library;
use crate::monitor::Monitor;

/// How long is waited between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(1000);
/// How often somebody's wish to stop is looked for meanwhile.
const LISTEN: Duration = Duration::from_millis(100);
/// How long an admission waits for a sync of this library that runs beside it.
const MOST_WAIT: Duration = Duration::from_secs(60);
/// How long the SAS in a QR code holds: until the new device has one of its own.
const LENT_IN_PICTURE: Duration = Duration::from_secs(1800);
/// How long the SAS of a new device holds.
const LENT: Duration = Duration::from_secs(365 * 86_400);

/// What people see and say while two devices are paired.
pub trait PairingTalk {
    /// The invitation is open: shows its code.
    fn invited(&self, invitation: &ShownInvitation) {
        let _ = invitation;
    }

    /// Somebody tried another code; so many tries are left.
    fn tried(&self, left: usize) {
        let _ = left;
    }

    /// Somebody on the local network did; where none is left, the invitation is over there, and goes on in the remote.
    fn tried_near(&self, left: usize) {
        let _ = left;
    }

    /// The device is let in, and has yet to read so over the local network: its own person may not have answered.
    fn waits(&self) {}

    /// The device that invites is being looked for on the local network.
    fn looks_near(&self) {}

    /// Tells where the library rests, which a new device that came over the local network did not know; it joins from the
    /// first place.
    fn learned(&self, places: &[PairingPlace]) {
        let _ = places;
    }

    /// Asks for what opens a place that was just learned of, where the invitation gave nothing; nothing for the machine's
    /// own identity.
    ///
    /// # Errors
    /// Why nobody could be asked.
    fn credential(&self, address: &str) -> Result<Option<RemoteCredential>> {
        let _ = address;
        Ok(None)
    }

    /// Asks whether the other screen, of the device that is called so, shows the same words.
    ///
    /// # Errors
    /// Why nobody could be asked.
    fn is_same(&self, other: &str, six_words: &str) -> Result<bool>;
}

/// A code as it is shown. It is worth as much as a key, for as long as it is good.
#[derive(Clone)]
pub struct ShownInvitation {
    /// Eight words to type.
    pub words: Zeroizing<String>,
    /// What a QR code says: the same, and where the library rests.
    pub qr: Zeroizing<String>,
    /// The address of the remote, which goes with the words.
    pub address: String,
    /// Where this device listens on the local network, as `lan:192.168.1.5:41234`: a new device there needs the words alone,
    /// or one of these where it cannot find it. None where it does not listen.
    pub lan: Vec<String>,
    /// Whether a new device can find it there; else one of the addresses has to be typed.
    pub lan_announced: bool,
    /// Why it does not listen there, though it was to.
    pub lan_trouble: Option<String>,
    /// When it ends: `2026-05-14 10:11:12`, UTC.
    pub until: String,
    /// For how long it is good from now on.
    pub good_for: Duration,
}

impl fmt::Debug for ShownInvitation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ShownInvitation").field("until", &self.until).finish_non_exhaustive()
    }
}

/// A device that was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct PairedDevice {
    /// Its id.
    pub device: String,
    /// What it is called.
    pub name: Option<String>,
    /// How many epochs' secrets it was given; none where it may only upload.
    pub epochs: usize,
    /// Bytes of the file that holds them.
    pub keys_file_bytes: u64,
    /// Whether it has read so. One that came over the local network and did not within the invitation's time never will;
    /// one that came through the remote reads it there whenever it looks.
    pub heard: bool,
}

/// What a new device may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteAs {
    /// It belongs to the library.
    Member,
    /// It may upload, and open nothing.
    Uploader {
        /// So many items of it are taken in on one day.
        items_a_day: u64,
        /// So many bytes of it are taken in on one day.
        bytes_a_day: u64,
    },
}

/// What a remote can lend to a new device from now on.
fn lend(
    row: &RemoteRow,
    credential: Option<&RemoteCredential>,
    how_long: Duration,
    to: InviteAs,
) -> Result<Option<RemoteCredential>> {
    let address: RemoteAddress = parse_address(&row.address)?;
    let until: SystemTime = UNIX_EPOCH + Duration::from_millis(now_stamp_millis()) + how_long;
    Ok(credential.and_then(|credential| match to {
        InviteAs::Member => credential.lend(&address, until),
        InviteAs::Uploader { .. } => credential.lend_to_create(&address, until),
    }))
}

/// Waits a little, or ends when somebody asks to.
pub(super) async fn pause(monitor: &dyn Monitor) -> bool {
    let mut waited = Duration::ZERO;
    while waited < LOOK_AGAIN && !monitor.cancelled() {
        tokio::time::sleep(LISTEN).await;
        waited += LISTEN;
    }
    !monitor.cancelled()
}

impl Library {
    /// Whether a new device can be given a credential of its own for the remote that it meets this one in: where an account
    /// key of Azure opens it here.
    ///
    /// # Errors
    /// As [`Library::invite`].
    pub fn can_lend_storage(&self, remote: Option<&str>) -> Result<bool> {
        let row = self.remote_to_meet_in(remote)?;
        let credential = self.keeper(&row)?.credential();
        Ok(lend(&row, credential.as_ref(), LENT, InviteAs::Member)?.is_some())
    }

    /// Lets a new device in by a code that is good for ten minutes, and waits for it: in the remote, and on the local network
    /// where the surroundings have that. With `lends_storage` it gets a credential of its own, and the picture one that holds
    /// until then.
    ///
    /// # Errors
    /// [`LibraryError::Sync`] with a [`PairingRefusal`], [`LibraryError::Cancelled`] when somebody asked to stop; the
    /// invitation is closed then. [`LibraryError::Refused`] where there is no remote, or it is not clear through which.
    pub fn invite(
        &mut self,
        remote: Option<&str>,
        name: &str,
        (invite_as, lends_storage): (InviteAs, bool),
        talk: &dyn PairingTalk,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<PairedDevice> {
        self.folder.require_writable()?;
        self.require_membership()?;
        check_lan(surroundings.lan)?;
        let row = self.remote_to_meet_in(remote)?;
        let only = SyncLock::take(&self.folder)?;
        let runtime = runtime()?;
        let (told, mut keys, mut entropy, stop) = (Told(monitor), None, OsEntropy, Stop::default());
        let keeper = self.keeper(&row)?;
        let places = self.places_to_tell(&row, invite_as)?;
        let mut near = Near::default();
        let (mut in_picture, mut own) = (None, None);
        if lends_storage {
            let credential = keeper.credential();
            // To meet, both sides read and write; only what is kept afterwards may be less.
            in_picture = lend(&row, credential.as_ref(), LENT_IN_PICTURE, InviteAs::Member)?;
            own = lend(&row, credential.as_ref(), LENT, invite_as)?;
            if own.is_none() {
                return Err(LibraryError::Refused {
                    reason: format!("no credential can be made for another device with that of {}", row.name),
                    hint: "an account key of Azure can; else give the new device one with safelight join --credential-file FILE"
                        .into(),
                });
            }
        }
        let paired = runtime.block_on(async {
            let (at, _) = reconnect(&row, keeper, surroundings).await?;
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            let mut invitation = Invitation::open(&mut here, &at, name).await?;
            // Others may sync while this one only waits.
            only.pause()?;
            let until = Instant::now() + good_for(&invitation);
            near = Near::begin(surroundings.lan, &mut invitation, places, until);
            talk.invited(&shown(&invitation, &row, in_picture.as_ref(), &near));
            let asked = loop {
                match invitation.look(&mut here, &at.store).await {
                    Ok(Looked::Asked(asked)) => break asked,
                    Ok(Looked::WrongTry { left }) => talk.tried(left),
                    Ok(Looked::WrongTryNear { left }) => talk.tried_near(left),
                    Ok(Looked::Nothing) => {}
                    Err(error) => {
                        // One that nobody looks at any more ends by itself; better is that it says so.
                        if !matches!(error, SyncError::Pairing(_))
                            && let Err(other) =
                                invitation.close(&at.store, Closing::CalledOff, &mut OsEntropy).await
                        {
                            tracing::debug!(%other, "the invitation could not be closed");
                        }
                        return Err(error.into());
                    }
                }
                if !pause(monitor).await {
                    invitation.close(&at.store, Closing::CalledOff, &mut OsEntropy).await?;
                    return Err(LibraryError::Cancelled);
                }
            };
            match talk.is_same(asked.name(), &asked.six_words) {
                Ok(true) => {}
                Ok(false) => {
                    invitation.close(&at.store, Closing::CalledOff, &mut OsEntropy).await?;
                    return Err(SyncError::from(PairingRefusal::WordsDiffer).into());
                }
                Err(error) => {
                    invitation.close(&at.store, Closing::CalledOff, &mut OsEntropy).await?;
                    return Err(error);
                }
            }
            if !wait_for(&only, monitor).await {
                invitation.close(&at.store, Closing::CalledOff, &mut OsEntropy).await?;
                return Err(LibraryError::AnotherSync);
            }
            let wanted = asked.name().trim().to_owned();
            let admitted = {
                let storage = own.map(|own| own.to_bytes().to_vec()).unwrap_or_default();
                match invite_as {
                    InviteAs::Member => invitation.admit(&mut here, &at, &asked, storage).await?,
                    InviteAs::Uploader { items_a_day, bytes_a_day } => {
                        let quotas = (items_a_day, bytes_a_day);
                        let upload = invitation.admit_to_upload(&mut here, &at, &asked, quotas, storage);
                        Admitted { device: upload.await?, epochs: 0, keys_file_bytes: 0 }
                    }
                }
            };
            Ok::<_, LibraryError>((admitted, wanted))
        });
        let paired = paired.map(|(admitted, wanted)| self.paired(admitted, &wanted));
        // Whoever syncs here need not wait for another device's person.
        drop(only);
        let heard = near.end(talk, monitor);
        paired.map(|paired| PairedDevice { heard, ..paired })
    }

    /// Gives a device that was let in the name that it wants.
    fn paired(&mut self, admitted: Admitted, wanted: &str) -> PairedDevice {
        // Whatever it is called, it belongs to the library; a name that is taken can be given later.
        let named = self.rename_device(&admitted.device.to_string(), wanted);
        if let Err(error) = &named {
            tracing::debug!(%error, "the new device has no name yet");
        }
        PairedDevice {
            device: admitted.device.to_string(),
            name: named.ok().and_then(|device| device.name),
            epochs: admitted.epochs,
            keys_file_bytes: admitted.keys_file_bytes,
            heard: false,
        }
    }

    /// Where the library rests, for a device that knows of no place: that of the invitation first. One that may only upload
    /// is told of no other.
    fn places_to_tell(&self, row: &RemoteRow, invite_as: InviteAs) -> Result<Vec<PairingPlace>> {
        let told = |row: &RemoteRow| PairingPlace { name: row.name.clone(), address: row.address.clone() };
        let mut places = vec![told(row)];
        if invite_as == InviteAs::Member {
            places.extend(self.device.remotes()?.iter().filter(|other| other.id != row.id).map(told));
        }
        Ok(places)
    }

    /// The remote that both devices reach: the one that is named, or the only one.
    fn remote_to_meet_in(&self, remote: Option<&str>) -> Result<RemoteRow> {
        let mut rows = match self.remote_rows(remote) {
            Err(error @ LibraryError::NoRemote) => {
                return Err(LibraryError::Refused {
                    reason: error.to_string(),
                    hint: "a new device joins from a place that holds the library: connect one first with safelight remote add \
                           NAME ADDRESS, where a folder on a drive or a NAS will do (folder:/media/drive/photos); or take it there \
                           in one file, with the recovery words: safelight export FILE --sealed here, safelight join file:FILE there"
                        .into(),
                });
            }
            rows => rows?,
        };
        if rows.len() > 1 {
            let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
            return Err(LibraryError::Refused {
                reason: format!("there are several remotes: {}", names.join(", ")),
                hint:
                    "name the one that the new device reaches as well: safelight device invite --remote NAME"
                        .into(),
            });
        }
        rows.pop().ok_or(LibraryError::NoRemote)
    }
}

fn good_for(invitation: &Invitation) -> Duration {
    Duration::from_millis(invitation.expires_millis().saturating_sub(now_stamp_millis()))
}

fn shown(
    invitation: &Invitation,
    row: &RemoteRow,
    lent: Option<&RemoteCredential>,
    near: &Near,
) -> ShownInvitation {
    let words = invitation.code().words();
    ShownInvitation {
        qr: qr_text(&words, &row.address, lent),
        words,
        address: row.address.clone(),
        lan: near.addresses(),
        lan_announced: near.is_announced(),
        lan_trouble: near.trouble(),
        until: shown_time(invitation.expires_millis()),
        good_for: good_for(invitation),
    }
}

/// Waits until nobody else syncs this library.
async fn wait_for(only: &SyncLock, monitor: &dyn Monitor) -> bool {
    let mut waited = Duration::ZERO;
    while !only.go_on() {
        if waited >= MOST_WAIT || monitor.cancelled() {
            return false;
        }
        tokio::time::sleep(LISTEN).await;
        waited += LISTEN;
    }
    true
}
