//! References: where an image is, in `registry/repository[:tag][@digest]`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Digest, ParseDigestError};

/// Why a text is no reference, or no part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseReferenceError {
    /// There is no registry in front of the first slash.
    #[error("`{0}` names no registry: write it as HOST/REPOSITORY")]
    NoRegistry(String),
    /// The host or its port is not of the form that URLs have.
    #[error("`{0}` is not a registry host: write it as NAME or NAME:PORT")]
    Host(String),
    /// A repository is made of lower-case words, parted by `/`, `.`, `_` or `-`.
    #[error("`{0}` is not a repository name: lower-case letters, digits, `.`, `_`, `-` and `/`")]
    Repository(String),
    /// A tag is too long or holds something other than word characters, `.` and `-`.
    #[error("`{0}` is not a tag: up to 128 letters, digits, `.`, `_` and `-`")]
    Tag(String),
    /// What follows `@` is no digest.
    #[error(transparent)]
    Digest(#[from] ParseDigestError),
}

/// The host of a registry, with its port when it has one: `registry.fly.io`,
/// `127.0.0.1:5000`, `[::1]:5000`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RegistryHost(String);

impl RegistryHost {
    /// Returns the host and port as they were written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the host is this machine: `localhost` or a loopback address.
    pub fn is_loopback(&self) -> bool {
        let (name, _) = split_port(&self.0);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost"
            || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parts `name:port`, minding the colons of a bracketed IPv6 address.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    }
}

impl TryFrom<String> for RegistryHost {
    type Error = ParseReferenceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Returns whether a URL takes `label` for a part of an address, if it is the last one.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()),
    }
}

impl FromStr for RegistryHost {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, port) = split_port(text);
        let name_ok = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            // URLs take short and hexadecimal forms for addresses too, and mean another host
            // than is written: `127.1`, `0x7f.1`.
            None if name.rsplit('.').next().is_some_and(is_number) => {
                name.parse::<std::net::Ipv4Addr>().is_ok()
            }
            None => name.split('.').all(|label| {
                !label.is_empty()
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            }),
        };
        let port_ok = port.is_none_or(|port| {
            port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0)
        });
        if name_ok && port_ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseReferenceError::Host(text.to_owned()))
        }
    }
}

/// The name of a repository within its registry.
///
/// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Repository(String);

impl Repository {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Repository {
    type Error = ParseReferenceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Repository {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() <= 255 && text.split('/').all(is_path_component) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseReferenceError::Repository(text.to_owned()))
        }
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let Some((first, last)) = text.bytes().next().zip(text.bytes().last()) else {
        return false;
    };
    is_word(first)
        && is_word(last)
        && text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(|parting| {
            matches!(parting, "" | "." | "_" | "__") || parting.bytes().all(|b| b == b'-')
        })
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Tag(String);

impl Tag {
    /// Returns the tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let mut bytes = text.bytes();
        let ok = bytes.next().is_some_and(is_word)
            && bytes.all(|b| is_word(b) || b == b'.' || b == b'-')
            && text.len() <= 128;
        if ok { Ok(Self(text.to_owned())) } else { Err(ParseReferenceError::Tag(text.to_owned())) }
    }
}

/// Where an image is.
///
/// The registry is always written out: a bare `name:tag` is refused, for nobody who
/// deploys to Fly means Docker Hub by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The registry's host.
    pub registry: RegistryHost,
    /// The repository in it.
    pub repository: Repository,
    /// The tag, if one is named.
    pub tag: Option<Tag>,
    /// The digest, if one is named. It wins over the tag.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Names a repository as a whole.
    pub fn new(registry: RegistryHost, repository: Repository) -> Self {
        Self { registry, repository, tag: None, digest: None }
    }

    /// Returns the same repository with `tag` alone.
    #[must_use]
    pub fn with_tag(&self, tag: Tag) -> Self {
        Self { tag: Some(tag), digest: None, ..self.clone() }
    }

    /// Returns the same repository with `digest` alone.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse()?)),
            None => (text, None),
        };
        let no_registry = || ParseReferenceError::NoRegistry(text.to_owned());
        let (host, path) = name.split_once('/').ok_or_else(no_registry)?;
        // As Docker tells a host from the first word of a repository.
        if !host.contains(['.', ':']) && host != "localhost" {
            return Err(no_registry());
        }
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag.parse()?)),
            None => (path, None),
        };
        Ok(Self { registry: host.parse()?, repository: repository.parse()?, tag, digest })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reference_is_parted_into_what_it_names() {
        let digest = Digest::of(b"");
        let text = format!("registry.fly.io/my-app:v1.2_x@{digest}");
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.registry.as_str(), "registry.fly.io");
        assert_eq!(reference.repository.as_str(), "my-app");
        assert_eq!(reference.tag.as_ref().unwrap().as_str(), "v1.2_x");
        assert_eq!(reference.digest, Some(digest));
        assert_eq!(reference.to_string(), text);
    }

    #[test]
    fn what_names_no_registry_or_is_malformed_is_refused() {
        for text in [
            "",
            "my-app",
            "my-app:1",
            "library/my-app",
            "registry.fly.io/",
            "registry.fly.io/App",
            "registry.fly.io/a//b",
            "registry.fly.io/a___b",
            "registry.fly.io/a.-b",
            "registry.fly.io/-a",
            "registry.fly.io/a:",
            "registry.fly.io/a:.b",
            "registry.fly.io/a@sha256:00",
            "registry.fly.io:99999/a",
            "registry.fly.io:/a",
            "https://registry.fly.io/a",
            "a b.c/d",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_told_from_names_that_only_look_like_it() {
        for (host, loopback) in [
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("127.9.9.9:1", true),
            ("[::1]:5000", true),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com:5000", false),
            ("registry.fly.io", false),
        ] {
            assert_eq!(host.parse::<RegistryHost>().unwrap().is_loopback(), loopback, "{host}");
        }
    }

    #[test]
    fn an_address_is_written_in_full_or_refused() {
        for host in ["1.1", "127.1:5000", "0x7f.1", "10.0.0.010", "a.0x", "registry.9", "999.0.0.1"]
        {
            assert!(host.parse::<RegistryHost>().is_err(), "{host}");
        }
        for host in ["10.0.0.1:5000", "1.example.com", "0x7f.example.com", "a.9b", "9a"] {
            assert!(host.parse::<RegistryHost>().is_ok(), "{host}");
        }
    }

    proptest! {
        #[test]
        fn what_was_parsed_prints_as_it_was(
            text in r"[a-z]{1,5}\.[a-z]{2}(:[1-9][0-9]{0,3})?/[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(:[A-Za-z0-9_][A-Za-z0-9._-]{0,20})?"
        ) {
            prop_assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>()) {
            let _either_way = text.parse::<Reference>();
        }
    }
}
