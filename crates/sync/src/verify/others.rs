//! What other devices keep in a place for themselves: their keys files, and the hints of how far they wrote.
//!
//! A keys file opens for its device alone, but what it must be every device knows by its hash. So one that is whole is
//! kept here as well, like those of this device, and can be put again by whoever verified once. One that is gone before
//! that only its owner has. A hint is signed: its device alone can write it, and nothing is lost with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use safelight_catalog::HowKnown;
use safelight_crypto::{DeviceId, Recipient, Roster, names};
use safelight_model::history::HeadHint;
use safelight_store::{Area, ObjectPath, Outcome, StoreError};

use super::owed::length_of;
use super::{Depth, VerifyReport};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{HEAD_BYTES, head_path, listed_devices, write_head_again};
use crate::keys::{SMALL_BYTES, as_sealed, check_small, path_of};
use crate::problem::Problem;

/// How the bytes of every sealed head begin (sl1.md §2.2): magic, kind and suite.
const BEGINNING: [u8; 6] = *b"SLO1\x04\x01";

/// What lies under the name of a device's hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// Its own: it was in this place itself.
    Own,
    /// That of somebody who named it in its stead, or one that cannot be judged here.
    Another,
    /// Nothing that opens for anybody.
    Hurt,
}

/// Looks at what is of other devices, and names what is missing or damaged with who mends it.
pub(super) async fn look_at_others(
    here: &mut Here<'_>,
    at: &RemotePlace,
    listed: &HashMap<String, u64>,
    depth: Depth,
    report: &mut VerifyReport,
) -> Result<()> {
    let Some(roster) = here.roster()? else { return Ok(()) };
    let mut heads = BTreeMap::new();
    for device in listed_devices(&at.store).await?.unwrap_or_default() {
        // Its own hint it looks at where everything is opened.
        if depth != Depth::All && device == here.catalog.device() {
            continue;
        }
        here.stop.check()?;
        // What is hurt twice was not hurt on its way.
        let mut head = look_at_head(here, at, &roster, device).await?;
        if head == Some(Head::Hurt) {
            head = look_at_head(here, at, &roster, device).await?;
        }
        heads.extend(head.map(|head| (device, head)));
    }
    if depth == Depth::All {
        name_hurt_heads(here, at, &heads, report).await?;
    }
    let own = |(device, head): (&DeviceId, &Head)| (*head == Head::Own).then_some(*device);
    let present = heads.iter().filter_map(own).collect();
    look_at_keys(here, at, &roster, &present, listed, depth, report).await
}

/// The keys files of devices that write their history into this place: each puts them there before that.
async fn look_at_keys(
    here: &mut Here<'_>,
    at: &RemotePlace,
    roster: &Roster,
    present: &BTreeSet<DeviceId>,
    listed: &HashMap<String, u64>,
    depth: Depth,
    report: &mut VerifyReport,
) -> Result<()> {
    for announced in roster.epochs() {
        for recipient in announced.files.keys() {
            let Recipient::Device(device) = recipient else { continue };
            let path = path_of(&names::keys_file(&announced.epoch, recipient))?;
            let belongs = roster.member(device).is_some_and(|member| member.standing.belongs());
            // What this device put there, or saw there, is verified like all else.
            let is_kept = here.place.contains(&path)?;
            let is_expected = is_kept && here.device.replica(at.id, path.as_str())?.is_some();
            let is_own = *device == here.catalog.device();
            if is_own || !belongs || !present.contains(device) || is_expected {
                continue;
            }
            here.stop.check()?;
            report.expected_objects += 1;
            let is_there =
                listed.contains_key(path.as_str()) || length_of(at, path.as_str()).await?.is_some();
            let is_whole = match (is_there, depth) {
                (true, Depth::All) => keep(here, at, roster, &path, report).await?,
                (is_there, _) => is_there,
            };
            let object = path.to_string();
            if is_whole {
                report.present_objects += 1;
            } else if is_kept {
                // It goes there again from here.
                let (was, problem) = if is_there {
                    let reason = "no statement vouches for these bytes".to_owned();
                    ("damaged", Problem::Damaged { object: object.clone(), reason })
                } else {
                    ("missing", Problem::Missing { object: object.clone() })
                };
                report.wrong.small.insert(object, was);
                here.note(&mut report.problems, problem);
            } else {
                here.note(&mut report.problems, Problem::OwedByAnother { object, device: *device });
            }
        }
    }
    Ok(())
}

/// Reads a keys file, if need be twice, and keeps it in the library folder if it is the one that was announced.
async fn keep(
    here: &mut Here<'_>,
    at: &RemotePlace,
    roster: &Roster,
    path: &ObjectPath,
    report: &mut VerifyReport,
) -> Result<bool> {
    for _ in 0..2 {
        let bytes: Bytes = match at.store.get(path, SMALL_BYTES).await {
            Ok(bytes) => bytes,
            Err(StoreError::TooLarge { .. } | StoreError::Damaged { .. }) => continue,
            Err(StoreError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        report.downloaded_bytes += bytes.len() as u64;
        let Some(sealed) = as_sealed(Area::Keys, &bytes) else { continue };
        if check_small(here, Some(roster), path, &bytes).is_ok() {
            if here.place.put_new(path, &sealed)? == Outcome::Existed {
                tracing::debug!(%path, "the keys file was here already");
            }
            here.record_replica(at, path, bytes.len() as u64, HowKnown::Opened)?;
            report.proven_objects += 1;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads a hint; none where there is none any more.
async fn look_at_head(
    here: &Here<'_>,
    at: &RemotePlace,
    roster: &Roster,
    device: DeviceId,
) -> Result<Option<Head>> {
    let bytes = match at.store.get(&head_path(device)?, HEAD_BYTES).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(StoreError::TooLarge { .. } | StoreError::Damaged { .. }) => return Ok(Some(Head::Hurt)),
        Err(error) => return Err(error.into()),
    };
    let (library, epochs) = (here.library(), here.keys.keyring().epochs());
    let opens = |name: DeviceId| HeadHint::open(&bytes, library, name, epochs).is_ok();
    if opens(device) {
        return Ok(Some(Head::Own));
    }
    // One that is sealed under an epoch of which this device has not heard yet says nothing here.
    let is_known = |id: &[u8]| epochs.iter().any(|epoch| epoch.id().as_bytes() == id);
    let is_strange = bytes.starts_with(&BEGINNING) && bytes.get(8..24).is_some_and(|id| !is_known(id));
    let is_another = is_strange || roster.members().keys().any(|name| opens(*name));
    Ok(Some(if is_another { Head::Another } else { Head::Hurt }))
}

async fn name_hurt_heads(
    here: &mut Here<'_>,
    at: &RemotePlace,
    heads: &BTreeMap<DeviceId, Head>,
    report: &mut VerifyReport,
) -> Result<()> {
    for (device, _) in heads.iter().filter(|(_, head)| **head == Head::Hurt) {
        let object = head_path(*device)?.to_string();
        let is_own = *device == here.catalog.device();
        let problem = if is_own && write_head_again(here, at).await? {
            Problem::Repaired { object, was: "damaged" }
        } else {
            Problem::HurtHint { object, device: *device }
        };
        here.note(&mut report.problems, problem);
    }
    Ok(())
}
