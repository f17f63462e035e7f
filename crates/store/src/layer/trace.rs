//! A trace of every call: place, operation, how long, how it ended. Object names are names of sealed objects,
//! and in a plain copy the paths of files, which its place reads as well;
//! addresses with their secrets, headers and bytes never come this far.

use std::future::Future;
use std::sync::Arc;

use super::{Call, Clock, Layer, Layered, Volume};
use crate::error::StoreError;
use crate::remote::Remote;

/// Traces calls.
#[derive(Debug)]
pub struct Tracing {
    clock: Arc<dyn Clock>,
}

/// A remote whose calls are traced.
pub type Traced = Layered<Tracing>;

impl Tracing {
    /// The layer around a remote.
    #[must_use]
    pub fn around(inner: Arc<dyn Remote>, clock: Arc<dyn Clock>) -> Traced {
        Layered::new(inner, Self { clock })
    }
}

impl Layer for Tracing {
    async fn run<T, Attempt, Trying>(&self, call: Call<'_>, attempt: Attempt) -> Result<T, StoreError>
    where
        T: Volume + Send,
        Attempt: Fn() -> Trying + Send + Sync,
        Trying: Future<Output = Result<T, StoreError>> + Send,
    {
        let begun = self.clock.now();
        let result = attempt().await;
        let took = self.clock.now().saturating_sub(begun);
        let (place, operation, object, up_bytes) =
            (call.place, call.operation.name(), call.object, call.up_bytes);
        match &result {
            Ok(answer) => {
                let down_bytes = answer.down_bytes();
                tracing::debug!(place, operation, object, up_bytes, down_bytes, ?took, "done");
            }
            Err(error) => tracing::debug!(place, operation, object, up_bytes, ?took, %error, "failed"),
        }
        result
    }
}
