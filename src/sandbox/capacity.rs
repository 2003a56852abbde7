//! How many more machines find room.

use std::collections::BTreeMap;
use std::str::FromStr;

/// The codes of Fly's regions.
///
/// <https://fly.io/docs/reference/regions/>
pub(super) const REGIONS: [(&str, &str); 35] = [
    ("ams", "Amsterdam, Netherlands"),
    ("arn", "Stockholm, Sweden"),
    ("atl", "Atlanta, Georgia (US)"),
    ("bog", "Bogotá, Colombia"),
    ("bom", "Mumbai, India"),
    ("bos", "Boston, Massachusetts (US)"),
    ("cdg", "Paris, France"),
    ("den", "Denver, Colorado (US)"),
    ("dfw", "Dallas, Texas (US)"),
    ("ewr", "Secaucus, NJ (US)"),
    ("eze", "Ezeiza, Argentina"),
    ("fra", "Frankfurt, Germany"),
    ("gdl", "Guadalajara, Mexico"),
    ("gig", "Rio de Janeiro, Brazil"),
    ("gru", "Sao Paulo, Brazil"),
    ("hkg", "Hong Kong, Hong Kong"),
    ("iad", "Ashburn, Virginia (US)"),
    ("jnb", "Johannesburg, South Africa"),
    ("lax", "Los Angeles, California (US)"),
    ("lhr", "London, United Kingdom"),
    ("mad", "Madrid, Spain"),
    ("mia", "Miami, Florida (US)"),
    ("nrt", "Tokyo, Japan"),
    ("ord", "Chicago, Illinois (US)"),
    ("otp", "Bucharest, Romania"),
    ("phx", "Phoenix, Arizona (US)"),
    ("qro", "Querétaro, Mexico"),
    ("scl", "Santiago, Chile"),
    ("sea", "Seattle, Washington (US)"),
    ("sin", "Singapore, Singapore"),
    ("sjc", "San Jose, California (US)"),
    ("syd", "Sydney, Australia"),
    ("waw", "Warsaw, Poland"),
    ("yul", "Montreal, Canada"),
    ("yyz", "Toronto, Canada"),
];

/// Where machines nobody says a region for are made.
pub(super) const NEAREST: &str = "iad";

/// Returns whether a text is the code of a region.
pub(super) fn is_region(code: &str) -> bool {
    REGIONS.iter().any(|(region, _)| *region == code)
}

/// Where room may be short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A region, by its code.
    Region(String),
    /// An app, by its name.
    App(String),
}

/// Reads the code of a region or, if it is none, the name of an app.
impl FromStr for Place {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = if is_region(text) { Self::Region } else { Self::App };
        Ok(place(text.to_owned()))
    }
}

/// How many more machines find room, where that is limited.
#[derive(Debug, Default)]
pub(super) struct Rooms(BTreeMap<Place, u64>);

impl Rooms {
    /// Limits a place, or lifts its limit.
    pub(super) fn set(&mut self, place: Place, machines: Option<u64>) {
        match machines {
            Some(machines) => self.0.insert(place, machines),
            None => self.0.remove(&place),
        };
    }

    fn of(app: &str, region: &str) -> [Place; 2] {
        [Place::Region(region.to_owned()), Place::App(app.to_owned())]
    }

    /// Returns whether a machine of `app` finds room in `region`.
    pub(super) fn is_there(&self, app: &str, region: &str) -> bool {
        Self::of(app, region).iter().all(|place| self.0.get(place) != Some(&0))
    }

    /// Takes the room of a machine.
    pub(super) fn take(&mut self, app: &str, region: &str) {
        for place in Self::of(app, region) {
            self.0.entry(place).and_modify(|left| *left = left.saturating_sub(1));
        }
    }

    /// Gives back the room of a machine that is gone.
    pub(super) fn give_back(&mut self, app: &str, region: &str) {
        for place in Self::of(app, region) {
            self.0.entry(place).and_modify(|left| *left += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_and_given_back_by_region_and_by_app() {
        let mut rooms = Rooms::default();
        rooms.set("fra".parse().unwrap(), Some(1));
        rooms.set("web".parse().unwrap(), Some(2));
        rooms.take("web", "fra");
        assert!(!rooms.is_there("api", "fra"));
        assert!(rooms.is_there("web", "ams"));
        rooms.take("web", "ams");
        assert!(!rooms.is_there("web", "ams"));
        rooms.give_back("web", "fra");
        assert!(rooms.is_there("web", "fra"));
        rooms.set(Place::Region("fra".into()), None);
        assert!(rooms.is_there("api", "fra") && rooms.is_there("api", "ams"));
    }
}
