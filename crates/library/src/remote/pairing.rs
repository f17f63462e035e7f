//! Letting a new device in by a code, and coming in by one: the steps of `safelight-sync`, driven until they end.
//!
//! A person is asked in between, through [`PairingTalk`]: whether both screens show the same six words. Without a yes nobody
//! is admitted, and nothing is joined.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use safelight_catalog::RemoteRow;
use safelight_crypto::{Closing, Fault, InboxWelcome, OsEntropy, PairingCode, Welcome};
use safelight_store::{RemoteAddress, RemoteCredential, SealedRemote};
use safelight_sync::{
    Admitted, Asking, Invitation, Joining, Looked, PairingRefusal, Stop, SyncError, answer_invitation,
    find_library_as,
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::at::{Surroundings, parse_address, reconnect, runtime};
use super::lock::SyncLock;
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
/// What a QR code begins with.
const QR_MARK: &str = "safelight-pair 1";
/// What stands before a SAS in a QR code.
const QR_SAS: &str = "sas=";
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
}

/// What was typed or read from a QR code.
#[derive(Debug, Clone)]
pub struct GivenCode {
    /// The code.
    pub code: PairingCode,
    /// Where the library rests, if that was said.
    pub address: Option<String>,
    /// What opens that place until the device has a credential of its own, if that was said.
    pub credential: Option<RemoteCredential>,
}

impl GivenCode {
    /// Reads eight words, or what a QR code says.
    ///
    /// # Errors
    /// Why it is no code, in a sentence that repeats nothing of it.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let text = text.trim();
        let parse = |words: &str| PairingCode::parse(words).map_err(|error| why_not(error.fault()));
        let Some(said) = text.strip_prefix(QR_MARK) else {
            return Ok(Self { code: parse(text)?, address: None, credential: None });
        };
        let mut said: Vec<&str> = said.split_whitespace().collect();
        let sas = said.pop_if(|last| last.starts_with(QR_SAS)).and_then(|sas| sas.strip_prefix(QR_SAS));
        let credential =
            sas.map(RemoteCredential::azure_sas).transpose().map_err(|error| error.to_string())?;
        let (words, address) = said.split_at(said.len().min(safelight_crypto::CODE_WORDS));
        let code = parse(&Zeroizing::new(words.join(" ")))?;
        let address = Some(address.join(" ")).filter(|address| !address.is_empty());
        Ok(Self { code, address, credential })
    }
}

fn why_not(fault: Option<&Fault>) -> String {
    match fault {
        Some(Fault::WordCount(count)) => format!("a code has eight words, and these are {count}"),
        Some(Fault::UnknownWord(place)) => format!("word {place} of the code is not in the list"),
        _ => "the words of the code do not fit together: one of them is another".to_owned(),
    }
}

