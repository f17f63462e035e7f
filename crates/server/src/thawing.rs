//! The thaw basket: what is archived is collected, asked for, watched and brought here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use safelight_library::{ThawBasket, ThawWait, Urgency};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::asked::Asked;
use crate::failure::{Answer, Failure, HiddenClosed};
use crate::gallery::Gallery;
use crate::jobs::{self, Ended, ShownJob};
use crate::writing::Which;

/// What lies in the thaw basket, as it was seen last.
#[utoipa::path(get, path = "/api/v1/thaw", tag = "remotes", responses((status = 200, body = ThawBasket)))]
pub(crate) async fn show_basket(State(gallery): State<Arc<Gallery>>) -> Answer<Json<ThawBasket>> {
    gallery.door.read(|library| Ok(library.thaw_basket()?)).await.map(Json)
}

/// Photos that go into the basket, or out of it.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Collected {
    #[serde(flatten)]
    which: Which,
    /// Whether they go in.
    put: bool,
}

/// Puts photos into the thaw basket, or takes them out.
#[utoipa::path(post, path = "/api/v1/thaw/basket", tag = "remotes", request_body = Collected,
    responses((status = 200, body = ThawBasket), HiddenClosed))]
pub(crate) async fn collect(
    State(gallery): State<Arc<Gallery>>,
    Asked(Collected { which, put }): Asked<Collected>,
) -> Answer<Json<ThawBasket>> {
    let basket = gallery.door.write(move |library| {
        let selection = which.select(library, None)?;
        library.put_into_basket(&selection, put)?;
        Ok(library.thaw_basket()?)
    });
    basket.await.map(Json)
}

/// Takes everything out of the thaw basket.
#[utoipa::path(delete, path = "/api/v1/thaw/basket", tag = "remotes", responses((status = 200, body = ThawBasket)))]
pub(crate) async fn empty_basket(State(gallery): State<Arc<Gallery>>) -> Answer<Json<ThawBasket>> {
    let basket = gallery.door.write(|library| {
        library.empty_basket()?;
        Ok(library.thaw_basket()?)
    });
    basket.await.map(Json)
}

/// How soon.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct HowSoon {
    /// `standard` or `high`.
    priority: String,
}

/// Asks the remotes to thaw what is archived in the basket.
#[utoipa::path(post, path = "/api/v1/thaw", tag = "jobs", request_body = HowSoon,
    responses((status = 200, body = ShownJob), (status = 409, description = "`busy`; `refused`: the basket is empty")))]
pub(crate) async fn thaw(
    State(gallery): State<Arc<Gallery>>,
    Asked(HowSoon { priority }): Asked<HowSoon>,
) -> Answer<Json<ShownJob>> {
    let urgency = match priority.as_str() {
        "standard" => Urgency::Standard,
        "high" => Urgency::High,
        _ => return Err(Failure::not_understood("a priority is standard or high")),
    };
    begin(&gallery, ThawWait::Ask, urgency).await
}

/// Looks how what lies in the basket stands, and asks for nothing.
#[utoipa::path(post, path = "/api/v1/thaw/look", tag = "jobs", responses((status = 200, body = ShownJob)))]
pub(crate) async fn look(State(gallery): State<Arc<Gallery>>) -> Answer<Json<ShownJob>> {
    begin(&gallery, ThawWait::Look, Urgency::Standard).await
}

async fn begin(gallery: &Arc<Gallery>, wait: ThawWait, urgency: Urgency) -> Answer<Json<ShownJob>> {
    let selection = gallery.door.read(|library| Ok(library.select_basket()?)).await?;
    jobs::begin(gallery, "thaw", move |library, surroundings, monitor| {
        Ended::well(library.thaw(&selection, wait, urgency, surroundings, monitor)?)
    })
}

/// Brings here what can be read of the basket, and takes it out.
#[utoipa::path(post, path = "/api/v1/thaw/fetch", tag = "jobs", responses((status = 200, body = ShownJob)))]
pub(crate) async fn fetch(State(gallery): State<Arc<Gallery>>) -> Answer<Json<ShownJob>> {
    let selection = gallery.door.read(|library| Ok(library.select_basket()?)).await?;
    jobs::begin(&gallery, "thaw", move |library, surroundings, monitor| {
        Ended::well(library.fetch_from_basket(&selection, surroundings, monitor)?)
    })
}
