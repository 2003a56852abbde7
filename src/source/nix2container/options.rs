//! Where a file comes to lie in a layer, and whom it belongs to there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regex::bytes::{Regex, RegexBuilder};

use super::json::{OptionsJson, PermJson, RewriteJson, unknown};

/// The largest permissions that are written: Go makes another format of larger ones.
const MAX_MODE: u32 = 0o7_777_777;

/// The longest replacement, in bytes: as long as a path may be.
const MAX_REPLACEMENT_BYTES: usize = 4096;

/// How much memory an expression may take, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Expressions that were compiled. An image may have one of them on each of its paths.
#[derive(Debug, Default)]
pub(super) struct Expressions(BTreeMap<String, Regex>);

/// The options of a store path.
#[derive(Debug)]
pub(super) struct Options {
    /// What is replaced, and by what.
    rewrite: Option<(Regex, Vec<u8>)>,
    ignored: Option<Regex>,
    perms: Vec<Perm>,
}

/// Owner and permissions of the files whose path in the store matches.
#[derive(Debug)]
struct Perm {
    regex: Regex,
    mode: Option<u32>,
    or_mode: u32,
    /// As it is written.
    json: PermJson,
}

/// What a tar says of an entry besides name, kind and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributes<'a> {
    pub(super) mode: u32,
    pub(super) uid: i64,
    pub(super) gid: i64,
    pub(super) uname: &'a str,
    pub(super) gname: &'a str,
}

impl Options {
    /// Takes in the options of a store path. What is wrong with them comes back as the rest
    /// of a sentence.
    pub(super) fn new(json: OptionsJson, expressions: &mut Expressions) -> Result<Self, String> {
        if let Some(name) = unknown(&json.others) {
            return Err(unknown_option(name));
        }
        let RewriteJson { regex, repl } = json.rewrite;
        if repl.contains('\0') || repl.len() > MAX_REPLACEMENT_BYTES {
            return Err("gives files names that hold a NUL, or are too long".to_owned());
        }
        let rewrite = expressions.optional(&regex)?.map(|regex| (regex, repl.into_bytes()));
        let ignored = expressions.optional(&json.ignore_destination)?;
        let perms = json.perms.unwrap_or_default().into_iter();
        let perms = perms.map(|perm| Perm::new(perm, expressions)).collect::<Result<_, _>>()?;
        Ok(Self { rewrite, ignored, perms })
    }

    /// Returns where the file `source` comes to lie; nowhere if that is empty.
    pub(super) fn destination<'a>(&self, source: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.rewrite {
            Some((regex, replacement)) => regex.replace_all(source, &**replacement),
            None => Cow::Borrowed(source),
        }
    }

    /// Returns whether what would come to lie there is left out, with all that is below it.
    pub(super) fn ignores(&self, destination: &[u8]) -> bool {
        self.ignored.as_ref().is_some_and(|regex| regex.is_match(destination))
    }

    /// Returns whether both set owners and permissions in the same way.
    pub(super) fn has_perms_of(&self, other: &Self) -> bool {
        self.perms.iter().map(|perm| &perm.json).eq(other.perms.iter().map(|perm| &perm.json))
    }

    /// Sets what the options say of the file `source`.
    pub(super) fn apply<'a>(&'a self, source: &[u8], attributes: &mut Attributes<'a>) {
        for perm in self.perms.iter().filter(|perm| perm.regex.is_match(source)) {
            let PermJson { uid, gid, uname, gname, .. } = &perm.json;
            (attributes.uid, attributes.gid) = (*uid, *gid);
            if !uname.is_empty() {
                attributes.uname = uname;
            }
            if !gname.is_empty() {
                attributes.gname = gname;
            }
            attributes.mode = perm.mode.unwrap_or(attributes.mode) | perm.or_mode;
        }
    }
}

