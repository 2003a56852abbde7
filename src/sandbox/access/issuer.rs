//! Who issues macaroons, answers their tickets and knows its own again.

use std::time::Duration;

use aws_lc_rs::aead::{
    Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce as SealNonce, UnboundKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;

use super::macaroon::{
    Caveat, Macaroon, Nonce, binding_id, finalize, pack_ticket, sign, unpack_ticket,
};
use super::{Reach, Scope};

/// Where permissions come from, on Fly and here.
const LOCATION: &str = "https://api.fly.io/v1";

const KEY_ID: &[u8] = b"sandbox";
const KEY_BYTES: usize = 32;

/// Issues macaroons and their discharges.
#[derive(Debug)]
pub(in crate::sandbox) struct Issuer {
    /// Signs permissions.
    key: Vec<u8>,
    /// Seals tickets.
    ticket_key: Vec<u8>,
    /// Where tickets are answered.
    third_party: String,
    /// How long a discharge is good, where one is demanded.
    discharge: Option<Duration>,
}

/// What a part of a token turns out to be.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    /// A permission.
    Macaroon {
        /// What it is good for, if it was issued here and is valid now.
        reach: Option<Reach>,
        /// Whether nobody else must vouch for it, or all have.
        discharged: bool,
    },
    /// What goes with a permission.
    Discharge,
    /// No macaroon.
    Unreadable,
}

impl Issuer {
    /// Makes one with new keys, whose tickets are answered at `url`.
    pub(super) fn new(url: &str, discharge: Option<Duration>) -> Self {
        let (key, ticket_key) = (random(KEY_BYTES), random(KEY_BYTES));
        Self { key, ticket_key, third_party: url.to_owned(), discharge }
    }

    /// Makes a macaroon. `numbers` are those of the organization and of the app that the
    /// scope names. One for more than an app demands a discharge, where that is wanted.
    pub(in crate::sandbox) fn mint(
        &self,
        scope: &Scope,
        numbers: Option<(u64, u64)>,
        lifetime: Duration,
        now_s: u64,
    ) -> Option<String> {
        let nonce = Nonce { key_id: KEY_ID.to_vec(), random: random(16), proof: false };
        let tail = sign(&self.key, &nonce.pack());
        let mut made = Macaroon { nonce, location: LOCATION.into(), caveats: Vec::new(), tail };
        let narrowed = match (scope, numbers) {
            (Scope::Everything, _) => vec![],
            (Scope::Organization(_), Some((organization, _))) => {
                vec![Caveat::Organization(organization)]
            }
            (Scope::App(_), Some((organization, app))) => {
                vec![Caveat::Organization(organization), Caveat::Apps(vec![app])]
            }
            (_, None) => return None,
        };
        for caveat in narrowed {
            made.add(caveat);
        }
        made.add(window(now_s, lifetime));
        if self.discharge.is_some() && !matches!(scope, Scope::App(_)) {
            let key = random(KEY_BYTES);
            let verifier_key = seal(&made.tail, &key)?;
            let ticket = seal(&self.ticket_key, &pack_ticket(&key))?;
            made.add(Caveat::ThirdParty {
                location: self.third_party.clone(),
                verifier_key,
                ticket,
            });
        }
        Some(made.token())
    }

    /// Answers a ticket.
    pub(in crate::sandbox) fn discharge(&self, ticket: &[u8], now_s: u64) -> Option<String> {
        let key = unpack_ticket(&unseal(&self.ticket_key, ticket)?)?;
        let nonce = Nonce { key_id: ticket.to_vec(), random: random(16), proof: true };
        let tail = sign(&key, &nonce.pack());
        let location = self.third_party.clone();
        let mut made = Macaroon { nonce, location, caveats: Vec::new(), tail };
        made.add(window(now_s, self.discharge?));
        made.tail = finalize(&made.tail);
        Some(made.token())
    }

    /// Looks at one part of a token; the others may discharge it.
    pub(super) fn look(&self, part: &str, parts: &[&str], now_s: u64) -> Seen {
        let Some(macaroon) = Macaroon::parse(part) else { return Seen::Unreadable };
        if macaroon.location != LOCATION {
            return Seen::Discharge;
        }
        let tails = macaroon.tails(&self.key);
        let good = macaroon.is_signed(&tails) && macaroon.is_current(now_s);
        let vouched = |(caveat, before): (&Caveat, &Vec<u8>)| match caveat {
            Caveat::ThirdParty { verifier_key, ticket, .. } => {
                is_discharged(verifier_key, ticket, before, &tails, parts, now_s)
            }
            // A permission has no parent.
            Caveat::BindToParent(_) => false,
            _ => true,
        };
        let mut vouchable = macaroon.caveats.iter().zip(&tails);
        // One from elsewhere has no key here that could tell its discharges.
        let asks = macaroon.caveats.iter().any(|c| matches!(c, Caveat::ThirdParty { .. }));
        let discharged = if good { vouchable.all(vouched) } else { !asks };
        Seen::Macaroon { reach: good.then(|| Reach::of_caveats(&macaroon.caveats)), discharged }
    }
}

impl Macaroon {
    fn add(&mut self, caveat: Caveat) {
        self.tail = sign(&self.tail, &caveat.pack());
        self.caveats.push(caveat);
    }

    /// Follows the signatures: what the key and each caveat make, one after the other.
    fn tails(&self, key: &[u8]) -> Vec<Vec<u8>> {
        let mut tails = vec![sign(key, &self.nonce.pack())];
        for caveat in &self.caveats {
            tails.extend(tails.last().map(|tail| sign(tail, &caveat.pack())));
        }
        tails
    }

