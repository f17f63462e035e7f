//! What all routes share: who asks, how much they may, and granting one object so that it is written down first.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::extract::rejection::BytesRejection;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use safelight_store::{Declared, GrantRequest, Key};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::allowance::Exceeded;
use crate::failure::{Answer, Failure};
use crate::ledger::{GrantRecord, Ledger};
use crate::place::{Granted, Place, Way};
use crate::shares::Shares;
use crate::strangers::{Peer, Strangers};
use crate::table::{Grantee, Table};
use crate::ticket::{Ticket, Tickets};
use crate::time::{day_of, written_system};
use crate::tokens::Limits;

/// The seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// How a gateway grants.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// What the names of plain files begin with.
    pub(crate) prefix: String,
    pub(crate) valid_for: Duration,
    /// Where phones reach this gateway, for what it relays; without a slash at its end.
    pub(crate) public_url: String,
    /// The most bytes of a relayed upload that declared none.
    pub(crate) most_relayed_bytes: u64,
    /// Where relayed bytes rest until they are whole; files without names.
    pub(crate) spool: PathBuf,
}

/// A gateway that serves.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) place: Place,
    pub(crate) table: Table,
    pub(crate) ledger: Ledger,
    pub(crate) tickets: Tickets,
    pub(crate) terms: Terms,
    /// Uploads that may be relayed at once.
    pub(crate) relays: Semaphore,
    /// Those of them that belong to one token, by its id.
    pub(crate) relays_of_one: Shares<String>,
    pub(crate) strangers: Strangers,
}

/// One object that somebody asks to create.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) key: Key,
    pub(crate) declared: Option<Declared>,
    pub(crate) user: Option<String>,
    pub(crate) way: Way,
}

/// Who asks, known before anything of the body is taken.
#[derive(Debug)]
pub(crate) struct Admitted(pub(crate) Arc<Grantee>);

impl FromRequestParts<Arc<Gateway>> for Admitted {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Answer<Self> {
        let admitted = gateway.admit(&parts.headers);
        if admitted.is_err() {
            gateway.strangers.came(parts.extensions.get::<Peer>().copied());
        }
        admitted.map(Self)
    }
}

