//! `/v1/uploads`: sealed uploads of paired phones, a batch at a time, and whether they arrived.
//!
//! A phone names objects of its own inbox alone (`inbox/<device>/…`, SL1 §1.15) and declares of each how many sealed bytes it has
//! and their SHA-256. S3 and what is relayed are held to that; Azure cannot be, and there the library finds out when it takes
//! the item in: its head is signed over the hash of every piece.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use data_encoding::HEXLOWER;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use safelight_crypto::InboxName;
use safelight_store::{Checksum, Declared, Key, ObjectInfo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::failure::{
    Answer, BadField, Busy, Failure, NoToken, NotUnderstood, OtherScope, RemoteFailed, TooLarge, TooMany,
};
use crate::gateway::{Admitted, Gateway, Wish, understood};
use crate::routes::MOST_BATCH_BYTES;
use crate::table::Grantee;
use crate::time::written_system;
use crate::tokens::Scope;

/// The most objects of one batch.
const MOST_OBJECTS: usize = 100;
/// The most bytes of one object: larger files come in several.
pub(crate) const MOST_OBJECT_BYTES: u64 = 256 << 20;
/// How many objects the remote is asked for at once.
const LOOKS_AT_ONCE: usize = 16;

/// Objects that a phone wants to upload, or did.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Batch {
    /// 1 to 100 objects, each named once.
    #[schema(min_items = 1, max_items = 100)]
    objects: Vec<Described>,
}

/// One sealed object.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Described {
    /// The last part of its name, in small base32: the item's number and the piece (SL1 §1.15).
    #[schema(pattern = "^[a-z2-7]{20}$")]
    id: String,
    /// Its sealed bytes: 1 to 268,435,456.
    #[schema(minimum = 1, maximum = 268_435_456)]
    bytes: u64,
    /// Their SHA-256, in hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
}

/// Where to upload each object, in the order in which they were named.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lent {
    uploads: Vec<Upload>,
}

/// Where to upload one object.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Upload {
    /// The last part of its name.
    id: String,
    /// Its whole name.
    object: String,
    /// How to send it.
    method: &'static str,
    /// Where to send it. It creates this one name and can do nothing else.
    upload_url: String,
    /// What has to come with it.
    headers: BTreeMap<String, String>,
    /// Until when, as RFC 3339.
    expires_at: String,
}

/// How each object stands, in the order in which they were named.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Standings {
    objects: Vec<Standing>,
}

/// How one object stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Standing {
    /// The last part of its name.
    id: String,
    /// Whether it is there.
    state: Whether,
}

/// Whether an object is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Whether {
    /// It is there, as far as the remote can tell.
    Complete,
    /// It is not there.
    Missing,
    /// Something else is there: another length, or another hash where the remote says one.
    Different,
}

/// Lends the right to create some sealed objects.
#[utoipa::path(
    post,
    path = "/v1/uploads",
    request_body = Batch,
    responses(
        (status = 200, body = Lent),
        NotUnderstood, NoToken, OtherScope, TooLarge, BadField, TooMany, RemoteFailed, Busy
    ),
    security(("token" = []))
)]
pub(crate) async fn lend_sealed(
    State(gateway): State<Arc<Gateway>>,
    Admitted(grantee): Admitted,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<Lent>> {
    let objects = objects(&grantee, body)?;
    let way = gateway.place.way;
    let wishes = objects.iter().map(|object| Wish {
        key: object.key.clone(),
        declared: Some(object.declared),
        user: None,
        way,
    });
    let granted = gateway.grant_charged(&grantee, wishes.collect()).await?;
    let uploads = objects.into_iter().zip(granted).map(|(object, granted)| Upload {
        id: object.id,
        object: object.key.as_str().to_owned(),
        method: "PUT",
        upload_url: granted.url,
        headers: granted.headers,
        expires_at: written_system(granted.expires),
    });
    Ok(Json(Lent { uploads: uploads.collect() }))
}

/// Says whether objects arrived.
#[utoipa::path(
    post,
    path = "/v1/uploads/status",
    request_body = Batch,
    responses(
        (status = 200, body = Standings),
        NotUnderstood, NoToken, OtherScope, TooLarge, BadField, TooMany, RemoteFailed
    ),
    security(("token" = []))
)]
pub(crate) async fn show_sealed(
    State(gateway): State<Arc<Gateway>>,
    Admitted(grantee): Admitted,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<Standings>> {
    let objects = objects(&grantee, body)?;
    // Looking costs the remote as much as granting does.
    gateway.charge_look(&grantee, u32::try_from(objects.len()).unwrap_or(u32::MAX))?;
    let looking = objects.into_iter().map(|object| look(&gateway, object));
    let objects = stream::iter(looking).buffered(LOOKS_AT_ONCE).try_collect().await?;
    Ok(Json(Standings { objects }))
}

/// An object whose name and description keep the rules.
struct Object {
    id: String,
    key: Key,
    declared: Declared,
}

fn objects(grantee: &Grantee, body: Result<Bytes, BytesRejection>) -> Answer<Vec<Object>> {
    let Scope::Sealed { device } = &grantee.entry.scope else { return Err(Failure::other_scope()) };
    let batch: Batch = understood(body, MOST_BATCH_BYTES)?;
    if batch.objects.is_empty() || batch.objects.len() > MOST_OBJECTS {
        return Err(Failure::bad_field("objects", "are 1 to 100"));
    }
    let objects: Vec<Object> =
        batch.objects.into_iter().map(|described| checked(device, described)).collect::<Answer<_>>()?;
    let names: BTreeSet<&str> = objects.iter().map(|object| object.id.as_str()).collect();
    if names.len() != objects.len() {
        return Err(Failure::bad_field("objects", "are each named once"));
    }
    Ok(objects)
}

fn checked(device: &str, described: Described) -> Answer<Object> {
    let name = format!("inbox/{device}/{}", described.id);
    // Read and written again: whatever else could be read as the same name is none.
    let is_name =
        InboxName::parse(&name).is_some_and(|parsed| safelight_crypto::names::inbox(&parsed) == name);
    let key = Key::parse(&name).ok().filter(|_| is_name);
    let key = key.ok_or_else(|| Failure::bad_field("id", "is no name of an object in this inbox"))?;
    if !(1..=MOST_OBJECT_BYTES).contains(&described.bytes) {
        return Err(Failure::bad_field("bytes", "are 1 to 268435456; larger files come in several objects"));
    }
    let sha256 = HEXLOWER.decode(described.sha256.as_bytes()).ok().and_then(|hash| hash.try_into().ok());
    let sha256 = sha256.ok_or_else(|| Failure::bad_field("sha256", "is 64 digits of small hex"))?;
    Ok(Object { id: described.id, key, declared: Declared { length_bytes: described.bytes, sha256 } })
}

async fn look(gateway: &Gateway, object: Object) -> Answer<Standing> {
    let state = match gateway.place.remote.head(&object.key).await {
        Ok(info) if is_as_declared(&info, &object.declared) => Whether::Complete,
        Ok(_) => Whether::Different,
        Err(error) if error.is_not_found() => Whether::Missing,
        Err(error) => return Err(Failure::of_store(&error)),
    };
    Ok(Standing { id: object.id, state })
}

fn is_as_declared(info: &ObjectInfo, declared: &Declared) -> bool {
    let is_same_hash = match info.checksum {
        Some(Checksum::Sha256(hash)) => hash == declared.sha256,
        _ => true,
    };
    info.length_bytes == declared.length_bytes && is_same_hash
}