impl Perm {
    fn new(json: PermJson, expressions: &mut Expressions) -> Result<Self, String> {
        if let Some(name) = unknown(&json.others) {
            return Err(unknown_option(name));
        }
        if json.uname.contains('\0') || json.gname.contains('\0') {
            return Err("gives files an owner whose name holds a NUL".to_owned());
        }
        let wrong = |text: &str| format!("gives files the permissions `{}`", text.escape_debug());
        let mode = match &*json.mode {
            "" => None,
            text => Some(leading_octal(text).ok_or_else(|| wrong(text))?),
        };
        let or_mode = match &*json.or_mode {
            "" => 0,
            // Else a sign would be read too.
            text if !text.bytes().all(|digit| digit.is_ascii_digit()) => return Err(wrong(text)),
            text => u32::from_str_radix(text, 8)
                .ok()
                .filter(|&bits| bits <= 0o7777)
                .ok_or_else(|| wrong(text))?,
        };
        Ok(Self { regex: expressions.compile(&json.regex)?, mode, or_mode, json })
    }
}

/// Reads the octal number that a text begins with, as Go's `Sscanf` does: what follows it is
/// nobody's business.
fn leading_octal(text: &str) -> Option<u32> {
    let text = text.trim_start_matches(' ');
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c| !('0'..='7').contains(&c)).unwrap_or(text.len());
    let (digits, _) = text.split_at_checked(end)?;
    u32::from_str_radix(digits, 8).ok().filter(|&mode| mode <= MAX_MODE)
}

impl Expressions {
    fn optional(&mut self, regex: &str) -> Result<Option<Regex>, String> {
        if regex.is_empty() { Ok(None) } else { self.compile(regex).map(Some) }
    }

    /// Compiles an expression of Go's. The syntax is the same but for rare words, and so is
    /// what matches but for characters that paths rarely have: Go's `\d`, `\s` and `\w` are
    /// ASCII.
    fn compile(&mut self, text: &str) -> Result<Regex, String> {
        if let Some(regex) = self.0.get(text) {
            return Ok(regex.clone());
        }
        let regex = RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
        let regex = regex.map_err(|error| {
            let text: String = error.to_string().chars().take(500).collect();
            format!("has an expression that cannot be used: {}", text.escape_debug())
        })?;
        self.0.insert(text.to_owned(), regex.clone());
        Ok(regex)
    }
}

pub(super) fn unknown_option(name: &str) -> String {
    let name: String = name.chars().take(100).flat_map(char::escape_debug).collect();
    format!("has the option `{name}`, which snowbird does not know")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: &str) -> Result<Options, String> {
        Options::new(serde_json::from_str(json).unwrap(), &mut Expressions::default())
    }

    #[test]
    fn what_cannot_be_obeyed_is_refused_with_the_reason() {
        for (json, problem) in [
            (r#"{"rewrite":{"regex":"(","repl":""}}"#, "expression"),
            (r#"{"rewrite":{"regex":"x","repl":"\u0000"}}"#, "NUL"),
            (r#"{"ignoreDestination":"["}"#, "expression"),
            (r#"{"perms":[{"regex":"*"}]}"#, "expression"),
            (r#"{"perms":[{"regex":"","mode":"rwx"}]}"#, "permissions `rwx`"),
            (r#"{"perms":[{"regex":"","mode":"-1"}]}"#, "permissions `-1`"),
            (r#"{"perms":[{"regex":"","mode":"77777777"}]}"#, "permissions"),
            (r#"{"perms":[{"regex":"","orMode":"0o111"}]}"#, "permissions `0o111`"),
            (r#"{"perms":[{"regex":"","orMode":"+1"}]}"#, "permissions `+1`"),
            (r#"{"perms":[{"regex":"","orMode":"10000"}]}"#, "permissions `10000`"),
            (r#"{"perms":[{"regex":"","uname":"a\u0000"}]}"#, "NUL"),
            (r#"{"perms":[{"regex":"","acl":"x"}]}"#, "option `acl`"),
            (r#"{"capabilities":[{"regex":"","caps":["x"]}]}"#, "option `capabilities`"),
        ] {
            let error = options(json).unwrap_err();
            assert!(error.contains(problem), "{json}: {error}");
        }
        options(r#"{"capabilities":[],"perms":null,"new":""}"#).unwrap();
    }

    #[test]
    fn permissions_are_read_up_to_what_is_no_digit() {
        for (text, mode) in [("0755", 0o755), (" +644", 0o644), ("0o644", 0), ("7558", 0o755)] {
            assert_eq!(leading_octal(text), Some(mode), "{text}");
        }
        assert_eq!(leading_octal("8"), None);
    }
}
