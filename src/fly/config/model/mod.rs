//! The file as flyctl's own types have it, after all spellings are made one.
//!
//! Read and written, they follow the rules of Go's JSON: what is missing is empty, what is
//! empty is left out. Where Go has a pointer, there is an [`Option`], for which a zero or an
//! empty text is a value. So a file that is read and written is what a release records.

mod build;
mod machine;
mod service;

pub(super) use build::Deploy;
use build::{Build, Experimental};
pub(super) use machine::{Document, Mount, Static, Vm};
pub(super) use service::{
    Concurrency, HttpCheck, HttpOptions, HttpService, Port, ReplayCache, ResponseOptions, Service,
    TcpCheck, TlsOptions, TopLevelCheck,
};

/// Defines tables of the file.
macro_rules! tables {
    ($($(#[$meta:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $kind:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
            #[serde(default)]
            pub(in crate::fly::config) struct $name {
                $(
                    $(#[$attribute])*
                    #[serde(skip_serializing_if = "super::is_empty")]
                    pub(in crate::fly::config) $field: $kind,
                )*
            }
        )*
    };
}
use tables;

/// Returns whether a field is left out.
fn is_empty<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
