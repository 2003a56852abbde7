//! The parts of a token: macaroons with their discharges, and users' tokens.

use std::collections::BTreeSet;

use reqwest::header::HeaderValue;

use crate::http::{Secret, authorization};

use super::ParseTokenError;
use super::macaroon::{Macaroon, PERMISSION, ThirdParty, is_macaroon};

/// How long before its end a discharge is renewed, in seconds, or half its life if that is
/// shorter. They live for five minutes.
const MARGIN: u64 = 60;

/// The parts of a token.
#[derive(Debug, Clone)]
pub(super) struct Bundle {
    users: Vec<Secret>,
    macaroons: Vec<Part>,
}

/// A macaroon, and what it says of itself if that can be read.
#[derive(Debug, Clone)]
struct Part {
    text: Secret,
    says: Option<Macaroon>,
}

/// What each of the platform's services wants to see.
#[derive(Debug, Clone)]
pub(super) struct Forms {
    pub(super) machines: HeaderValue,
    pub(super) web: HeaderValue,
    pub(super) graphql: HeaderValue,
    pub(super) password: Secret,
}

/// Why a part of a token was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Useless {
    /// It was good until then, in seconds since 1970.
    Over(u64),
    /// It is a macaroon by its beginning alone.
    Unreadable,
}

impl Part {
    fn of(text: &str) -> Self {
        Self { text: Secret::new(text), says: Macaroon::decode(text) }
    }

    /// Returns what it says if it gives permission by itself.
    fn permission(&self) -> Option<&Macaroon> {
        self.says.as_ref().filter(|says| says.location == PERMISSION)
    }

    /// Returns what it says if it is the consent of a third party.
    fn discharge(&self) -> Option<&Macaroon> {
        self.says.as_ref().filter(|says| says.location != PERMISSION)
    }
}

impl Bundle {
    /// Takes a token's text apart.
    pub(super) fn parse(text: &str) -> Result<Self, ParseTokenError> {
        let parts = || without_scheme(text).split(',').map(str::trim).filter(|p| !p.is_empty());
        if parts().any(|part| !is_plain(part)) {
            return Err(ParseTokenError::Character);
        }
        let (macaroons, users): (Vec<_>, Vec<_>) = parts().partition(|part| is_macaroon(part));
        if macaroons.is_empty() && users.is_empty() {
            return Err(ParseTokenError::Empty);
        }
        Ok(Self {
            users: users.into_iter().map(Secret::new).collect(),
            macaroons: macaroons.into_iter().map(Part::of).collect(),
        })
    }

    /// Leaves out what is good for nothing, unless nothing would be left: then the platform
    /// is the judge, whose clock may be another.
    pub(super) fn tidy(&mut self, now: u64) -> Vec<Useless> {
        let mut useless = Vec::new();
        let mut kept = Vec::new();
        for part in &self.macaroons {
            match &part.says {
                None => useless.push(Useless::Unreadable),
                // Discharges run out all the time, and are renewed.
                Some(says) if says.is_over(now) && part.discharge().is_some() => {}
                Some(says) if says.is_over(now) => {
                    useless.extend(says.not_after.map(Useless::Over));
                }
                Some(_) => kept.push(part.clone()),
            }
        }
        if self.users.is_empty() && !kept.iter().any(|part| part.permission().is_some()) {
            return Vec::new();
        }
        self.macaroons = kept;
        let tickets = self.tickets();
        self.macaroons
            .retain(|part| part.discharge().is_none_or(|says| tickets.contains(&says.key_id)));
        useless
    }

    /// Makes what the services want to see at `now`. Macaroons that lack a discharge open
    /// no door, so that users' tokens are shown in their place where there are any.
    pub(super) fn forms(&self, now: u64) -> Result<Forms, ParseTokenError> {
        let users = join(&self.users);
        let macaroons = join(self.macaroons.iter().map(|part| &part.text));
        let everything = join(self.macaroons.iter().map(|part| &part.text).chain(&self.users));
        let (scheme, first) = if self.has_open_macaroon(now) || self.users.is_empty() {
            ("FlyV1", &macaroons)
        } else {
            ("Bearer", &users)
        };
        let graphql = if self.macaroons.is_empty() { "Bearer" } else { "FlyV1" };
        let header = |scheme, credentials: &str| {
            authorization(scheme, credentials).map_err(|_shows_it| ParseTokenError::Character)
        };
        Ok(Forms {
            machines: header(scheme, first)?,
            // Bearer, even for macaroons: that service knows no other word.
            web: header("Bearer", &everything)?,
            graphql: header(graphql, &everything)?,
            password: Secret::new(first),
        })
    }

