//! All routes, and the document that describes them.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::failure::{Failed, Failure};
use crate::gateway::Gateway;
use crate::{plain, relay, uploads};

/// The longest body of a request for one file.
pub(crate) const MOST_SMALL_BYTES: usize = 4 << 10;
/// The longest body of a request for a batch.
pub(crate) const MOST_BATCH_BYTES: usize = 64 << 10;
/// How long a request may take with its body and its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Safelight upload gateway",
        description = "Lends paired phones the right to create one object for some minutes. It can open, list, replace and remove nothing."
    ),
    modifiers(&BearerTokens)
)]
struct Described;

struct BearerTokens;

impl Modify for BearerTokens {
    fn modify(&self, document: &mut Document) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// How a gateway is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ok`, or what is not.
    status: &'static str,
}

/// Says whether this gateway should be given requests.
#[utoipa::path(
    get,
    path = "/health",
    responses(
        (status = 200, body = Health),
        (status = 503, description = "`not-well`: the token file cannot be read, or grants cannot be written down", body = Failed)
    )
)]
async fn show_health(State(gateway): State<Arc<Gateway>>) -> Result<Json<Health>, Failure> {
    let not_well = |message| Failure::new(StatusCode::SERVICE_UNAVAILABLE, "not-well", message);
    if !gateway.table.is_current() {
        return Err(not_well("the token file cannot be read"));
    }
    if !gateway.ledger.is_well() {
        return Err(not_well("grants cannot be written down"));
    }
    Ok(Json(Health { status: "ok" }))
}

fn described() -> OpenApiRouter<Arc<Gateway>> {
    let small = OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(plain::lend_plain))
        .routes(routes!(show_health))
        .layer(DefaultBodyLimit::max(MOST_SMALL_BYTES))
        .layer(from_fn(in_time));
    let batches = OpenApiRouter::new()
        .routes(routes!(uploads::lend_sealed))
        .routes(routes!(uploads::show_sealed))
        .layer(DefaultBodyLimit::max(MOST_BATCH_BYTES))
        .layer(from_fn(in_time));
    // What is relayed is held to its own length.
    let relayed = OpenApiRouter::new().routes(routes!(relay::relay)).layer(DefaultBodyLimit::disable());
    small.merge(batches).merge(relayed)
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> Document {
    described().into_openapi()
}

/// The same, made once.
static DOCUMENT: LazyLock<Document> = LazyLock::new(document);

/// Everything that is answered.
pub(crate) fn routes(gateway: &Arc<Gateway>) -> Router {
    described()
        .split_for_parts()
        .0
        .route("/v1/openapi.json", get(async || Json(&*DOCUMENT)))
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "no-route", "there is nothing here"))
        .method_not_allowed_fallback(async || {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "other-method", "this is asked for in another way")
        })
        .layer(map_response(guarded))
        .with_state(Arc::clone(gateway))
}

/// Ends a request that takes too long, with its body; what is relayed has limits of its own.
async fn in_time(request: Request, next: Next) -> Response {
    let answered = timeout(ANSWER_WITHIN, next.run(request)).await;
    answered.unwrap_or_else(|_| Failure::busy("it took too long").into_response())
}

/// What every answer carries: it is a secret or about one, and no page.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
