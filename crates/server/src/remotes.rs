//! The remotes: what goes there and on which terms, what waits and why, what it costs; and syncing with them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use safelight_library::{
    PolicyChange, RemoteCost, RemotePrivacy, ShownRemote, SyncRequest, WaitingGroup, is_link_unmetered,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::asked::Asked;
use crate::failure::{Answer, Failed, Failure};
use crate::gallery::Gallery;
use crate::jobs::{self, Ended, ShownJob};

/// The remotes, what goes there, and how far that is; as `safelight remote list --json`.
#[utoipa::path(get, path = "/api/v1/remotes", tag = "remotes", responses((status = 200, body = [ShownRemote])))]
pub(crate) async fn list_remotes(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<ShownRemote>>> {
    gallery.door.read(|library| Ok(library.remotes()?)).await.map(Json)
}

/// What is to be set.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RemoteSettings {
    /// Settings and their values, as `safelight remote set` takes them: `policy`, `only`, `older`, `by`, `unmetered`, `expose`,
    /// `tier`, `limit`, `quiet`, `daily`, `price.…`.
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    /// Whether more may newly be sent than needs no consent.
    #[serde(default)]
    consent: bool,
}

/// The same in the words of `safelight remote set`.
pub(crate) fn setting_words(settings: &Map<String, Value>) -> Answer<Vec<String>> {
    let word = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok(format!("{name}={text}")),
        Value::Number(number) => Ok(format!("{name}={number}")),
        Value::Bool(is) => Ok(format!("{name}={}", if *is { "yes" } else { "no" })),
        _ => Err(Failure::not_understood(format!("{name} is a text, a number, true or false"))),
    };
    // The policy first: the others are read by it.
    let (policy, others): (Vec<_>, Vec<_>) = settings.iter().partition(|(name, _)| *name == "policy");
    policy.into_iter().chain(others).map(word).collect()
}

/// Changes what goes to a remote, and on which terms.
#[utoipa::path(patch, path = "/api/v1/remotes/{name}", tag = "remotes", request_body = RemoteSettings,
    params(("name" = String, Path, description = "the remote")),
    responses((status = 200, body = PolicyChange), (status = 409, body = Failed, description = "`needs-consent`"),
        (status = 400, body = Failed, description = "`not-understood`: the error names the setting")))]
pub(crate) async fn set_remote(
    State(gallery): State<Arc<Gallery>>,
    Path(name): Path<String>,
    Asked(RemoteSettings { settings, consent }): Asked<RemoteSettings>,
) -> Answer<Json<PolicyChange>> {
    let words = setting_words(&settings)?;
    if words.is_empty() {
        return Err(Failure::not_understood("nothing is to be set"));
    }
    let only = settings.get("only").and_then(Value::as_str).unwrap_or_default().to_owned();
    let change = gallery.door.write(move |library| {
        let set = library.set_remote(&name, &words, consent);
        let change = set.map_err(|error| marked(Failure::from(error), &only))?;
        Ok((change, library.revision()?))
    });
    let (change, revision) = change.await?;
    gallery.news.revision(revision);
    gallery.news.places();
    Ok(Json(change))
}

/// Marks the words of a policy's query that cannot be understood.
fn marked(failure: Failure, only: &str) -> Failure {
    let is_about_it = failure.more.as_ref().and_then(|more| more.setting.as_deref()) == Some("only");
    if is_about_it { failure.about(only) } else { failure }
}

/// What is not in a remote.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Waiting {
    groups: Vec<WaitingGroup>,
}

/// What is not in a remote and why, what needs somebody first.
#[utoipa::path(get, path = "/api/v1/remotes/{name}/waiting", tag = "remotes",
    params(("name" = String, Path, description = "the remote")), responses((status = 200, body = Waiting), (status = 404)))]
pub(crate) async fn show_waiting(
    State(gallery): State<Arc<Gallery>>,
    Path(name): Path<String>,
) -> Answer<Json<Waiting>> {
    let groups = gallery.door.read(move |library| Ok(library.waiting_at(&name)?));
    groups.await.map(|groups| Json(Waiting { groups }))
}

/// What the remotes cost, as well as can be said. Nothing is asked of them.
#[utoipa::path(get, path = "/api/v1/costs", tag = "remotes", responses((status = 200, body = [RemoteCost])))]
pub(crate) async fn show_costs(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<RemoteCost>>> {
    let costs = gallery.door.survey(|library, surroundings| Ok(library.costs_of_all_remotes(surroundings)?));
    costs.await.map(Json)
}

/// What is to be synced.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct WhatToSync {
    /// The remote; all of them when left out.
    remote: Option<String>,
    /// Whether what waits for consent is sent.
    #[serde(default)]
    consent: bool,
    /// Whether quiet hours are passed over.
    #[serde(default)]
    despite_quiet: bool,
    /// Whether uploads are taken in beyond what is taken on one day, and those that were put aside are looked at again.
    #[serde(default)]
    insist_on_uploads: bool,
}

/// Syncs with one remote, or with all.
#[utoipa::path(post, path = "/api/v1/sync", tag = "jobs", request_body = WhatToSync,
    responses((status = 200, body = ShownJob), (status = 409, description = "`busy`")))]
pub(crate) async fn sync(
    State(gallery): State<Arc<Gallery>>,
    Asked(WhatToSync { remote, consent, despite_quiet, insist_on_uploads }): Asked<WhatToSync>,
) -> Answer<Json<ShownJob>> {
    jobs::begin(&gallery, "sync", move |library, surroundings, monitor| {
        let request = SyncRequest {
            remote: remote.as_deref(),
            consent,
            is_unmetered: is_link_unmetered(),
            despite_quiet,
            is_repeated: false,
            insists_on_uploads: insist_on_uploads,
        };
        let run = library.sync(&request, surroundings, monitor)?;
        let report = json!({ "outcomes": run.outcomes });
        Ended::with(report, run.into_failure().map(Failure::from))
    })
}

/// What whoever keeps each remote can see there; as `safelight remote privacy --json`.
#[utoipa::path(get, path = "/api/v1/privacy", tag = "remotes", responses((status = 200, body = [RemotePrivacy])))]
pub(crate) async fn show_privacy(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<RemotePrivacy>>> {
    gallery.door.survey(|library, _| Ok(library.remote_privacy(None)?)).await.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_said_in_the_words_of_the_command_line() {
        let settings =
            json!({ "older": "2y", "unmetered": true, "expose": 20, "policy": "archive-only", "only": "" });
        let words = setting_words(settings.as_object().unwrap()).unwrap();
        assert_eq!(words[0], "policy=archive-only");
        let mut others = words[1..].to_vec();
        others.sort();
        assert_eq!(others, ["expose=20", "older=2y", "only=", "unmetered=yes"]);
        assert!(setting_words(json!({ "limit": null }).as_object().unwrap()).is_err());
    }
}
