//! Macaroons: what one says of itself, as far as anybody can read it.
//!
//! One is `fm2_` and the base64 of a `MessagePack` array: nonce, location, caveats and tail.
//! The caveats are a flat list of types and bodies. Nothing here is proved: only the
//! platform has the keys.
//!
//! <https://github.com/superfly/macaroon>

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rmpv::Value;
use rmpv::decode::read_value_with_max_depth;

/// Where the permission tokens of the platform come from.
pub(super) const PERMISSION: &str = "https://api.fly.io/v1";

/// What they begin with, up to the first `_`.
const PREFIXES: [&str; 3] = ["fm1r", "fm1a", "fm2"];

/// The longest text of one that is read.
const LONGEST: usize = 64 << 10;

/// How deep values may be nested: a caveat holds caveats that hold maps.
const DEEPEST: usize = 16;

const ORGANIZATION: u64 = 0;
const APPS: u64 = 3;
const VALIDITY_WINDOW: u64 = 4;
const THIRD_PARTY: u64 = 11;
const IF_PRESENT: u64 = 13;

/// The bit of a mask that allows to write.
const WRITE: u64 = 2;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a macaroon says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Macaroon {
    /// Which key made it; of a discharge, the ticket that it is for.
    pub(super) key_id: Vec<u8>,
    /// Who made it.
    pub(super) location: String,
    /// The only organization that it is good for, by number.
    pub(super) organization: Option<u64>,
    /// The only apps that it is good for, by number.
    pub(super) apps: Option<BTreeSet<u64>>,
    /// Whether it is good for reading alone.
    pub(super) read_only: bool,
    /// Since when it is good, in seconds since 1970.
    pub(super) not_before: Option<u64>,
    /// Until when it is good, in seconds since 1970.
    pub(super) not_after: Option<u64>,
    /// Who else must agree.
    pub(super) third_parties: Vec<ThirdParty>,
}

/// Somebody who must agree that a macaroon is used, by giving a discharge for a ticket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::fly) struct ThirdParty {
    /// The URL that is asked.
    pub(in crate::fly) location: String,
    /// What it is shown.
    pub(in crate::fly) ticket: Vec<u8>,
}

/// Returns whether a part of a token is a macaroon, readable or not.
pub(super) fn is_macaroon(part: &str) -> bool {
    part.split_once('_').is_some_and(|(prefix, _)| PREFIXES.contains(&prefix))
}

impl Macaroon {
    /// Reads what `text` says of itself. Gives nothing when it is no macaroon.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let (prefix, encoded) = text.split_once('_')?;
        if !PREFIXES.contains(&prefix) || encoded.len() > LONGEST {
            return None;
        }
        let bytes = BASE64.decode(encoded).ok()?;
        let value = read_value_with_max_depth(&mut bytes.as_slice(), DEEPEST).ok()?;
        let [nonce, location, caveats, _tail] = value.as_array()?.as_slice() else {
            return None;
        };
        let ([key_id, _random] | [key_id, _random, _]) = nonce.as_array()?.as_slice() else {
            return None;
        };
        let mut macaroon = Self {
            key_id: bytes_of(key_id)?,
            location: location.as_str()?.to_owned(),
            ..Self::default()
        };
        macaroon.read_caveats(caveats)?;
        Some(macaroon)
    }

    /// Takes in caveats, also those within caveats. Those that are not known are let be.
    fn read_caveats(&mut self, caveats: &Value) -> Option<()> {
        for caveat in caveats.as_array()?.chunks(2) {
            let [kind, body] = caveat else { return None };
            let body = || body.as_array().map(Vec::as_slice);
            match kind.as_u64()? {
                ORGANIZATION => {
                    let [id, mask] = body()? else { return None };
                    self.organization = Some(id.as_u64()?);
                    self.read_only |= mask.as_u64().is_some_and(|mask| mask & WRITE == 0);
                }
                APPS => {
                    let [apps] = body()? else { return None };
                    let ids = apps.as_map()?.iter().filter_map(|(id, _)| id.as_u64());
                    let ids: BTreeSet<u64> = ids.collect();
                    self.apps = Some(match self.apps.take() {
                        Some(known) => known.intersection(&ids).copied().collect(),
                        None => ids,
                    });
                }
                VALIDITY_WINDOW => {
                    let [not_before, not_after] = body()? else { return None };
                    let (from, until) = (seconds(not_before)?, seconds(not_after)?);
                    self.not_before = self.not_before.max(Some(from));
                    self.not_after = Some(self.not_after.map_or(until, |known| known.min(until)));
                }
                THIRD_PARTY => {
                    let [location, _verifier, ticket] = body()? else { return None };
                    let (location, ticket) = (location.as_str()?.to_owned(), bytes_of(ticket)?);
                    self.third_parties.push(ThirdParty { location, ticket });
                }
                IF_PRESENT => {
                    let [inner, _otherwise] = body()? else { return None };
                    self.read_caveats(inner)?;
                }
                _ => {}
            }
        }
        Some(())
    }

    /// Returns whether it is over at `now`, in seconds since 1970.
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.not_after.is_some_and(|until| until <= now)
    }
}

/// The format has bytes where other writers have texts.
fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Binary(bytes) => Some(bytes.clone()),
        Value::String(text) => Some(text.as_bytes().to_vec()),
        _ => None,
    }
}

/// Times before 1970 are as good as 1970.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_i64().map(|seconds| seconds.try_into().unwrap_or(0)))
}

/// Macaroons for tests.
#[cfg(test)]
pub(in crate::fly) mod minting {
    use super::*;

