//! `PUT /v1/relay/{ticket}`: bytes for a remote that lends no permissions.
//!
//! They rest in a file without a name until they are whole, are held to what was declared, and are then created in the remote. A
//! connection that breaks off leaves nothing anywhere.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::digest;
use axum::body::Body as HttpBody;
use axum::extract::{Path as Part, State};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt as _;
use safelight_store::Body;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::failure::{Answer, Busy, Failed, Failure, NotUnderstood, RemoteFailed, TooLarge, TooMany};
use crate::gateway::Gateway;
use crate::ticket::Ticket;
use crate::tokens::random;

/// How long a phone may send nothing.
const STALL: Duration = Duration::from_secs(60);
/// Slower than this on the whole an upload is not waited for.
const LEAST_BYTES_A_SECOND: u64 = 16 << 10;
/// How often it is asked whether the token of an upload holds still.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// What is left free of the disk that uploads rest on.
const LEAST_FREE_BYTES: u64 = 256 << 20;
/// The random bytes of a name that a file has for a moment.
const NAME_BYTES: usize = 10;

/// Takes the bytes of one upload.
#[utoipa::path(
    put,
    path = "/v1/relay/{ticket}",
    params(("ticket" = String, Path, description = "As it was lent; a secret until it expires")),
    request_body(content_type = "application/octet-stream", content = Vec<u8>),
    responses(
        (status = 201, description = "The object was created"),
        (status = 403, description = "`no-ticket`: it was not lent here, has expired, or its token was revoked", body = Failed),
        (status = 409, description = "`already-there`: an object of this name is there", body = Failed),
        (status = 411, description = "`no-length`: the length is not said", body = Failed),
        (status = 422, description = "`other-bytes`: these are not the bytes that were declared", body = Failed),
        NotUnderstood, TooLarge, TooMany, RemoteFailed, Busy
    )
)]
pub(crate) async fn relay(
    State(gateway): State<Arc<Gateway>>,
    Part(ticket): Part<String>,
    headers: HeaderMap,
    body: HttpBody,
) -> Answer<StatusCode> {
    let ticket = gateway.tickets.read(&ticket, SystemTime::now()).ok_or_else(no_ticket)?;
    let length = length(&headers, &ticket, gateway.terms.most_relayed_bytes)?;
    let of_one = gateway.relays_of_one.take(ticket.token.clone());
    let (Some(_of_one), Ok(_seat)) = (of_one, gateway.relays.try_acquire()) else {
        return Err(Failure::busy("too many uploads are being relayed"));
    };
    expected(&gateway, &ticket, length).await?;
    let spool = gateway.terms.spool.clone();
    let file = tokio::task::spawn_blocking(move || nameless(&spool, length)).await;
    let file = file.map_err(io::Error::other).and_then(|made| made).map_err(|error| no_room(&error))?;
    let receiving = receive(tokio::fs::File::from_std(file), body, length, || holds(&gateway, &ticket));
    let received = timeout(patience(length), receiving).await;
    let (file, hash) = received.map_err(|_| Failure::not_understood("the upload took too long"))??;
    holds(&gateway, &ticket)?;
    if ticket.declared.is_some_and(|declared| declared.sha256 != hash) {
        return Err(other_bytes());
    }
    let body = Body::File { file: Arc::new(file), offset: 0, length_bytes: length };
    let created = gateway.place.create(&ticket.key, body).await;
    created.map(|()| StatusCode::CREATED).map_err(|error| Failure::of_store(&error))
}

fn no_ticket() -> Failure {
    Failure::new(StatusCode::FORBIDDEN, "no-ticket", "this address was not lent here, or it has expired")
}

/// Whether the token that a ticket was lent to holds still.
fn holds(gateway: &Gateway, ticket: &Ticket) -> Answer<()> {
    if gateway.table.holds(&ticket.token) { Ok(()) } else { Err(no_ticket()) }
}

/// Asks, before anything is taken, whether it could be created; and charges what nobody declared.
async fn expected(gateway: &Gateway, ticket: &Ticket, length: u64) -> Answer<()> {
    let grantee = gateway.table.holder(&ticket.token).ok_or_else(no_ticket)?;
    // A remote that only takes uploads does not say; creating it will.
    if gateway.place.remote.head(&ticket.key).await.is_ok() {
        return Err(Failure::already_there());
    }
    if ticket.declared.is_none() {
        gateway.charge(&grantee, 0, length)?;
    }
    Ok(())
}

/// How long an upload may take at the slowest.
fn patience(length: u64) -> Duration {
    STALL + Duration::from_secs(length / LEAST_BYTES_A_SECOND)
}

/// The length that is said, if it may be.
fn length(headers: &HeaderMap, ticket: &Ticket, most: u64) -> Answer<u64> {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let said: u64 = said.ok_or_else(|| {
        Failure::new(StatusCode::LENGTH_REQUIRED, "no-length", "an upload says its length in front")
    })?;
    match ticket.declared {
        Some(declared) if declared.length_bytes != said => Err(other_bytes()),
        None if said > most => Err(Failure::too_large(most)),
        _ => Ok(said),
    }
}

fn other_bytes() -> Failure {
    let message = "these are not the bytes that were declared";
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "other-bytes", message)
}

fn no_room(error: &io::Error) -> Failure {
    tracing::error!(%error, "an upload could not be kept until it is whole");
    Failure::busy("the upload could not be kept until it is whole")
}

/// Takes `length` bytes into a file, and says their SHA-256. Asks every second whether they are still to be taken.
async fn receive(
    mut file: tokio::fs::File,
    body: HttpBody,
    length: u64,
    may_go_on: impl Fn() -> Answer<()>,
) -> Answer<(File, [u8; 32])> {
    let broke_off = || Failure::not_understood("the upload broke off");
    let mut pieces = body.into_data_stream();
    let (mut context, mut received) = (digest::Context::new(&digest::SHA256), 0_u64);
    let mut asked = Instant::now();
    while let Some(piece) = timeout(STALL, pieces.next()).await.map_err(|_| broke_off())? {
        let piece = piece.map_err(|_| broke_off())?;
        received += piece.len() as u64;
        if received > length {
            return Err(other_bytes());
        }
        if asked.elapsed() >= ASK_EVERY {
            may_go_on()?;
            asked = Instant::now();
        }
        context.update(&piece);
        file.write_all(&piece).await.map_err(|error| no_room(&error))?;
    }
    file.flush().await.map_err(|error| no_room(&error))?;
    if received != length {
        return Err(broke_off());
    }
    let hash = context.finish().as_ref().try_into().map_err(|_| broke_off())?;
    Ok((file.into_std().await, hash))
}

/// A file of this user's alone that goes with the process, where there is room for it and some more.
fn nameless(folder: &Path, length: u64) -> io::Result<File> {
    let space = rustix::fs::statvfs(folder)?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if free < length.saturating_add(LEAST_FREE_BYTES) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let name = random::<NAME_BYTES>().map_err(|_| io::Error::other("no random bytes"))?;
    let path = folder.join(format!("{name}.upload"));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
