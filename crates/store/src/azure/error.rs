//! What the SDK's errors mean.
//!
//! Nothing of the SDK's own error is kept but the status and Azure's name for the reason: its messages may
//! repeat bodies and addresses.

use std::time::SystemTime;

use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::HeaderName;

use super::ROLE_HINT;
use super::identity::IdentityError;
use crate::error::{Operation, StoreError};
use crate::http::{Asked, NetworkFault, Refusal, retry_after};

/// Whether an error is an answer with this status.
pub(super) fn is_refused_as(error: &Error, status: u16) -> bool {
    error.http_status().is_some_and(|answered| u16::from(answered) == status)
}

/// Names an error of the SDK by its meaning.
pub(super) fn meaning(asked: Asked<'_>, error: Error) -> StoreError {
    if let ErrorKind::HttpResponse { status, error_code, raw_response } = error.kind() {
        let header = |name: &'static str| {
            let headers = raw_response.as_ref()?.headers();
            headers.get_optional_str(&HeaderName::from_static(name)).map(str::to_owned)
        };
        let code = header("x-ms-error-code").or_else(|| error_code.clone().filter(|code| is_code(code)));
        let wait = retry_after(header("retry-after").as_deref(), SystemTime::now());
        return refused(asked, u16::from(*status), code, wait);
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(identity) = inner.downcast_ref::<IdentityError>() {
            return identity.meaning(asked);
        }
        cause = inner.source();
    }
    match error.into_downcast::<NetworkFault>() {
        Ok(fault) => asked.network(fault),
        // What is left: the SDK could not make sense of an answer, or of what it was given.
        Err(error) => match error.kind() {
            ErrorKind::Connection | ErrorKind::Io => asked.cut_short(),
            kind => asked.nonsense(&format!("the answer makes no sense ({kind})")),
        },
    }
}

/// Whether a text is one of Azure's names and not a sentence of somebody else.
fn is_code(code: &str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn refused(
    asked: Asked<'_>,
    status: u16,
    code: Option<String>,
    wait: Option<std::time::Duration>,
) -> StoreError {
    let known = code.as_deref().unwrap_or_default();
    let hint = match (status, known) {
        (403, "AuthorizationPermissionMismatch") => Some(ROLE_HINT),
        (403, "AuthenticationFailed") => {
            Some("the signature or token is wrong or has expired; check the clock, then the credential")
        }
        (403, "AuthorizationFailure") => {
            Some("the account's firewall keeps this address out, or the SAS covers another container")
        }
        (403, _) => Some(ROLE_HINT),
        (401, _) => {
            Some("no credential was accepted; pass one with --credential-file or sign in with az login")
        }
        (404, "ContainerNotFound") => Some("create the container first"),
        (_, "AccountIsDisabled") => Some("the storage account is disabled"),
        _ => None,
    };
    match (status, known) {
        (409 | 412, "BlobAlreadyExists" | "ConditionNotMet") if asked.operation == Operation::Put => {
            return asked.already_exists();
        }
        (409, "BlobArchived" | "BlobBeingRehydrated") => return asked.archived(),
        _ => {}
    }
    let hint = hint.map(str::to_owned);
    // A missing container is not a missing object: whoever took it for one would lose trust in every copy.
    let is_object = !matches!(
        known,
        "ContainerNotFound" | "ContainerBeingDeleted" | "ResourceNotFound" | "AccountIsDisabled"
    );
    let refusal = Refusal { status, code, hint };
    if is_object { asked.refuse(refusal, wait) } else { asked.refuse_place(refusal) }
}