    /// Writes a macaroon with these caveats: types and bodies in turn.
    pub(in crate::fly) fn mint(key_id: &[u8], location: &str, caveats: Vec<Value>) -> String {
        let nonce = Value::Array(vec![key_id.into(), (&[7_u8; 16][..]).into(), false.into()]);
        let parts = vec![nonce, location.into(), Value::Array(caveats), (&[9_u8; 32][..]).into()];
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &Value::Array(parts)).unwrap();
        format!("fm2_{}", BASE64.encode(bytes))
    }

    pub(in crate::fly) fn organization(id: u64, mask: u64) -> [Value; 2] {
        [ORGANIZATION.into(), Value::Array(vec![id.into(), mask.into()])]
    }

    pub(in crate::fly) fn apps(ids: &[u64]) -> [Value; 2] {
        let ids = ids.iter().map(|id| ((*id).into(), 31.into())).collect();
        [APPS.into(), Value::Array(vec![Value::Map(ids)])]
    }

    pub(in crate::fly) fn valid(from: u64, until: u64) -> [Value; 2] {
        [VALIDITY_WINDOW.into(), Value::Array(vec![from.into(), until.into()])]
    }

    pub(in crate::fly) fn third_party(location: &str, ticket: &[u8]) -> [Value; 2] {
        let body = vec![location.into(), (&b"verifier"[..]).into(), ticket.into()];
        [THIRD_PARTY.into(), Value::Array(body)]
    }

    pub(in crate::fly) fn if_present(inner: Vec<Value>) -> [Value; 2] {
        [IF_PRESENT.into(), Value::Array(vec![Value::Array(inner), 1.into()])]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::minting::*;
    use super::*;

    #[test]
    fn what_a_deploy_token_says_is_read_also_where_it_is_nested() {
        let unknown = [99.into(), Value::Nil];
        let caveats = [
            organization(5, 31),
            if_present(apps(&[8, 9]).to_vec()),
            valid(100, 4_000_000_000),
            valid(200, 3_000_000_000),
            unknown,
        ]
        .concat();
        let macaroon = Macaroon::decode(&mint(b"key", PERMISSION, caveats)).unwrap();
        assert_eq!(macaroon.organization, Some(5));
        assert_eq!(macaroon.apps, Some(BTreeSet::from([8, 9])));
        assert_eq!((macaroon.not_before, macaroon.not_after), (Some(200), Some(3_000_000_000)));
        assert!(!macaroon.read_only && !macaroon.is_over(2_999_999_999));
        assert!(macaroon.is_over(3_000_000_000));
        assert_eq!(
            (macaroon.key_id.as_slice(), macaroon.location.as_str()),
            (&b"key"[..], PERMISSION)
        );
    }

    #[test]
    fn a_login_names_who_must_agree() {
        let caveats =
            [organization(5, 1), third_party("https://api.fly.io/aaa/v1", b"ticket")].concat();
        let text = mint(b"key", PERMISSION, caveats);
        let macaroon = Macaroon::decode(text.trim_end_matches('=')).unwrap();
        assert!(macaroon.read_only);
        let location = "https://api.fly.io/aaa/v1".to_owned();
        assert_eq!(macaroon.third_parties, [ThirdParty { location, ticket: b"ticket".to_vec() }]);
    }

    #[test]
    fn what_is_no_macaroon_is_told_apart_from_one_that_cannot_be_read() {
        for (text, looks_like_one) in [
            ("fo1_abc", false),
            ("plain", false),
            ("fm2_!", true),
            ("fm2_", true),
            ("fm1r_AA", true),
        ] {
            assert_eq!(is_macaroon(text), looks_like_one, "{text}");
            assert_eq!(Macaroon::decode(text), None, "{text}");
        }
        let long = format!("fm2_{}", "A".repeat(LONGEST + 1));
        assert_eq!(Macaroon::decode(&long), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not_but_never_panics(bytes: Vec<u8>) {
            Macaroon::decode(&format!("fm2_{}", BASE64.encode(bytes)));
        }

        #[test]
        fn a_damaged_macaroon_is_read_or_not_but_never_panics(
            at in 0_usize..200, byte: u8, cut in 0_usize..200
        ) {
            let caveats =
                [organization(5, 31), apps(&[1]), valid(1, 2), third_party("l", b"t")].concat();
            let whole = mint(b"key", PERMISSION, if_present(caveats).to_vec());
            let mut bytes = BASE64.decode(&whole[4..]).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len() - cut % bytes.len());
            Macaroon::decode(&format!("fm2_{}", BASE64.encode(bytes)));
        }

        #[test]
        fn what_is_written_is_read(
            id: u64, ids in prop::collection::btree_set(any::<u64>(), 1..5), from: u64, until: u64,
            ticket: Vec<u8>
        ) {
            let list: Vec<u64> = ids.iter().copied().collect();
            let caveats = [
                organization(id, 31), apps(&list), valid(from, until), third_party("l", &ticket),
            ].concat();
            let macaroon = Macaroon::decode(&mint(b"key", PERMISSION, caveats)).unwrap();
            prop_assert_eq!(macaroon.organization, Some(id));
            prop_assert_eq!(macaroon.apps, Some(ids));
            prop_assert_eq!((macaroon.not_before, macaroon.not_after), (Some(from), Some(until)));
            prop_assert_eq!(&macaroon.third_parties[0].ticket, &ticket);
        }
    }

    #[test]
    fn a_tower_of_caveats_is_not_climbed() {
        let mut caveats = Vec::new();
        for _ in 0..100 {
            caveats = if_present(caveats).to_vec();
        }
        assert_eq!(Macaroon::decode(&mint(b"key", PERMISSION, caveats)), None);
    }
}
