//! `POST /v1/mobile/upload-token`: plain files, as the existing iPhone client asks for them.
//!
//! The answer has exactly the three fields that it knows. It sends the bytes with `x-ms-blob-type: BlockBlob` and no other header,
//! so only Azure can take them from it directly; elsewhere they are relayed.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::failure::{
    Answer, BadField, Busy, Failure, NoToken, NotUnderstood, OtherScope, RemoteFailed, TooLarge, TooMany,
};
use crate::gateway::{Admitted, Gateway, Wish, understood};
use crate::name::{FileName, UserId, blob_name};
use crate::place::Way;
use crate::routes::MOST_SMALL_BYTES;
use crate::time::written_system;
use crate::tokens::Scope;

/// What a phone wants to upload.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct UploadTokenRequest {
    /// Who uploads: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, neither beginning nor ending with a dot.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$")]
    user_id: String,
    /// The file's name: 1 to 128 characters in pieces of `A-Z a-z 0-9 _ -` with single dots between them. Folders in front of it
    /// are dropped.
    filename: String,
}

/// Where to upload it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadToken {
    /// The name that the file gets.
    blob_name: String,
    /// Where to PUT its bytes, with `x-ms-blob-type: BlockBlob`. It creates this one name and can do nothing else.
    upload_url: String,
    /// Until when, as RFC 3339.
    expires_at: String,
}

/// Lends the right to create one plain file.
#[utoipa::path(
    post,
    path = "/v1/mobile/upload-token",
    request_body = UploadTokenRequest,
    responses(
        (status = 200, body = UploadToken),
        NotUnderstood, NoToken, OtherScope, TooLarge, BadField, TooMany, RemoteFailed, Busy
    ),
    security(("token" = []))
)]
pub(crate) async fn lend_plain(
    State(gateway): State<Arc<Gateway>>,
    Admitted(grantee): Admitted,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<UploadToken>> {
    let Scope::Plain { user: only } = &grantee.entry.scope else { return Err(Failure::other_scope()) };
    let asked: UploadTokenRequest = understood(body, MOST_SMALL_BYTES)?;
    let user = UserId::parse(&asked.user_id).map_err(|rule| Failure::bad_field("user_id", rule))?;
    let file = FileName::parse(&asked.filename).map_err(|rule| Failure::bad_field("filename", rule))?;
    if only.as_deref().is_some_and(|only| only != user.as_str()) {
        return Err(Failure::other_scope());
    }
    let key = blob_name(&gateway.terms.prefix, &user, &file, Timestamp::now())
        .map_err(|_| Failure::bad_field("filename", "makes a name that is too long"))?;
    let way = if gateway.place.way == Way::Sas { Way::Sas } else { Way::Relayed };
    let name = key.as_str().to_owned();
    let wish = Wish { key, declared: None, user: Some(user.as_str().to_owned()), way };
    let granted = gateway.grant_charged(&grantee, vec![wish]).await?;
    let Some(one) = granted.into_iter().next() else { return Err(Failure::not_recorded()) };
    Ok(Json(UploadToken { blob_name: name, upload_url: one.url, expires_at: written_system(one.expires) }))
}
