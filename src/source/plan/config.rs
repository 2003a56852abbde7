//! The image's config, to the byte as nixpkgs' script writes it.

use serde::Deserialize;

use super::super::Error;
use super::conf::Plan;
use super::json::{Json, Members};
use crate::image::DiffId;
use crate::nix::StorePath;

/// The image that a plan builds upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) struct Base<'a> {
    /// The bytes of its config.
    pub(in crate::source) config: &'a [u8],
    /// The members that hold its layers, written as its `manifest.json` has them.
    pub(in crate::source) layers: &'a [String],
}

#[derive(Deserialize)]
struct BaseConfig {
    config: Members,
    rootfs: BaseRootFs,
}

#[derive(Deserialize)]
struct BaseRootFs {
    diff_ids: Vec<DiffId>,
}

impl Plan {
    /// Makes the image's config. `own` are the `diff_ids` of the plan's own layers, in their
    /// order; those of `base` come before them.
    ///
    /// # Errors
    ///
    /// Fails when the base is missing or unreadable, when there is not one `diff_id` for
    /// each layer, and on what Python would write in a way that is not known here.
    pub(in crate::source) fn config(
        &self,
        base: Option<Base<'_>>,
        own: &[DiffId],
    ) -> Result<Vec<u8>, Error> {
        let refuse = |problem: String| self.refuse(problem);
        if self.base_image().is_some() != base.is_some() {
            return Err(refuse("is read without the image that it builds upon".to_owned()));
        }
        if own.len() != self.own_layers() {
            let problem = format!("has {} layers, not {}", self.own_layers(), own.len());
            return Err(refuse(problem));
        }
        let mut config = self.container_config.clone();
        let mut diff_ids = Vec::new();
        let mut comments = Vec::new();
        if let Some(base) = base {
            let read: BaseConfig = serde_json::from_slice(base.config)
                .map_err(|error| refuse(format!("builds upon an image whose config {error}")))?;
            overlay_environment(&read.config, &mut config)
                .ok_or_else(|| refuse("has an `Env` that is no list of strings".to_owned()))?;
            // As many as both lists have.
            for (name, diff_id) in base.layers.iter().zip(read.rootfs.diff_ids) {
                diff_ids.push(diff_id);
                comments.push(comment([name.as_str()]));
            }
        }
        diff_ids.extend(own);
        comments.extend(
            self.store_layers.iter().map(|paths| comment(paths.iter().map(StorePath::as_str))),
        );
        comments.push(comment([self.customisation_path.as_str()]));

        let created = || Json::from(self.created.as_str());
        let history = comments.into_iter().map(|comment| {
            let comment = comment.ok_or_else(|| {
                refuse("names something that is not ASCII, which is not read here".to_owned())
            })?;
            Ok(Json::Object(Members::of([
                ("created", created()),
                ("comment", Json::String(comment)),
            ])))
        });
        let history = history.collect::<Result<Vec<_>, Error>>()?;
        let diff_ids = diff_ids.iter().map(|diff_id| Json::String(diff_id.to_string())).collect();
        let rootfs =
            Members::of([("diff_ids", Json::Array(diff_ids)), ("type", Json::from("layers"))]);
        let image = Members::of([
            ("created", created()),
            ("architecture", Json::from(self.architecture())),
            ("os", Json::from(self.os())),
            ("config", Json::Object(config)),
            ("rootfs", Json::Object(rootfs)),
            ("history", Json::Array(history)),
        ]);
        Ok(Json::Object(image).python_text().into_bytes())
    }
}

/// Puts the variables of `base` before those of `own`. Of two with one name, the first has
/// the place and the last the value.
fn overlay_environment(base: &Members, own: &mut Members) -> Option<()> {
    let mut resolved: Vec<(&str, &str)> = Vec::new();
    for list in [base.get("Env"), own.get("Env")].into_iter().flatten() {
        let items = match list {
            Json::Array(items) => items.as_slice(),
            // Other tools write it where there are none.
            Json::Null => &[],
            _ => return None,
        };
        for item in items {
            let Json::String(entry) = item else { return None };
            let name = entry.split('=').next().unwrap_or_default();
            match resolved.iter_mut().find(|(other, _)| *other == name) {
                Some((_, old)) => *old = entry,
                None => resolved.push((name, entry)),
            }
        }
    }
    if !resolved.is_empty() {
        let entries = resolved.into_iter().map(|(_, entry)| Json::from(entry)).collect();
        own.set("Env", Json::Array(entries));
    }
    Some(())
}

/// Returns what the history says of a layer: a list of strings as Python writes it for
/// programmers. Which other characters it escapes depends on its version, so there are none
/// but ASCII.
fn comment<'a>(paths: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let paths = paths.into_iter().map(python_repr).collect::<Option<Vec<_>>>()?;
    Some(format!("store paths: [{}]", paths.join(", ")))
}

fn python_repr(text: &str) -> Option<String> {
    if !text.is_ascii() {
        return None;
    }
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut repr = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => repr.push_str("\\\\"),
            '\n' => repr.push_str("\\n"),
            '\r' => repr.push_str("\\r"),
            '\t' => repr.push_str("\\t"),
            c if c == quote => repr.extend(['\\', c]),
            ' '..='~' => repr.push(c),
            c => repr.extend(format!("\\x{:02x}", u32::from(c)).chars()),
        }
    }
    repr.push(quote);
    Some(repr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_a_list_as_python_shows_it() {
        assert_eq!(comment([]).unwrap(), "store paths: []");
        assert_eq!(comment(["/a", "/b"]).unwrap(), "store paths: ['/a', '/b']");
        for (text, repr) in [
            ("it's", r#""it's""#),
            ("\"'", r#"'"\''"#),
            ("\"", r#"'"'"#),
            ("\\\n\r\t\x01\x7f", r"'\\\n\r\t\x01\x7f'"),
        ] {
            assert_eq!(python_repr(text).unwrap(), repr);
        }
        assert_eq!(python_repr("é"), None);
    }

    fn members(text: &str) -> Members {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn variables_of_both_images_are_merged_and_the_last_value_wins() {
        for (base, own, merged) in [
            (r#"{"Env":["A=1","B=2"]}"#, r#"{"Env":["A=3","C"]}"#, r#"{"Env":["A=3","B=2","C"]}"#),
            (r#"{"Env":["A=1"]}"#, r#"{"x":1}"#, r#"{"x":1,"Env":["A=1"]}"#),
            (r#"{"Env":null}"#, r#"{"Env":["A","A=x=y"],"x":1}"#, r#"{"Env":["A=x=y"],"x":1}"#),
            ("{}", r#"{"Env":[]}"#, r#"{"Env":[]}"#),
            (r#"{"User":"u"}"#, "{}", "{}"),
        ] {
            let mut config = members(own);
            overlay_environment(&members(base), &mut config).unwrap();
            assert_eq!(config, members(merged), "{base} {own}");
        }
        for wrong in [r#"{"Env":"A=1"}"#, r#"{"Env":[1]}"#] {
            assert_eq!(overlay_environment(&members(wrong), &mut Members::default()), None);
        }
    }
}
