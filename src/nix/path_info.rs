//! What the store knows of paths that it has: the hashes of their contents.

use std::collections::BTreeMap;
use std::ffi::OsString;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::event::Silent;

use super::StorePath;
use super::command::Nix;
use super::diagnosis::Failure;
use super::error::Error;
use super::messages::Messages;
use super::progress::Progress;
use super::text::clean_line;

/// How many paths are asked for in one run, which keeps the arguments below 256 kB even if
/// every name has its full 211 characters. Nix 2.8 does not read them from its input.
const BATCH: usize = 800;

/// What the store knows of one of its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathInfo {
    /// The SHA-256 of the object's contents as a NAR, in the form `sha256-` and base 64,
    /// whatever form Nix gave it.
    pub nar_hash: String,
    /// The size of the NAR, in bytes.
    pub nar_bytes: u64,
}

impl Nix {
    /// Asks the store for what it knows of `paths`, without the network.
    ///
    /// The answer is by path, and lacks those that the store does not have.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] or [`Error::Answer`] when Nix fails or gives an answer of a form
    /// that is not known; the others are about running it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future interrupts Nix and leaves nothing behind.
    pub async fn path_info(
        &self,
        paths: &[StorePath],
    ) -> Result<BTreeMap<String, PathInfo>, Error> {
        let mut infos = BTreeMap::new();
        for batch in paths.chunks(BATCH) {
            let answer = match self.ask(&[], batch).await? {
                Err(failure) if wants_a_format(&failure.messages) => {
                    self.ask(&["--json-format", "2"], batch).await?
                }
                answer => answer,
            };
            let first = batch.first().map(StorePath::as_str).unwrap_or_default();
            let answer = answer.map_err(|failure| failure.diagnose(first))?;
            infos.extend(parse(&answer)?);
        }
        Ok(infos)
    }

    async fn ask(
        &self,
        format: &[&str],
        paths: &[StorePath],
    ) -> Result<Result<Vec<u8>, Failure>, Error> {
        let fixed = ["path-info", "--json", "--offline", "--log-format", "internal-json"];
        let paths = paths.iter().map(StorePath::as_str);
        let arguments: Vec<OsString> =
            fixed.into_iter().chain(format.iter().copied()).chain(paths).map(Into::into).collect();
        self.run(&arguments, Progress::new(&Silent)).await
    }
}

/// Returns whether Nix failed because it must be told the form of its answer. Nix 2.33 and
/// 2.34 only warn of that, and those before do not know the flag.
fn wants_a_format(messages: &Messages) -> bool {
    messages.errors.iter().any(|error| error.full.contains("--json-format"))
}

/// The forms that answers have.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    /// `--json-format 2`.
    Versioned {
        info: BTreeMap<String, Option<Info>>,
        #[serde(rename = "storeDir")]
        store_folder: String,
    },
    /// Nix 2.19 and newer. Of a path that is not in the store, there is nothing.
    ByPath(BTreeMap<String, Option<Info>>),
    /// Nix before 2.19, and Lix.
    List(Vec<Listed>),
}

#[derive(Deserialize)]
struct Info {
    #[serde(rename = "narHash")]
    nar_hash: NarHash,
    #[serde(rename = "narSize")]
    nar_bytes: u64,
}

#[derive(Deserialize)]
struct Listed {
    path: String,
    /// None for a path that is not in the store.
    #[serde(flatten)]
    info: Option<Info>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NarHash {
    /// `sha256-` and base 64, or `sha256:` and base 16, 32 or 64.
    Text(String),
    /// The same in parts.
    Parts { algorithm: String, hash: String },
}

fn parse(answer: &[u8]) -> Result<BTreeMap<String, PathInfo>, Error> {
    let unreadable = |source| Error::Answer {
        text: clean_line(String::from_utf8_lossy(answer).lines().next().unwrap_or_default()),
        source,
    };
    let pairs: Vec<(String, Option<Info>)> =
        match serde_json::from_slice(answer).map_err(|source| unreadable(Some(source)))? {
            Answer::ByPath(infos) => infos.into_iter().collect(),
            Answer::List(list) => list.into_iter().map(|item| (item.path, item.info)).collect(),
            Answer::Versioned { info, store_folder } => {
                let path = |name| format!("{store_folder}/{name}");
                info.into_iter().map(|(name, info)| (path(name), info)).collect()
            }
        };
    pairs
        .into_iter()
        .filter_map(|(path, info)| Some((path, info?)))
        .map(|(path, info)| {
            let nar_hash = info.nar_hash.sri().ok_or_else(|| unreadable(None))?;
            Ok((path, PathInfo { nar_hash, nar_bytes: info.nar_bytes }))
        })
        .collect()
}

impl NarHash {
    /// Returns the hash as `sha256-` and base 64; none if it is no SHA-256.
    fn sri(&self) -> Option<String> {
        let (algorithm, hash) = match self {
            Self::Text(text) => text.split_once(['-', ':'])?,
            Self::Parts { algorithm, hash } => (algorithm.as_str(), hash.as_str()),
        };
        let bytes = decode(hash).filter(|_| algorithm == "sha256")?;
        Some(format!("sha256-{}", BASE64_STANDARD.encode(bytes)))
    }
}

/// Decodes 32 bytes; the base is told by the length, as Nix does it.
fn decode(hash: &str) -> Option<[u8; 32]> {
    match hash.len() {
        64 if hash.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            let (pairs, _) = hash.as_bytes().as_chunks::<2>();
            let mut bytes = [0; 32];
            for (byte, pair) in bytes.iter_mut().zip(pairs) {
                *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
            }
            Some(bytes)
        }
        52 => decode_base32(hash),
        _ => BASE64_STANDARD.decode(hash).ok()?.try_into().ok(),
    }
}

