//! The config of an image, to the byte as Go writes it.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::json::{ConfigJson, HistoryJson};
use crate::image::DiffId;

/// A config, its members in the order in which Go writes them.
#[derive(Debug, Serialize)]
pub(super) struct GoImage<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<&'a str>,
    pub(super) architecture: &'a str,
    pub(super) os: &'a str,
    pub(super) config: &'a ConfigJson,
    pub(super) rootfs: RootFs<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) history: &'a [HistoryJson],
}

/// The layers.
#[derive(Debug, Serialize)]
pub(super) struct RootFs<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: &'a [DiffId],
}

impl<'a> RootFs<'a> {
    pub(super) fn new(diff_ids: &'a [DiffId]) -> Self {
        Self { kind: "layers", diff_ids }
    }
}

impl GoImage<'_> {
    /// Returns the config as JSON.
    pub(super) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = Vec::new();
        self.serialize(&mut Serializer::with_formatter(&mut json, GoJson))?;
        Ok(json)
    }
}

/// Writes JSON as Go does: without blanks, and fit for being put into HTML or JavaScript.
struct GoJson;

impl Formatter for GoJson {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let special = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        for piece in fragment.split_inclusive(special) {
            let last = piece.chars().next_back().filter(|&c| special(c));
            let plain = last.and_then(|c| piece.strip_suffix(c)).unwrap_or(piece);
            writer.write_all(plain.as_bytes())?;
            if let Some(c) = last {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
        }
        Ok(())
    }
}
