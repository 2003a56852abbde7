//! Creating things once, though the platform takes no key by which it would know a request
//! that it has met before.

use serde::de::DeserializeOwned;

use super::call::{Again, Call};
use super::{Client, Error};

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
            if !error.may_be_done() {
                return Err(error);
            }
            self.pause_before_look_up(attempt).await;
            match find().await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) if self.has_patience(attempt) => attempt += 1,
                _ => return Err(error),
            }
        }
    }
}