/// Decodes Nix's base 32: its own digits, and the last one has the lowest bits.
fn decode_base32(hash: &str) -> Option<[u8; 32]> {
    const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
    let mut bytes = [0; 32];
    for (n, digit) in hash.bytes().rev().enumerate() {
        let value = DIGITS.iter().position(|&known| known == digit)?;
        let bits = u16::try_from(value).ok()? << (n * 5 % 8);
        let [low, high] = bits.to_le_bytes();
        *bytes.get_mut(n * 5 / 8)? |= low;
        match bytes.get_mut(n * 5 / 8 + 1) {
            Some(next) => *next |= high,
            None if high == 0 => {}
            None => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::error::Explain as _;

    const PATH: &str = "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-greeter-1.0";
    const HASH: &str = "sha256-Dn4WdeecR6VKWyXttv2WYPIX0BovKqcSizH3umuIOjI=";

    #[test]
    fn the_answers_of_all_versions_are_read() {
        for version in
            ["2.8-path-info", "2.26-path-info", "2.34-path-info", "2.34-path-info-format2"]
        {
            let answer = fs::read(format!("tests/fixtures/nix-logs/{version}.json")).unwrap();
            let infos = parse(&answer).unwrap();
            let info = PathInfo { nar_hash: HASH.to_owned(), nar_bytes: 576 };
            assert_eq!(infos, BTreeMap::from([(PATH.to_owned(), info)]), "{version}");
        }
    }

    #[test]
    fn paths_that_the_store_does_not_have_are_left_out() {
        for answer in [
            r#"[{"path":"/nix/store/x","valid":false}]"#,
            r#"{"/nix/store/x":null}"#,
            r#"{"info":{"x":null},"storeDir":"/nix/store","version":2}"#,
            "{}",
            "[]",
        ] {
            assert_eq!(parse(answer.as_bytes()).unwrap(), BTreeMap::new(), "{answer}");
        }
    }

    #[test]
    fn a_hash_is_the_same_in_every_form() {
        let base16 = "0e7e1675e79c47a54a5b25edb6fd9660f217d01a2f2aa7128b31f7ba6b883a32";
        let base32 = "0cisi1mvmxriic9afaig3b81gwk0jvyvdv95bd5aaiwwwxsiczhf";
        for hash in [
            format!("\"{HASH}\""),
            format!("\"sha256:{base16}\""),
            format!("\"sha256:{base32}\""),
            HASH.replace("sha256-", "\"sha256:") + "\"",
            format!(r#"{{"algorithm":"sha256","format":"base16","hash":"{base16}"}}"#),
        ] {
            let answer = format!(r#"{{"{PATH}":{{"narHash":{hash},"narSize":1}}}}"#);
            let infos = parse(answer.as_bytes()).unwrap();
            assert_eq!(infos.get(PATH).unwrap().nar_hash, HASH, "{hash}");
        }
    }

    #[test]
    fn what_is_no_answer_is_shown() {
        for answer in [
            "",
            "7",
            r#"{"/nix/store/x":{}}"#,
            r#"{"/nix/store/x":{"narHash":"sha1-AAAA","narSize":1}}"#,
            r#"{"/nix/store/x":{"narHash":"sha256-AAAA","narSize":1}}"#,
        ] {
            let error = parse(answer.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "nix.unreadable-answer", "{answer}");
        }
    }

    #[test]
    fn lix_still_gives_a_list_and_tells_more_of_each_path() {
        let answer = format!(
            r#"[{{"ca":null,"deriver":null,"narHash":"{HASH}","narSize":576,"path":"{PATH}",
                 "references":[],"registrationTime":1795640835,"signatures":[],"ultimate":true,
                 "valid":true}},
                {{"path":"/nix/store/x","valid":false}}]"#
        );
        let infos = parse(answer.as_bytes()).unwrap();
        assert_eq!(infos.keys().collect::<Vec<_>>(), [PATH]);
    }

    #[test]
    fn a_nix_that_must_be_told_the_form_is_asked_again() {
        let said = |line: &str| {
            let mut progress = Progress::new(&Silent);
            progress.line(line);
            wants_a_format(&progress.finish().0)
        };
        assert!(said("error: '--json' without '--json-format' is not supported"));
        assert!(!said("error: cannot connect to socket"));
    }

    proptest! {
        #[test]
        fn no_hash_makes_the_decoder_panic(hash in "[0-9a-z]{52}|[0-9a-fé]{62,64}|.*") {
            let _either_way = decode(&hash);
        }
    }
}
