//! One way to build a client, one verdict on failures, one retry loop.
//!
//! Requests are sent by [`send`], which gives back any answer: what a status means is the
//! business of the service that was asked. Redirects are never followed here, and bodies
//! are never sent twice by the client itself, so attempts are counted in one place.

mod client;
mod error;
mod retry;
mod secret;
mod text;

pub use client::{Clients, send};
pub use error::Error;
pub use retry::{Judge, Patience, Retry, Verdict, status_verdict};
pub use secret::{Secret, SharedSecret, authorization, basic_authorization};
pub use text::{clean, read_capped};