    /// Whether a macaroon gives permission at `now` with all the discharges that it needs,
    /// as far as that can be read.
    pub(super) fn has_open_macaroon(&self, now: u64) -> bool {
        self.macaroons.iter().any(|part| match (&part.says, part.permission()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(says)) => {
                let agreed =
                    |third: &ThirdParty| self.discharges_of(third).any(|d| !d.is_over(now));
                !says.is_over(now) && says.third_parties.iter().all(agreed)
            }
        })
    }

    /// Returns what gives permission and is not over at `now`.
    pub(super) fn permissions(&self, now: u64) -> impl Iterator<Item = &Macaroon> {
        self.macaroons.iter().filter_map(Part::permission).filter(move |says| !says.is_over(now))
    }

    /// Returns what gave permission, also what is over.
    pub(super) fn all_permissions(&self) -> impl Iterator<Item = &Macaroon> {
        self.macaroons.iter().filter_map(Part::permission)
    }

    /// Returns who is to be asked for a discharge at `now`, because there is none or because
    /// it runs out.
    pub(super) fn due(&self, now: u64) -> BTreeSet<ThirdParty> {
        let lasts = |third: &&ThirdParty| {
            !self
                .discharges_of(third)
                .any(|discharge| renew_at(discharge).is_none_or(|at| at > now))
        };
        self.permissions(now).flat_map(|says| &says.third_parties).filter(lasts).cloned().collect()
    }

    /// Returns when [`Bundle::due`] next has something that it has not now, in seconds since
    /// 1970, if that is ever.
    pub(super) fn next_due(&self, now: u64) -> Option<u64> {
        let thirds = self.permissions(now).flat_map(|says| &says.third_parties);
        let last = thirds.filter_map(|third| self.discharges_of(third).filter_map(renew_at).max());
        last.filter(|at| *at > now).min()
    }

    /// Takes in the discharge that `third` gave. Returns whether it is one for that ticket.
    pub(super) fn add_discharge(&mut self, third: &ThirdParty, text: &str) -> bool {
        let parts = without_scheme(text).split(',').map(str::trim).filter(|part| is_plain(part));
        let new: Vec<Part> = parts.map(Part::of).filter(|part| part.says.is_some()).collect();
        let fits = |part: &Part| part.says.as_ref().is_some_and(|says| says.key_id == third.ticket);
        if !new.iter().any(fits) {
            return false;
        }
        self.macaroons.retain(|part| part.permission().is_some() || !fits(part));
        self.macaroons.extend(new.into_iter().filter(fits));
        true
    }

    /// Returns users' tokens as one credential, if there are any.
    pub(super) fn users(&self) -> Option<Secret> {
        (!self.users.is_empty()).then(|| Secret::new(&join(&self.users)))
    }

    /// Leaves users' tokens alone.
    pub(super) fn without_macaroons(&mut self) {
        if !self.users.is_empty() {
            self.macaroons.clear();
        }
    }

    fn discharges_of(&self, third: &ThirdParty) -> impl Iterator<Item = &Macaroon> {
        let discharges = self.macaroons.iter().filter_map(Part::discharge);
        discharges.filter(|says| says.key_id == third.ticket)
    }

    fn tickets(&self) -> BTreeSet<Vec<u8>> {
        let thirds = self.all_permissions().flat_map(|says| &says.third_parties);
        thirds.map(|third| third.ticket.clone()).collect()
    }
}

/// When a discharge is to be renewed, in seconds since 1970, if it ends at all.
fn renew_at(discharge: &Macaroon) -> Option<u64> {
    let until = discharge.not_after?;
    let life = until.saturating_sub(discharge.not_before.unwrap_or(0));
    Some(until.saturating_sub(MARGIN.min(life / 2)))
}

fn join<'a>(parts: impl IntoIterator<Item = &'a Secret>) -> String {
    parts.into_iter().map(Secret::expose).collect::<Vec<_>>().join(",")
}

/// Whether a part holds nothing that no token holds.
fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic())
}

/// Takes away the scheme's words, however many there are and in any order.
fn without_scheme(text: &str) -> &str {
    let mut rest = text.trim();
    while let Some((word, tail)) = rest.split_once(char::is_whitespace) {
        if !is_scheme(word) {
            return rest;
        }
        rest = tail.trim_start();
    }
    if is_scheme(rest) { "" } else { rest }
}

fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("flyv1")
}

#[cfg(test)]
mod tests {
    use super::super::macaroon::minting::{apps, mint, organization, third_party, valid};
    use super::*;

