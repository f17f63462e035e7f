//! What a request says, read; whatever cannot be read is answered like every other failure.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Json, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use safelight_library::LibraryError;

use crate::failure::{Answer, Failure};

/// Whether it is a whole id. A page only ever sends those: what is shorter, a name or a path could be one of a photo that is
/// kept back.
pub(crate) fn is_whole_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Lets whole ids through; anything else is no photo.
pub(crate) fn whole_id(id: String) -> Answer<String> {
    if is_whole_id(&id) { Ok(id) } else { Err(LibraryError::NoSuchItem { item: id }.into()) }
}

/// Reads a field that null empties, and tells that from one that is not there.
pub(crate) fn if_there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// How long a body may take to come.
const WHOLE_WITHIN: Duration = Duration::from_secs(10);

/// The JSON of a body.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        // It comes from this machine: whoever takes longer holds a connection for nothing.
        let read = tokio::time::timeout(WHOLE_WITHIN, Json::<T>::from_request(request, state)).await;
        let Json(value) = read.map_err(|_| {
            Failure::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the request did not come whole in time")
                .hint("try again")
        })??;
        Ok(Self(value))
    }
}

/// The parameters behind the question mark.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Query(value) = Query::<T>::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}
