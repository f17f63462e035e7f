//! Pictures and originals, out of sealed objects into the browser, and nothing of them onto a disk.
//!
//! An original is read in stretches of a megabyte while the browser takes them: whoever seeks in a video reads what it
//! shows, and a page that is closed reads no further. What is served is never a page of this origin: it is sandboxed, its
//! type is not guessed at, and what browsers do not show as a picture or a video is given as a file to keep.

use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use safelight_library::{LibraryError, OriginalHere, PictureKind};
use serde::Deserialize;

use crate::asked::{Parameters, is_whole_id};
use crate::door::unasked;
use crate::failure::{Answer, Failure};
use crate::gallery::Gallery;
use crate::guard::SANDBOX;

/// How much of an original is opened at once: what a sealed segment holds, so that no stretch needs two of them (SL1 §2).
pub(crate) const STRETCH_BYTES: u64 = 1 << 20;
/// The least that is answered to a player that asks for all of a video from somewhere on, up to the end of a stretch. It
/// asks for more when it has played that; Chromium hangs up after a megabyte, and what it were sent beyond would be opened
/// for nothing (RFC 9110 §15.3.7 lets a part be less).
const PLAYED_BYTES: u64 = 256 << 10;

/// What is read whole before it is sent.
const MOST_AT_ONCE_BYTES: u64 = 2 * STRETCH_BYTES;

/// Types that the browsers of today show or play.
const WIDELY_SHOWN: [&str; 8] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/avif",
    "video/mp4",
    "video/webm",
    "video/quicktime",
];
/// Those that some show. Everything else could be a page, or runs scripts as SVG does.
const SHOWN_BY_SOME: [&str; 4] = ["image/jxl", "image/heic", "image/heif", "video/x-m4v"];

/// Whether a page may show an original of this type as it is.
pub(crate) fn is_widely_shown(media_type: &str) -> bool {
    WIDELY_SHOWN.contains(&media_type)
}

/// How an original is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    /// To be kept as a file.
    download: Option<String>,
}

/// The parts of a picture's path.
type Named = Path<(String, String)>;

/// The picture of 320 pixels. An open page loads these by itself whenever its list changes: they keep nothing open.
pub(crate) async fn show_thumbnail(
    State(gallery): State<Arc<Gallery>>,
    Path((key, id)): Named,
    headers: HeaderMap,
) -> Answer<Response> {
    unasked(show_picture(&gallery, &key, id, &headers, PictureKind::Thumbnail)).await
}

/// The picture of 1440 pixels, from a remote where it is not here.
pub(crate) async fn show_preview(
    State(gallery): State<Arc<Gallery>>,
    Path((key, id)): Named,
    headers: HeaderMap,
) -> Answer<Response> {
    show_picture(&gallery, &key, id, &headers, PictureKind::Preview).await
}

async fn show_picture(
    gallery: &Arc<Gallery>,
    key: &str,
    id: String,
    headers: &HeaderMap,
    kind: PictureKind,
) -> Answer<Response> {
    let id = admit(gallery, key, id, headers)?;
    let asked = id.clone();
    let found = gallery.door.read(move |library| match library.picture(&asked, kind) {
        Err(LibraryError::NotHere { .. }) => Ok(None),
        found => Ok(Some(found?)),
    });
    let found = match found.await? {
        None if kind == PictureKind::Preview => gallery.door.bring(id, kind).await?,
        found => found,
    };
    // A photo without a picture is no mistake of whoever asks: a browser would write one into its console.
    let Some(bytes) = found else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let content_type = match bytes.as_slice() {
        [0xff, 0xd8, ..] => "image/jpeg",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "image/avif",
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        _ => "application/octet-stream",
    };
    let headers = [(header::CONTENT_TYPE, content_type), (header::CONTENT_SECURITY_POLICY, SANDBOX)];
    Ok((headers, Bytes::from(bytes)).into_response())
}

/// Lets through whoever has the cookie of the session that this path belongs to. An id is letters and digits and nothing
/// that leads anywhere.
pub(crate) fn admit(gallery: &Gallery, key: &str, id: String, headers: &HeaderMap) -> Answer<String> {
    if !gallery.sessions.may_see(headers, key) {
        return Err(Failure::no_session());
    }
    gallery.door.touch();
    if is_whole_id(&id) { Ok(id) } else { Err(Failure::not_found("that is no id of a photo")) }
}

