//! The front end: files of the build that are part of this program, and its one page for every address of its own.

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::failure::Failure;

/// `web/dist`; a debug build reads it from the disk.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Built;

/// Names of these hold a hash of what is in them.
const HASHED: &str = "assets/";

/// A file of the front end, or its page.
pub(crate) async fn show_page(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") || path.starts_with("media/") {
        return Failure::not_found("there is no such route").into_response();
    }
    if let Some(file) = Built::get(path).filter(|_| !path.is_empty()) {
        return answer(path, file.data);
    }
    // The page's own addresses are plain words.
    let is_file = path.contains('%') || path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    if is_file {
        return Failure::not_found("there is no such file").into_response();
    }
    match Built::get("index.html") {
        Some(page) => answer("index.html", page.data),
        None => {
            let says = "This build of Safelight has no gallery in it. make web builds it.\n";
            (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], says)
                .into_response()
        }
    }
}

fn answer(path: &str, bytes: std::borrow::Cow<'static, [u8]>) -> Response {
    let kept = if path.starts_with(HASHED) { "private, max-age=31536000, immutable" } else { "no-store" };
    ([(header::CONTENT_TYPE, content_type(path)), (header::CACHE_CONTROL, kept)], bytes.into_owned())
        .into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