impl Gateway {
    /// Who asks.
    fn admit(&self, headers: &HeaderMap) -> Answer<Arc<Grantee>> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return Err(Failure::no_token()) };
        let value = value.to_str().map_err(|_| Failure::no_token())?;
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Err(Failure::no_token()),
        };
        self.table.find(token).ok_or_else(Failure::no_token)
    }

    /// Takes objects from what a token may ask for.
    pub(crate) fn charge(&self, grantee: &Grantee, files: u32, bytes: u64) -> Answer<()> {
        let (now, moment, limits) = (Instant::now(), Timestamp::now(), grantee.entry.limits);
        let taken = grantee.allowance.take(limits, (now, day_of(moment)), (files, bytes));
        taken.map_err(|exceeded| refused(exceeded, limits, moment))
    }

    /// The same for objects that are only looked at: as many a minute as may be granted, and no end of them a day.
    pub(crate) fn charge_look(&self, grantee: &Grantee, files: u32) -> Answer<()> {
        let (now, moment) = (Instant::now(), Timestamp::now());
        let limits = Limits { files_a_day: u64::MAX, ..grantee.entry.limits };
        let taken = grantee.looks.take(limits, (now, day_of(moment)), (files, 0));
        taken.map_err(|exceeded| refused(exceeded, limits, moment))
    }

    /// Charges objects and grants them; what is not granted is not charged.
    pub(crate) async fn grant_charged(&self, grantee: &Grantee, wishes: Vec<Wish>) -> Answer<Vec<Granted>> {
        let lengths = wishes.iter().filter_map(|wish| wish.declared).map(|declared| declared.length_bytes);
        let bytes = lengths.fold(0_u64, u64::saturating_add);
        let files = u32::try_from(wishes.len()).unwrap_or(u32::MAX);
        let day = day_of(Timestamp::now());
        self.charge(grantee, files, bytes)?;
        let granted = self.grant(grantee, wishes).await;
        if granted.is_err() {
            grantee.allowance.give_back(grantee.entry.limits, day, (files, bytes));
        }
        granted
    }

    /// Grants objects. All of them are durably written down before any is answered, or none is.
    async fn grant(&self, grantee: &Grantee, wishes: Vec<Wish>) -> Answer<Vec<Granted>> {
        let at = written_system(SystemTime::now());
        let (mut granted, mut records) = (Vec::with_capacity(wishes.len()), Vec::with_capacity(wishes.len()));
        for wish in wishes {
            let one = self.mint(grantee, &wish).await?;
            records.push(GrantRecord {
                at: at.clone(),
                expires: written_system(one.expires),
                token: grantee.entry.id.clone(),
                user: wish.user,
                object: wish.key.as_str().to_owned(),
                bytes: wish.declared.map(|declared| declared.length_bytes),
                sha256: wish.declared.map(|declared| HEXLOWER.encode(&declared.sha256)),
                way: one.way.word().to_owned(),
            });
            granted.push(one);
        }
        self.ledger.keep(records).await.map_err(|_| Failure::not_recorded())?;
        Ok(granted)
    }

    async fn mint(&self, grantee: &Grantee, wish: &Wish) -> Answer<Granted> {
        if wish.way == Way::Relayed {
            return self.ticket(grantee, wish);
        }
        let request = GrantRequest {
            key: wish.key.clone(),
            valid_for: self.terms.valid_for,
            at_most_bytes: wish.declared.map_or(u64::MAX, |declared| declared.length_bytes),
            declared: wish.declared,
        };
        let grant = self.place.grant(&request).await.map_err(|error| Failure::of_store(&error))?;
        Ok(Granted { url: grant.url, headers: grant.headers, expires: grant.expires, way: wish.way })
    }

    fn ticket(&self, grantee: &Grantee, wish: &Wish) -> Answer<Granted> {
        let expires = SystemTime::now() + self.terms.valid_for;
        let ticket = Ticket {
            key: wish.key.clone(),
            declared: wish.declared,
            token: grantee.entry.id.clone(),
            expires,
        };
        let text = self.tickets.write(&ticket).map_err(|error| {
            tracing::error!(%error, "a ticket could not be written");
            Failure::busy("the upload could not be prepared")
        })?;
        let url = format!("{}/v1/relay/{text}", self.terms.public_url);
        Ok(Granted { url, headers: std::collections::BTreeMap::new(), expires, way: Way::Relayed })
    }
}

/// What a token asked too much of.
fn refused(exceeded: Exceeded, limits: Limits, moment: Timestamp) -> Failure {
    let of_day = |message| {
        let left = DAY_SECONDS - moment.as_second().rem_euclid(DAY_SECONDS);
        Failure::new(StatusCode::TOO_MANY_REQUESTS, "quota", message).after(left.unsigned_abs())
    };
    match exceeded {
        Exceeded::Rate(wait) => {
            let message = format!("this token may ask for {} objects a minute", limits.per_minute);
            Failure::new(StatusCode::TOO_MANY_REQUESTS, "too-many", message).after(wait.as_secs())
        }
        Exceeded::Files => of_day("the objects of this day are used up"),
        Exceeded::Bytes => of_day("the bytes of this day are used up"),
    }
}

/// Reads a body as JSON.
pub(crate) fn understood<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>, most: usize) -> Answer<T> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::too_large(most as u64),
        _ => Failure::not_understood("the body could not be read"),
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        // Where, not what: the body may hold what is not for a log.
        let place = format!("line {}, column {}", error.line(), error.column());
        Failure::not_understood(format!("the body is no JSON of this shape ({place})"))
    })
}