fn qr_text(words: &str, address: &str, lent: Option<&RemoteCredential>) -> Zeroizing<String> {
    let sas = match lent {
        Some(RemoteCredential::AzureSas(sas)) => Zeroizing::new(format!(" {QR_SAS}{}", sas.expose())),
        _ => Zeroizing::default(),
    };
    Zeroizing::new(format!("{QR_MARK} {words} {address}{}", *sas))
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
async fn pause(monitor: &dyn Monitor) -> bool {
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

    /// Lets a new device in by a code that is good for ten minutes, and waits for it. With `lends_storage` it gets a
    /// credential of its own, and the picture one that holds until then.
    ///
    /// # Errors
    /// [`LibraryError::Sync`] with a [`PairingRefusal`], [`LibraryError::Cancelled`] when somebody asked to stop; the
    /// invitation is closed then. [`LibraryError::Refused`] where it is not clear through which remote.
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
        let row = self.remote_to_meet_in(remote)?;
        let only = SyncLock::take(&self.folder)?;
        let runtime = runtime()?;
        let (told, mut keys, mut entropy, stop) = (Told(monitor), None, OsEntropy, Stop::default());
        let keeper = self.keeper(&row)?;
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
            talk.invited(&shown(&invitation, &row, in_picture.as_ref()));
            let asked = loop {
                match invitation.look(&mut here, &at.store).await {
                    Ok(Looked::Asked(asked)) => break asked,
                    Ok(Looked::WrongTry { left }) => talk.tried(left),
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
        let (admitted, wanted) = paired?;
        // Whatever it is called, it belongs to the library; a name that is taken can be given later.
        let named = self.rename_device(&admitted.device.to_string(), &wanted);
        if let Err(error) = &named {
            tracing::debug!(%error, "the new device has no name yet");
        }
        Ok(PairedDevice {
            device: admitted.device.to_string(),
            name: named.ok().and_then(|device| device.name),
            epochs: admitted.epochs,
            keys_file_bytes: admitted.keys_file_bytes,
        })
    }

    /// The remote that both devices reach: the one that is named, or the only one.
    fn remote_to_meet_in(&self, remote: Option<&str>) -> Result<RemoteRow> {
        let mut rows = self.remote_rows(remote)?;
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

fn shown(invitation: &Invitation, row: &RemoteRow, lent: Option<&RemoteCredential>) -> ShownInvitation {
    let words = invitation.code().words();
    ShownInvitation {
        qr: qr_text(&words, &row.address, lent),
        words,
        address: row.address.clone(),
        until: shown_time(invitation.expires_millis()),
        good_for: Duration::from_millis(invitation.expires_millis().saturating_sub(now_stamp_millis())),
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

/// The code that a join comes in by, and who is asked.
#[derive(Clone, Copy)]
pub struct CodeToJoin<'a> {
    /// The code.
    pub code: &'a PairingCode,
    /// What the new device shall be called.
    pub device_name: &'a str,
    /// Who is asked whether the words are the same.
    pub talk: &'a dyn PairingTalk,
}

impl fmt::Debug for CodeToJoin<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CodeToJoin").field("device_name", &self.device_name).finish_non_exhaustive()
    }
}

/// Asks to be let in, and waits until the device is; then finds what its keys open.
pub(super) async fn come_in(
    store: &SealedRemote,
    by: &CodeToJoin<'_>,
    monitor: &dyn Monitor,
) -> Result<(Joining, Asking, Welcome)> {
    let asking = ask_to_come_in(store, by, monitor).await?;
    let welcome = until(monitor, async || asking.be_welcomed(store, now_stamp_millis()).await).await?;
    let joining = find_library_as(store, &asking, &welcome).await?;
    Ok((joining, asking, welcome))
}

/// Asks to be let in as a device that may only upload, and waits until it is.
pub(crate) async fn come_in_to_upload(
    store: &SealedRemote,
    by: &CodeToJoin<'_>,
    monitor: &dyn Monitor,
) -> Result<(Asking, InboxWelcome)> {
    let asking = ask_to_come_in(store, by, monitor).await?;
    let welcome = until(monitor, async || asking.be_let_upload(store, now_stamp_millis()).await).await?;
    Ok((asking, welcome))
}

/// Answers an invitation, and waits until somebody has compared the six words.
async fn ask_to_come_in(store: &SealedRemote, by: &CodeToJoin<'_>, monitor: &dyn Monitor) -> Result<Asking> {
    let asking =
        answer_invitation(store, by.code, by.device_name, now_stamp_millis(), &mut OsEntropy).await?;
    let six_words = until(monitor, async || asking.hear(store, now_stamp_millis()).await).await?;
    if by.talk.is_same(asking.inviter_name(), &six_words)? {
        return Ok(asking);
    }
    Err(SyncError::from(PairingRefusal::WordsDiffer).into())
}

/// Looks again and again until there is an answer, or somebody stops it.
async fn until<T>(
    monitor: &dyn Monitor,
    look: impl AsyncFn() -> std::result::Result<Option<T>, SyncError>,
) -> Result<T> {
    loop {
        if let Some(answer) = look().await? {
            return Ok(answer);
        }
        if !pause(monitor).await {
            return Err(LibraryError::Cancelled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_from_words_and_from_what_a_qr_code_says() {
        let words = PairingCode::generate(&mut OsEntropy).words();
        let typed = GivenCode::parse(&format!("\n{} ", words.as_str())).expect("words");
        assert_eq!((typed.code.words(), typed.address), (words.clone(), None));
        let address = "folder:/a place/with spaces";
        let read = GivenCode::parse(&qr_text(&words, address, None)).expect("what a QR code says");
        assert_eq!((read.code.words(), read.address.as_deref()), (words.clone(), Some(address)));
        let sas = RemoteCredential::azure_sas("sv=1&sig=2").expect("a SAS");
        let read = GivenCode::parse(&qr_text(&words, "azure://a/b", Some(&sas))).expect("with a SAS");
        assert_eq!((read.address.as_deref(), read.credential), (Some("azure://a/b"), Some(sas)));
        let (first, _) = words.rsplit_once(' ').expect("eight words");
        assert_eq!(GivenCode::parse(first).expect_err("seven"), "a code has eight words, and these are 7");
        let unknown = GivenCode::parse(&format!("{first} safelight")).expect_err("no word");
        assert_eq!(unknown, "word 8 of the code is not in the list");
    }
}
