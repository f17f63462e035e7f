//! All routes, and the document that describes them.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gallery::Gallery;
use crate::{
    albums, completing, connecting, devices, duplicates, events, fetching, first, forgetting, guard, hidden,
    importing, inviting, jobs, keys, locking, map, media, organised, page, passkeys, past, proxies, reading,
    remotes, searches, session, settings, storage, switching, thawing, tiles, timeline, uploads, writing,
};

/// A list of a hundred thousand ids, and some room.
const MOST_BODY_BYTES: usize = 8 << 20;
/// A token, from whoever has no session yet.
const MOST_TOKEN_BYTES: usize = 1 << 10;

#[derive(OpenApi)]
#[openapi(info(
    title = "Safelight",
    description = "The gallery of one library, on loopback. Every request carries the session's cookie and the header x-safelight."
))]
struct Described;

/// The routes: those that begin a session, those that a page asks for by itself, and those that somebody is there for.
fn described() -> [OpenApiRouter<Arc<Gallery>>; 3] {
    let open = OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(session::begin_session, session::show_session))
        .routes(routes!(session::know_session));
    let unattended = OpenApiRouter::new()
        .routes(routes!(events::listen))
        .routes(routes!(reading::show_status))
        .routes(routes!(jobs::show_job))
        .routes(routes!(first::draw_words))
        .routes(routes!(first::check_words))
        .routes(routes!(first::show_strength))
        .routes(routes!(first::create))
        .routes(routes!(first::join))
        .routes(routes!(locking::lock))
        .routes(routes!(locking::unlock))
        .routes(routes!(passkeys::list_passkeys))
        .routes(routes!(passkeys::unlock_by_passkey));
    let attended = OpenApiRouter::new()
        .routes(routes!(locking::be_present))
        .routes(routes!(reading::show_asset))
        .routes(routes!(timeline::show_skeleton))
        .routes(routes!(timeline::show_columns))
        .routes(routes!(timeline::show_position))
        .routes(routes!(albums::list_albums, albums::add_album))
        .routes(routes!(albums::change_album, albums::remove_album))
        .routes(routes!(searches::list_searches, searches::remember_search, searches::forget_searches))
        .routes(routes!(searches::check_search))
        .routes(routes!(organised::list_tags))
        .routes(routes!(completing::complete))
        .routes(routes!(organised::list_conflicts))
        .routes(routes!(writing::settle))
        .routes(routes!(remotes::list_remotes, connecting::add_remote))
        .routes(routes!(connecting::list_kinds))
        .routes(routes!(remotes::set_remote, connecting::forget_remote))
        .routes(routes!(importing::complete))
        .routes(routes!(importing::list_sources, importing::remove_source))
        .routes(routes!(importing::import))
        .routes(routes!(remotes::show_waiting))
        .routes(routes!(remotes::show_costs))
        .routes(routes!(remotes::show_privacy))
        .routes(routes!(remotes::sync))
        .routes(routes!(switching::look))
        .routes(routes!(switching::switch))
        .routes(routes!(thawing::show_basket, thawing::thaw))
        .routes(routes!(thawing::collect, thawing::empty_basket))
        .routes(routes!(thawing::look))
        .routes(routes!(thawing::fetch))
        .routes(routes!(storage::show_storage))
        .routes(routes!(storage::plan_free))
        .routes(routes!(storage::free))
        .routes(routes!(storage::set_rules))
        .routes(routes!(forgetting::plan_forget))
        .routes(routes!(forgetting::forget))
        .routes(routes!(forgetting::list_receipts))
        .routes(routes!(settings::show_settings, settings::change_settings))
        .routes(routes!(jobs::stop_job))
        .routes(routes!(hidden::open_hidden))
        .routes(routes!(hidden::close_hidden))
        .routes(routes!(organised::show_trash, writing::trash))
        .routes(routes!(writing::restore))
        .routes(routes!(writing::stack))
        .routes(routes!(writing::unstack))
        .routes(routes!(duplicates::list_duplicates))
        .routes(routes!(duplicates::settle_duplicates))
        .routes(routes!(duplicates::stack_duplicates))
        .routes(routes!(map::show_map))
        .routes(routes!(map::list_places))
        .routes(routes!(tiles::show_tiles, tiles::name_tiles, tiles::forget_tiles))
        .routes(routes!(tiles::read_tiles))
        .routes(routes!(devices::list_devices))
        .routes(routes!(devices::rename_device))
        .routes(routes!(devices::leave))
        .routes(routes!(inviting::show_invitation, inviting::invite, inviting::call_off))
        .routes(routes!(inviting::compared))
        .routes(routes!(uploads::list_uploads))
        .routes(routes!(keys::list_keys, keys::add_key))
        .routes(routes!(keys::remove_key))
        .routes(routes!(passkeys::begin_passkey))
        .routes(routes!(passkeys::add_passkey))
        .routes(routes!(keys::show_kit))
        .routes(routes!(keys::test_recovery))
        .routes(routes!(past::release_brake))
        .routes(routes!(past::look_back, past::look_at_today))
        .routes(routes!(past::restore))
        .routes(routes!(past::list_snapshots, past::add_snapshot))
        .routes(routes!(past::remove_snapshot))
        .routes(routes!(past::list_changes))
        .routes(routes!(writing::edit))
        .routes(routes!(writing::undo))
        .routes(routes!(fetching::look, fetching::fetch));
    [open, unattended, attended]
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> Document {
    let [open, unattended, attended] = described();
    open.merge(unattended).merge(attended).into_openapi()
}

/// Everything that is answered.
pub(crate) fn routes(gallery: &Arc<Gallery>) -> Router {
    let [open, unattended, attended] = described().map(|routes| routes.split_for_parts().0);
    let closed = attended
        .layer(from_fn_with_state(Arc::clone(gallery), session::touch))
        .merge(unattended)
        .route("/api/v1/openapi.json", get(async || axum::Json(document())))
        .layer(from_fn_with_state(Arc::clone(gallery), session::require_session));
    let media = Router::new()
        .route("/media/{key}/t/{id}", get(media::show_thumbnail))
        .route("/media/{key}/p/{id}", get(media::show_preview))
        .route("/media/{key}/m/{id}", get(media::show_moving))
        .route("/media/{key}/v/{id}", get(proxies::show_proxy))
        .route("/media/{key}/o/{id}", get(media::show_original));
    open.layer(DefaultBodyLimit::max(MOST_TOKEN_BYTES))
        .merge(closed)
        .merge(media)
        .fallback(get(page::show_page))
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(gallery), guard::guard))
        .with_state(Arc::clone(gallery))
}
