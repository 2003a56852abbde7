//! Macaroons, as Fly writes them: `fm2_` and base64 of a `MessagePack` array.
//!
//! <https://github.com/superfly/macaroon>

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmpv::Value;

/// The types of caveats that are known here.
const ORGANIZATION: u64 = 0;
const APPS: u64 = 3;
const VALIDITY_WINDOW: u64 = 4;
const THIRD_PARTY: u64 = 11;
const BIND_TO_PARENT: u64 = 12;

/// All that may be done with a resource.
pub(super) const ALL_ACTIONS: u64 = 31;

/// What finishes the tail of a discharge, so that nothing can be added to it.
const FINALIZATION: &[u8] = b"proof-signature-finalization";

/// A macaroon.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Macaroon {
    pub(super) nonce: Nonce,
    pub(super) location: String,
    pub(super) caveats: Vec<Caveat>,
    /// What the caveats, one after the other, make of the key.
    pub(super) tail: Vec<u8>,
}

/// What makes a macaroon one of its kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Nonce {
    /// Names the key, or is the ticket that a discharge answers.
    pub(super) key_id: Vec<u8>,
    pub(super) random: Vec<u8>,
    /// Whether it is a discharge that nothing can be added to.
    pub(super) proof: bool,
}

/// A limit to what a macaroon is good for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Caveat {
    /// An organization, by its number.
    Organization(u64),
    /// Apps, by their numbers.
    Apps(Vec<u64>),
    /// Seconds since 1970.
    ValidityWindow { not_before: i64, not_after: i64 },
    /// Somebody at `location` must answer the ticket with a discharge.
    ThirdParty { location: String, verifier_key: Vec<u8>, ticket: Vec<u8> },
    /// A discharge is good for one macaroon alone.
    BindToParent(Vec<u8>),
}

pub(super) fn sign(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

/// Finishes the tail of a discharge.
pub(super) fn finalize(tail: &[u8]) -> Vec<u8> {
    sign(FINALIZATION, tail)
}

/// Returns what a discharge that is bound to a tail names it by.
pub(super) fn binding_id(tail: &[u8]) -> Vec<u8> {
    digest(&SHA256, tail).as_ref().to_vec()
}

/// Writes a value; to memory nothing can fail.
fn packed(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = rmpv::encode::write_value(&mut bytes, value);
    debug_assert!(written.is_ok());
    bytes
}

/// Packs the key of a discharge, for whoever is to give it.
pub(super) fn pack_ticket(key: &[u8]) -> Vec<u8> {
    packed(&Value::Array(vec![Value::Binary(key.to_vec()), Value::Array(Vec::new())]))
}

/// Reads the key of a discharge from a ticket that was unsealed.
pub(super) fn unpack_ticket(bytes: &[u8]) -> Option<Vec<u8>> {
    match fields(&unpacked(bytes)?)? {
        [key, _caveats] => binary(key),
        _ => None,
    }
}

fn unpacked(mut bytes: &[u8]) -> Option<Value> {
    let value = rmpv::decode::read_value(&mut bytes).ok()?;
    bytes.is_empty().then_some(value)
}

fn fields(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice)
}

fn binary(value: &Value) -> Option<Vec<u8>> {
    value.as_slice().map(<[u8]>::to_vec)
}

impl Nonce {
    fn value(&self) -> Value {
        Value::Array(vec![
            Value::Binary(self.key_id.clone()),
            Value::Binary(self.random.clone()),
            Value::Boolean(self.proof),
        ])
    }

    fn read(value: &Value) -> Option<Self> {
        let (key_id, random, proof) = match fields(value)? {
            [key_id, random] => (key_id, random, false),
            [key_id, random, proof] => (key_id, random, proof.as_bool()?),
            _ => return None,
        };
        Some(Self { key_id: binary(key_id)?, random: binary(random)?, proof })
    }

    /// Returns what is signed first.
    pub(super) fn pack(&self) -> Vec<u8> {
        packed(&self.value())
    }
}

impl Caveat {
    /// Returns its type and its body.
    fn values(&self) -> [Value; 2] {
        let list = Value::Array;
        let (kind, body) = match self {
            Self::Organization(id) => (ORGANIZATION, list(vec![(*id).into(), ALL_ACTIONS.into()])),
            Self::Apps(ids) => {
                let apps = ids.iter().map(|id| ((*id).into(), ALL_ACTIONS.into())).collect();
                (APPS, list(vec![Value::Map(apps)]))
            }
            Self::ValidityWindow { not_before, not_after } => {
                (VALIDITY_WINDOW, list(vec![(*not_before).into(), (*not_after).into()]))
            }
            Self::ThirdParty { location, verifier_key, ticket } => {
                let parts = vec![
                    location.as_str().into(),
                    Value::Binary(verifier_key.clone()),
                    Value::Binary(ticket.clone()),
                ];
                (THIRD_PARTY, list(parts))
            }
            Self::BindToParent(id) => (BIND_TO_PARENT, Value::Binary(id.clone())),
        };
        [kind.into(), body]
    }