    fn is_signed(&self, tails: &[Vec<u8>]) -> bool {
        let last =
            tails.last().map(|tail| if self.nonce.proof { finalize(tail) } else { tail.clone() });
        last.is_some_and(|tail| verify_slices_are_equal(&tail, &self.tail).is_ok())
    }

    /// Whether it is good at this time.
    fn is_current(&self, now_s: u64) -> bool {
        let now = i64::try_from(now_s).unwrap_or(i64::MAX);
        self.caveats.iter().all(|caveat| match caveat {
            Caveat::ValidityWindow { not_before, not_after } => {
                (*not_before..=*not_after).contains(&now)
            }
            _ => true,
        })
    }
}

/// Whether one of `parts` discharges a caveat whose key was sealed by the tail `before`, for
/// a macaroon with the tails `parent_tails`.
fn is_discharged(
    verifier_key: &[u8],
    ticket: &[u8],
    before: &[u8],
    parent_tails: &[Vec<u8>],
    parts: &[&str],
    now_s: u64,
) -> bool {
    let Some(key) = unseal(before, verifier_key) else { return false };
    let fits = |caveat: &Caveat| match caveat {
        Caveat::BindToParent(id) => {
            parent_tails.iter().any(|tail| binding_id(tail).starts_with(id))
        }
        // Discharges of discharges are not known here.
        Caveat::ThirdParty { .. } => false,
        _ => true,
    };
    parts
        .iter()
        .filter_map(|part| Macaroon::parse(part))
        .filter(|discharge| discharge.nonce.key_id == *ticket)
        .any(|discharge| {
            discharge.is_signed(&discharge.tails(&key))
                && discharge.is_current(now_s)
                && discharge.caveats.iter().all(fits)
        })
}

/// Returns the first ticket of a macaroon.
#[cfg(test)]
pub(in crate::sandbox) fn ticket(token: &str) -> Option<Vec<u8>> {
    Macaroon::parse(token)?.caveats.into_iter().find_map(|caveat| match caveat {
        Caveat::ThirdParty { ticket, .. } => Some(ticket),
        _ => None,
    })
}

fn window(now_s: u64, lifetime: Duration) -> Caveat {
    let now = i64::try_from(now_s).unwrap_or(i64::MAX);
    let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    Caveat::ValidityWindow { not_before: now, not_after: now.saturating_add(lifetime) }
}

fn random(bytes: usize) -> Vec<u8> {
    let mut made = vec![0; bytes];
    let filled = rand::fill(&mut made);
    debug_assert!(filled.is_ok(), "the system has random numbers");
    made
}

fn cipher(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key).ok().map(LessSafeKey::new)
}

fn seal(key: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let nonce = random(NONCE_LEN);
    let mut sealed = plain.to_vec();
    let unique = SealNonce::try_assume_unique_for_key(&nonce).ok()?;
    cipher(key)?.seal_in_place_append_tag(unique, Aad::empty(), &mut sealed).ok()?;
    Some([nonce, sealed].concat())
}

fn unseal(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = SealNonce::try_assume_unique_for_key(nonce).ok()?;
    let mut plain = sealed.to_vec();
    let opened = cipher(key)?.open_in_place(nonce, Aad::empty(), &mut plain).ok()?.len();
    plain.truncate(opened);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_opened_by_its_key_alone() {
        let sealed = seal(&[1; 32], b"key").unwrap();
        assert_eq!(unseal(&[1; 32], &sealed).unwrap(), b"key");
        assert_eq!(unseal(&[2; 32], &sealed), None);
        assert_eq!(unseal(&[1; 32], &sealed[..20]), None);
    }

    #[test]
    fn a_macaroon_from_which_a_caveat_was_taken_is_not_good() {
        let issuer = Issuer::new("http://l", None);
        let scope = Scope::App("web".into());
        let token = issuer.mint(&scope, Some((1, 2)), Duration::from_secs(9), 100).unwrap();
        let mut macaroon = Macaroon::parse(&token).unwrap();
        let look = |token: &str| issuer.look(token, &[token], 100);
        assert!(matches!(look(&token), Seen::Macaroon { reach: Some(_), discharged: true }));
        macaroon.caveats.remove(1);
        let widened = macaroon.token();
        assert_eq!(look(&widened), Seen::Macaroon { reach: None, discharged: true });
    }

    #[test]
    fn a_discharge_that_is_bound_to_another_macaroon_is_not_good() {
        let issuer = Issuer::new("http://l", Some(Duration::from_secs(60)));
        let day = Duration::from_secs(86_400);
        let token = issuer.mint(&Scope::Everything, None, day, 100).unwrap();
        let ticket = ticket(&token).unwrap();
        let key = unpack_ticket(&unseal(&issuer.ticket_key, &ticket).unwrap()).unwrap();
        let parent = Macaroon::parse(&token).unwrap();
        for (tail, good) in [(parent.tail.clone(), true), (vec![1; 32], false)] {
            let nonce = Nonce { key_id: ticket.clone(), random: random(16), proof: false };
            let mut discharge = Macaroon {
                tail: sign(&key, &nonce.pack()),
                nonce,
                location: "http://l".into(),
                caveats: Vec::new(),
            };
            discharge.add(Caveat::BindToParent(binding_id(&tail)[..16].to_vec()));
            let discharge = discharge.token();
            let seen = issuer.look(&token, &[&token, &discharge], 100);
            assert!(
                matches!(seen, Seen::Macaroon { discharged, .. } if discharged == good),
                "{seen:?}"
            );
        }
    }
}