/// The original, or a range of it.
pub(crate) async fn show_original(
    State(gallery): State<Arc<Gallery>>,
    Path((key, id)): Named,
    Parameters(wish): Parameters<Wish>,
    headers: HeaderMap,
) -> Answer<Response> {
    let id = admit(&gallery, &key, id, &headers)?;
    let here = gallery.door.read(move |library| library.original_here(&id).map_err(not_here)).await?;
    let tag = format!("\"{}\"", here.sha256());
    answer(gallery, here, &tag, &headers, wish.download.is_some()).await
}

/// What of a photo moves, or a range of it: the video half of a Live Photo, or the video within a motion photo.
pub(crate) async fn show_moving(
    State(gallery): State<Arc<Gallery>>,
    Path((key, id)): Named,
    headers: HeaderMap,
) -> Answer<Response> {
    let id = admit(&gallery, &key, id, &headers)?;
    let here = gallery.door.read(move |library| library.moving_here(&id).map_err(nothing_moves)).await?;
    let tag = format!("\"{}-m\"", here.sha256());
    answer(gallery, here, &tag, &headers, false).await
}

async fn answer(
    gallery: Arc<Gallery>,
    here: OriginalHere,
    tag: &str,
    headers: &HeaderMap,
    is_download: bool,
) -> Answer<Response> {
    let size = here.size_bytes();
    let if_range = headers.get(header::IF_RANGE).and_then(|value| value.to_str().ok());
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let asked = asked.filter(|_| if_range.is_none_or(|known| known == tag));
    let (status, range) = match for_a_player(wanted(asked, size), asked, here.media_type()) {
        Wanted::All => (StatusCode::OK, 0..size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => return Ok(unsatisfiable(size)),
    };
    let mut answer = HeaderMap::new();
    describe(&mut answer, &here, is_download);
    answer.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        answer.insert(header::ETAG, tag);
    }
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(part) = HeaderValue::from_str(&format!("bytes {}-{}/{size}", range.start, range.end - 1))
    {
        answer.insert(header::CONTENT_RANGE, part);
    }
    let body = if range.end - range.start <= MOST_AT_ONCE_BYTES {
        // What is damaged is refused before anything of it is sent: after an answer that breaks off a player asks again, and
        // again.
        gallery.door.touch();
        let read = gallery.door.read(move |library| Ok(library.read_original(&here, range)?));
        Body::from(read.await?)
    } else {
        Body::from_stream(stream(gallery, here, range))
    };
    Ok((status, answer, body).into_response())
}

pub(crate) fn not_here(error: LibraryError) -> Failure {
    match error {
        LibraryError::InRemotes { .. } => {
            let hint = error.hint().unwrap_or_default();
            Failure::new(StatusCode::CONFLICT, "cloud-only", error.to_string()).hint(hint)
        }
        other => other.into(),
    }
}

pub(crate) fn nothing_moves(error: LibraryError) -> Failure {
    match error {
        LibraryError::NotHere { .. } => Failure::not_found("nothing of it moves"),
        other => not_here(other),
    }
}

pub(crate) fn unsatisfiable(size: u64) -> Response {
    let range =
        HeaderValue::from_str(&format!("bytes */{size}")).unwrap_or(HeaderValue::from_static("bytes */*"));
    (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]).into_response()
}

fn describe(headers: &mut HeaderMap, here: &OriginalHere, is_download: bool) {
    let is_shown = is_widely_shown(here.media_type()) || SHOWN_BY_SOME.contains(&here.media_type());
    let content_type = if is_shown { here.media_type() } else { "application/octet-stream" };
    let disposition = disposition(&here.name(), is_download || !is_shown);
    let said = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_SECURITY_POLICY, SANDBOX.to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    for (name, value) in said {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// The name under which a browser keeps a file: whatever is no letter, digit or plain sign is written so that it can end
/// neither the name nor the header (RFC 6266 with RFC 8187).
fn disposition(name: &str, is_download: bool) -> String {
    let kind = if is_download { "attachment" } else { "inline" };
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{kind}; filename*=UTF-8''{encoded}")
}

/// What of an original is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    Part(Range<u64>),
    Nothing,
}

/// Reads a `Range` header; several ranges, and what cannot be read, mean everything (RFC 9110 §14.2).
pub(crate) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some((first, last)) = header
        .and_then(|header| header.trim().strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'))
    else {
        return Wanted::All;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(last)) if first.is_empty() => size.saturating_sub(last)..size,
        _ => return Wanted::All,
    };
    if range.is_empty() { Wanted::Nothing } else { Wanted::Part(range) }
}