    /// Reads what is known here; whatever else there is limits more than could be kept.
    fn read(kind: &Value, body: &Value) -> Option<Self> {
        let caveat = match (kind.as_u64()?, body) {
            (BIND_TO_PARENT, id) => Self::BindToParent(binary(id)?),
            (kind, body) => match (kind, fields(body)?) {
                (ORGANIZATION, [id, mask]) if mask.as_u64() == Some(ALL_ACTIONS) => {
                    Self::Organization(id.as_u64()?)
                }
                (APPS, [apps]) => {
                    let ids = apps.as_map()?.iter().map(|(id, mask)| {
                        id.as_u64().filter(|_| mask.as_u64() == Some(ALL_ACTIONS))
                    });
                    Self::Apps(ids.collect::<Option<_>>()?)
                }
                (VALIDITY_WINDOW, [not_before, not_after]) => Self::ValidityWindow {
                    not_before: not_before.as_i64()?,
                    not_after: not_after.as_i64()?,
                },
                (THIRD_PARTY, [location, verifier_key, ticket]) => Self::ThirdParty {
                    location: location.as_str()?.to_owned(),
                    verifier_key: binary(verifier_key)?,
                    ticket: binary(ticket)?,
                },
                _ => return None,
            },
        };
        Some(caveat)
    }

    /// Returns what is signed when it is added.
    pub(super) fn pack(&self) -> Vec<u8> {
        packed(&Value::Array(self.values().into()))
    }
}

impl Macaroon {
    /// Writes it as a token.
    pub(super) fn token(&self) -> String {
        let caveats = self.caveats.iter().flat_map(Caveat::values).collect();
        let bytes = packed(&Value::Array(vec![
            self.nonce.value(),
            self.location.as_str().into(),
            Value::Array(caveats),
            Value::Binary(self.tail.clone()),
        ]));
        format!("fm2_{}", STANDARD.encode(bytes))
    }

    /// Reads a token.
    pub(super) fn parse(token: &str) -> Option<Self> {
        let bytes = STANDARD.decode(token.strip_prefix("fm2_")?).ok()?;
        let value = unpacked(&bytes)?;
        let [nonce, location, caveats, tail] = fields(&value)? else { return None };
        let caveats = fields(caveats)?.chunks(2).map(|pair| match pair {
            [kind, body] => Caveat::read(kind, body),
            _ => None,
        });
        Some(Self {
            nonce: Nonce::read(nonce)?,
            location: location.as_str()?.to_owned(),
            caveats: caveats.collect::<Option<_>>()?,
            tail: binary(tail)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn macaroon() -> Macaroon {
        Macaroon {
            nonce: Nonce { key_id: b"k".to_vec(), random: vec![7; 16], proof: false },
            location: "https://api.fly.io/v1".into(),
            caveats: vec![
                Caveat::Organization(4_000_000_000),
                Caveat::Apps(vec![1, 300]),
                Caveat::ValidityWindow { not_before: 1, not_after: 1_700_000_000 },
                Caveat::ThirdParty {
                    location: "http://l".into(),
                    verifier_key: vec![1; 60],
                    ticket: vec![2; 80],
                },
                Caveat::BindToParent(vec![3; 16]),
            ],
            tail: vec![9; 32],
        }
    }

    #[test]
    fn a_macaroon_is_read_as_it_was_written() {
        let token = macaroon().token();
        assert!(token.starts_with("fm2_lJP"), "{token}");
        assert_eq!(Macaroon::parse(&token), Some(macaroon()));
        for wrong in ["fm2_", "fm2_!", "fm2_AAAA", "fo1_x", &token[..token.len() - 8]] {
            assert_eq!(Macaroon::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_caveat_is_packed_as_an_array_of_type_and_body() {
        let window = Caveat::ValidityWindow { not_before: 5, not_after: 300 };
        assert_eq!(window.pack(), [0x92, 4, 0x92, 5, 0xcd, 1, 44]);
        assert_eq!(Caveat::Organization(1).pack(), [0x92, 0, 0x92, 1, 31]);
        assert_eq!(Caveat::Apps(vec![2]).pack(), [0x92, 3, 0x91, 0x81, 2, 31]);
    }

    #[test]
    fn what_is_not_known_makes_a_macaroon_unreadable() {
        let pack = |caveats: Vec<Value>| {
            let parts = vec![
                macaroon().nonce.value(),
                "l".into(),
                Value::Array(caveats),
                Value::Binary(vec![1]),
            ];
            format!("fm2_{}", STANDARD.encode(packed(&Value::Array(parts))))
        };
        let known = pack(vec![0.into(), Value::Array(vec![1.into(), 31.into()])]);
        assert!(Macaroon::parse(&known).is_some());
        let reading_alone = pack(vec![0.into(), Value::Array(vec![1.into(), 1.into()])]);
        assert_eq!(Macaroon::parse(&reading_alone), None);
        let unknown = pack(vec![26.into(), Value::Array(vec![1.into()])]);
        assert_eq!(Macaroon::parse(&unknown), None);
    }
}