    const AUTH: &str = "https://api.fly.io/aaa/v1";
    const NOW: u64 = 2_000_000_000;

    fn login(organization_id: u64, ticket: &[u8]) -> String {
        let caveats = [organization(organization_id, 31), third_party(AUTH, ticket)].concat();
        mint(b"key", PERMISSION, caveats)
    }

    fn discharge(ticket: &[u8], from: u64, until: u64) -> String {
        mint(ticket, AUTH, valid(from, until).to_vec())
    }

    fn machines(bundle: &Bundle) -> String {
        bundle.forms(NOW).unwrap().machines.to_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_over_or_cannot_be_read_is_left_out_unless_nothing_would_be_left() {
        let over = mint(b"key", PERMISSION, valid(1, NOW).to_vec());
        let good = mint(b"key", PERMISSION, apps(&[1]).to_vec());
        let stray = discharge(b"of another", NOW, NOW + 300);
        let mut bundle = Bundle::parse(&format!("{over},fm2_!,{good},{stray}")).unwrap();
        assert_eq!(bundle.tidy(NOW), [Useless::Over(NOW), Useless::Unreadable]);
        assert_eq!(machines(&bundle), format!("FlyV1 {good}"));

        for alone in [over, "fm2_!".to_owned()] {
            let mut bundle = Bundle::parse(&alone).unwrap();
            assert_eq!(bundle.tidy(NOW), []);
            assert_eq!(machines(&bundle), format!("FlyV1 {alone}"));
        }
    }

    #[test]
    fn a_discharge_is_due_when_it_is_missing_and_again_before_it_runs_out() {
        let text = login(5, b"t");
        let mut bundle = Bundle::parse(&text).unwrap();
        let third = ThirdParty { location: AUTH.into(), ticket: b"t".to_vec() };
        assert_eq!(bundle.due(NOW), BTreeSet::from([third.clone()]));
        assert!(!bundle.has_open_macaroon(NOW));
        assert_eq!(bundle.next_due(NOW), None);

        assert!(!bundle.add_discharge(&third, &discharge(b"other", NOW, NOW + 300)));
        assert!(!bundle.add_discharge(&third, "no macaroon"));
        let first = discharge(b"t", NOW, NOW + 300);
        assert!(bundle.add_discharge(&third, &format!("FlyV1 {first}")));
        assert_eq!((bundle.due(NOW).len(), bundle.next_due(NOW)), (0, Some(NOW + 240)));
        assert_eq!(bundle.due(NOW + 239).len(), 0);
        assert_eq!(bundle.due(NOW + 240).len(), 1);
        assert!(bundle.has_open_macaroon(NOW + 299) && !bundle.has_open_macaroon(NOW + 300));

        let second = discharge(b"t", NOW + 240, NOW + 540);
        assert!(bundle.add_discharge(&third, &second));
        assert_eq!(machines(&bundle), format!("FlyV1 {text},{second}"));
    }

    #[test]
    fn a_short_discharge_is_renewed_half_way() {
        let text = format!("{},{}", login(5, b"t"), discharge(b"t", NOW, NOW + 10));
        let bundle = Bundle::parse(&text).unwrap();
        assert_eq!(bundle.next_due(NOW), Some(NOW + 5));
    }

    #[test]
    fn users_tokens_stand_in_for_macaroons_that_lack_a_discharge() {
        let login = login(5, b"t");
        let mut bundle = Bundle::parse(&format!("{login},fo1_u")).unwrap();
        let forms = bundle.forms(NOW).unwrap();
        assert_eq!(machines(&bundle), "Bearer fo1_u");
        assert_eq!(forms.password.expose(), "fo1_u");
        assert_eq!(forms.graphql.to_str().unwrap(), format!("FlyV1 {login},fo1_u"));

        let third = ThirdParty { location: AUTH.into(), ticket: b"t".to_vec() };
        let given = discharge(b"t", NOW, NOW + 300);
        assert!(bundle.add_discharge(&third, &given));
        assert_eq!(machines(&bundle), format!("FlyV1 {login},{given}"));
        bundle.without_macaroons();
        assert_eq!(machines(&bundle), "Bearer fo1_u");
    }

    #[test]
    fn what_runs_out_for_good_is_not_renewed() {
        let caveats = [valid(1, NOW), third_party(AUTH, b"t")].concat();
        let bundle = Bundle::parse(&mint(b"key", PERMISSION, caveats)).unwrap();
        assert_eq!(bundle.due(NOW).len(), 0);
        assert_eq!(bundle.due(NOW - 1).len(), 1);
    }
}
