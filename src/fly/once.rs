//! Creating things once, though the platform takes no key by which it would know a request
//! that it has met before.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::http::{Judge as _, Verdict};

use super::call::{Again, Call};
use super::{Client, Error};

/// How often a thing is asked for anew when it was surely not created before.
const ATTEMPTS: u32 = 3;

/// Lists show a new thing only after a while.
const LOOK_UP_PAUSE: Duration = Duration::from_millis(500);

impl Client {
    /// Creates what `call` asks for. Where it may have been created without an answer,
    /// `find` looks for it, and only if there is none the request is repeated.
    pub(super) async fn create_once<T: DeserializeOwned>(
        &self,
        mut call: Call<'_>,
        find: impl AsyncFn() -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        call.again = Again::NothingDone;
        let mut attempt = 1;
        loop {
            let error = match self.call(&call).await {
                Ok(created) => return Ok(created),
                Err(error) => error,
            };
            if error.verdict() == Verdict::Final || error.nothing_done() {
                return Err(error);
            }
            tokio::time::sleep(LOOK_UP_PAUSE * attempt).await;
            if let Some(found) = find().await? {
                return Ok(found);
            }
            if attempt == ATTEMPTS {
                return Err(error);
            }
            attempt += 1;
        }
    }
}