/// Shortens what a player asks for.
fn for_a_player(wanted: Wanted, header: Option<&str>, media_type: &str) -> Wanted {
    let is_open = header.is_some_and(|header| header.trim().ends_with('-'));
    match wanted {
        Wanted::Part(range) if is_open && media_type.starts_with("video/") => {
            let end = (range.start + PLAYED_BYTES).next_multiple_of(STRETCH_BYTES);
            Wanted::Part(range.start..range.end.min(end))
        }
        other => other,
    }
}

/// The bytes of a range, a stretch whenever the one before was taken.
fn stream(
    gallery: Arc<Gallery>,
    here: OriginalHere,
    range: Range<u64>,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::unfold(Some((gallery, Arc::new(here), range)), |state| async {
        let (gallery, here, range) = state?;
        if range.is_empty() {
            return None;
        }
        // Whoever plays a video is there.
        gallery.door.touch();
        let end = range.end.min((range.start + 1).next_multiple_of(STRETCH_BYTES));
        let stretch = range.start..end;
        let reading = Arc::clone(&here);
        let read = gallery.door.read(move |library| Ok(library.read_original(&reading, stretch)?)).await;
        match read {
            Ok(bytes) => Some((Ok(Bytes::from(bytes)), Some((gallery, here, end..range.end)))),
            Err(failure) => Some((Err(std::io::Error::other(failure.message)), None)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_browsers_write_them() {
        assert_eq!(wanted(None, 100), Wanted::All);
        assert_eq!(wanted(Some("bytes=0-"), 100), Wanted::Part(0..100));
        assert_eq!(wanted(Some("bytes=90-199"), 100), Wanted::Part(90..100));
        assert_eq!(wanted(Some("bytes=5-5"), 100), Wanted::Part(5..6));
        assert_eq!(wanted(Some("bytes=-10"), 100), Wanted::Part(90..100));
        assert_eq!(wanted(Some("bytes=-1000"), 100), Wanted::Part(0..100));
        assert_eq!(wanted(Some("bytes=100-"), 100), Wanted::Nothing);
        assert_eq!(wanted(Some("bytes=-0"), 100), Wanted::Nothing);
        assert_eq!(wanted(Some("bytes=0-18446744073709551615"), 100), Wanted::Part(0..100));
        for odd in ["", "bytes", "items=0-1", "bytes=9-1", "bytes=0-1,5-6", "bytes=x-"] {
            assert_eq!(wanted(Some(odd), 100), Wanted::All, "{odd}");
        }
    }

    #[test]
    fn a_player_that_asks_for_all_the_rest_gets_the_next_of_it() {
        let size: u64 = 1 << 30;
        let answered = |header: &str, media_type: &str| {
            for_a_player(wanted(Some(header), size), Some(header), media_type)
        };
        assert_eq!(answered("bytes=100-", "video/mp4"), Wanted::Part(100..1 << 20));
        assert_eq!(answered("bytes=1048575-", "video/mp4"), Wanted::Part(1_048_575..2 << 20));
        assert_eq!(answered("bytes=1048576-", "video/mp4"), Wanted::Part(1 << 20..2 << 20));
        assert_eq!(answered("bytes=100-", "image/jpeg"), Wanted::Part(100..size));
        let last = size - 5;
        assert_eq!(answered(&format!("bytes={last}-"), "video/mp4"), Wanted::Part(last..size));
        assert_eq!(answered("bytes=0-99999999", "video/mp4"), Wanted::Part(0..100_000_000));
        assert_eq!(for_a_player(wanted(None, size), None, "video/mp4"), Wanted::All);
    }

    #[test]
    fn a_files_name_ends_neither_itself_nor_the_header() {
        let hostile = "a\"; filename=evil.html\r\nSet-Cookie: x=1\\../é.jpg";
        let text = disposition(hostile, true);
        let (_, name) = text.split_once("''").unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"%.-_".contains(&byte)), "{text}");
        assert!(text.starts_with("attachment; "));
        assert!(text.contains("%0D%0A"), "{text}");
    }
}
