//! Uploads to Google Drive: all of them resumable, in pieces of a multiple of 256 KiB.
//!
//! One request more than a *multipart* upload, but no body is copied to be wrapped, and a piece that was cut off is
//! not begun anew.

use reqwest::{Method, Url};
use serde_json::json;

use super::tree::File;
use super::{FIELDS, GoogleDrive};
use crate::cloud::PIECE_TRIES;
use crate::error::StoreError;
use crate::http::{Asked, Reply, encode};
use crate::remote::Body;

/// The pieces of an upload: a multiple of 256 KiB.
const PIECE_BYTES: u64 = 8 << 20;

/// Where bytes go.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// Into a new file.
    Make { folder: &'a str, name: &'a str },
    /// Into the file of this id, in place of what it holds.
    Replace(&'a str),
}

impl GoogleDrive {
    pub(super) async fn send_file(
        &self,
        asked: Asked<'_>,
        target: Target<'_>,
        body: &Body,
    ) -> Result<File, StoreError> {
        let session = self.begin(asked, target, body.length_bytes()).await?;
        let reply = self.send_pieces(asked, &session, body).await?;
        let answer = crate::cloud::json(asked, reply).await?;
        let file = File::read(&answer).ok_or_else(|| asked.nonsense("the new file has no id"))?;
        if file.length_bytes != body.length_bytes() {
            return Err(asked.nonsense("it says that it took another number of bytes"));
        }
        Ok(file)
    }

    async fn begin(
        &self,
        asked: Asked<'_>,
        target: Target<'_>,
        length_bytes: u64,
    ) -> Result<Url, StoreError> {
        let fields = encode(FIELDS);
        let (method, url, file) = match target {
            Target::Make { folder, name } => {
                let url = format!("{}/files?uploadType=resumable&fields={fields}", self.upload_api);
                (Method::POST, url, json!({ "name": name, "parents": [folder] }))
            }
            Target::Replace(id) => {
                let id = encode(id);
                let url = format!("{}/files/{id}?uploadType=resumable&fields={fields}", self.upload_api);
                (Method::PATCH, url, json!({}))
            }
        };
        let file = file.to_string();
        let request = || {
            let request = self.account.http.request(method.clone(), &url);
            request
                .header("content-type", "application/json; charset=UTF-8")
                .header("x-upload-content-type", "application/octet-stream")
                .header("x-upload-content-length", length_bytes)
                .body(file.clone())
        };
        let reply = self.account.send(asked, request, None).await?;
        if reply.status() != 200 {
            return Err(match self.refused(asked, reply).await {
                // A folder was removed behind our back; it is looked up anew at the next try.
                StoreError::NotFound { .. } => {
                    self.folders.forget();
                    asked.cut_short()
                }
                error => error,
            });
        }
        // A token is sent there: it must be the service itself.
        let origin = Url::parse(&self.upload_api).map(|api| api.origin());
        let session = reply.header("location").and_then(|text| Url::parse(text).ok());
        session
            .filter(|url| origin.as_ref().is_ok_and(|origin| *origin == url.origin()))
            .ok_or_else(|| asked.nonsense("it points to another place"))
    }

    async fn send_pieces(&self, asked: Asked<'_>, session: &Url, body: &Body) -> Result<Reply, StoreError> {
        let (total, mut offset, mut tries) = (body.length_bytes(), 0, 0);
        loop {
            let piece = body.part(offset, PIECE_BYTES);
            let range = match piece.length_bytes() {
                0 => format!("bytes */{total}"),
                length => format!("bytes {offset}-{}/{total}", offset + length - 1),
            };
            let error = match self.send_piece(asked, session, &range, &piece).await {
                Ok(reply) if matches!(reply.status(), 200 | 201) => return Ok(reply),
                Ok(reply) if reply.status() == 308 => {
                    let next = next_offset(&reply).filter(|next| *next > offset && *next < total);
                    offset = next.ok_or_else(|| asked.nonsense("it does not say how far it is"))?;
                    tries = 0;
                    continue;
                }
                Ok(reply) => self.refused(asked, reply).await,
                Err(error) => error,
            };
            tries += 1;
            if !matches!(error, StoreError::Network { .. }) || tries >= PIECE_TRIES {
                return Err(error);
            }
            // The piece may have arrived and only its answer not.
            let nothing = Body::from(bytes::Bytes::new());
            let reply = self.send_piece(asked, session, &format!("bytes */{total}"), &nothing).await?;
            match reply.status() {
                200 | 201 => return Ok(reply),
                308 => offset = next_offset(&reply).unwrap_or(0),
                _ => return Err(error),
            }
        }
    }

    async fn send_piece(
        &self,
        asked: Asked<'_>,
        session: &Url,
        range: &str,
        piece: &Body,
    ) -> Result<Reply, StoreError> {
        let request = || {
            let request = self.account.http.request(Method::PUT, session.as_str());
            request.header("content-range", range)
        };
        self.account.send(asked, request, Some(piece)).await
    }
}

/// How many bytes have arrived: `Range: bytes=0-N`, or none of them.
fn next_offset(reply: &Reply) -> Option<u64> {
    let last: u64 = reply.header("range")?.strip_prefix("bytes=0-")?.parse().ok()?;
    last.checked_add(1)
}
