//! The several shapes in which fly.toml takes one value.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::GoDuration;

/// Reads one table, or a list of them. Empty tables do not count.
pub(super) fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default + PartialEq,
{
    struct Shape<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Shape<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table, or a list of tables")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<T>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(seq))
        }
    }
    let mut items = deserializer.deserialize_any(Shape(PhantomData))?;
    items.retain(|item| *item != T::default());
    Ok(items)
}

/// An entry of a list whose place in a table would be its name.
pub(super) trait Named {
    /// Returns the name, and the entry as the table would hold it.
    fn into_entry(self) -> (String, Self::Entry);
    type Entry;
}

/// Reads a table by name, or a list whose entries hold their names.
pub(super) fn by_name<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T::Entry>, D::Error>
where
    D: Deserializer<'de>,
    T: Named + Deserialize<'de>,
    T::Entry: Deserialize<'de>,
{
    struct Shape<T>(PhantomData<T>);
    impl<'de, T> Visitor<'de> for Shape<T>
    where
        T: Named + Deserialize<'de>,
        T::Entry: Deserialize<'de>,
    {
        type Value = BTreeMap<String, T::Entry>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table, or a list of tables with names")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            BTreeMap::deserialize(MapAccessDeserializer::new(map))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            let list: Vec<T> = Vec::deserialize(SeqAccessDeserializer::new(seq))?;
            Ok(list.into_iter().map(Named::into_entry).collect())
        }
    }
    deserializer.deserialize_any(Shape::<T>(PhantomData))
}

/// A text that may be written as a number or a boolean, as in `[env]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl Visitor<'_> for Shape {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a boolean")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

/// `[env]`: a table, or a list of tables of which later ones win.
pub(super) fn env<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let tables: Vec<BTreeMap<String, Text>> = one_or_many(deserializer)?;
    Ok(tables.into_iter().flatten().map(|(name, value)| (name, value.0)).collect())
}

/// A port, which may be written as a text of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PortNumber(pub(super) u16);

impl<'de> Deserialize<'de> for PortNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        text.0.parse().map(Self).map_err(|_not_a_port| {
            Error::invalid_value(Unexpected::Str(&text.0), &"a port between 0 and 65535")
        })
    }
}

/// One word, or a list of words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Words, E> {
                Ok(Words(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Words, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Words)
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

/// A duration as written; what a bare number means depends on where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Span {
    /// An empty text.
    Unset,
    /// A text with units.
    Text(GoDuration),
    /// A bare number, with its fraction cut unless the unit is written.
    Number(u64),
}

impl Span {
    /// Returns the duration when bare numbers count `unit`.
    pub(super) fn resolve(self, unit: fn(u64) -> GoDuration) -> Option<GoDuration> {
        match self {
            Self::Unset => None,
            Self::Text(duration) => Some(duration),
            Self::Number(number) => Some(unit(number)),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl Visitor<'_> for Shape {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `10s`, or a number that is not negative")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                if text.is_empty() {
                    return Ok(Span::Unset);
                }
                text.parse().map(Span::Text).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Span, E> {
                u64::try_from(value)
                    .map(Span::Number)
                    .map_err(|_negative| E::invalid_value(Unexpected::Signed(value), &self))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Span, E> {
                if !(0.0..1e15).contains(&value) {
                    return Err(E::invalid_value(Unexpected::Float(value), &self));
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the fraction is cut, and the range was checked"
                )]
                Ok(Span::Number(value as u64))
            }
        }
        deserializer.deserialize_any(Shape)
    }
}
