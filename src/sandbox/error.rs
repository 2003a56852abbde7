//! Why a sandbox cannot run.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::error::Explain;

/// Why a sandbox cannot be started, or cannot keep what it was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken or not this machine's.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A file of the folder cannot be read or written.
    #[error("cannot {verb} `{path}`")]
    File {
        /// What was attempted, such as `read`.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A file of the folder was not written by a sandbox.
    #[error("`{path}` is not the state of a sandbox's app")]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The name cannot be an app's.
    #[error(
        "`{0}` is not an app name: lower-case letters, digits and `-`, with `@ORGANIZATION` or not"
    )]
    AppName(String),
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "sandbox.listen",
            Self::File { .. } => "sandbox.file",
            Self::State { .. } => "sandbox.state",
            Self::AppName(_) => "sandbox.app-name",
        }
    }

    fn hint(&self) -> Option<std::borrow::Cow<'static, str>> {
        match self {
            Self::Listen { .. } => Some("port 0 takes any port that is free".into()),
            Self::State { .. } => Some("remove the folder to begin anew".into()),
            Self::File { .. } | Self::AppName(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Account;

    #[test]
    fn a_taken_port_is_explained() {
        let error = Error::Listen {
            address: SocketAddr::from(([127, 0, 0, 1], 5000)),
            source: io::Error::other("address in use"),
        };
        insta::assert_snapshot!(Account::of(&error).to_string(), @r"
        error: cannot listen on `127.0.0.1:5000`
          caused by: address in use

        hint: port 0 takes any port that is free
        ");
    }
}
