//! Sizes with units, as docker's library for Go reads them.

const MIB: f64 = 1_048_576.0;
const GB: f64 = 1e9;

/// Reads a size of memory in MiB; a bare number counts MiB, units are binary.
pub(in crate::fly::config) fn mebibytes(text: &str) -> Option<u64> {
    whole(text, 1024.0, MIB)
}

/// Reads a size of a volume in GB; a bare number counts GB, units are decimal.
pub(in crate::fly::config) fn gigabytes(text: &str) -> Option<u64> {
    whole(text, 1000.0, GB)
}

/// Reads a size in whole `target`s, which may be none.
fn whole(text: &str, base: f64, target: f64) -> Option<u64> {
    if let Ok(number) = text.parse::<i64>() {
        return u64::try_from(number).ok();
    }
    let size = bytes(text, base)? / target;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction is cut, and a size that is no number was refused"
    )]
    Some(size as u64)
}

/// Reads a number with a unit, such as `1.5gb` or `2 GiB`.
fn bytes(text: &str, base: f64) -> Option<f64> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')? + 1;
    let (number, unit) = text.split_at_checked(end)?;
    let number: f64 = number.strip_suffix(' ').unwrap_or(number).parse().ok()?;
    let unit = unit.to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    (number >= 0.0 && unit != "ib").then_some(number * base.powi(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_memory_are_binary_and_of_volumes_decimal() {
        for (text, mib, gb) in [
            ("512", Some(512), Some(512)),
            ("0", Some(0), Some(0)),
            ("512mb", Some(512), Some(0)),
            ("512m", Some(512), Some(0)),
            ("8GB", Some(8192), Some(8)),
            ("8 GB", Some(8192), Some(8)),
            ("1.5g", Some(1536), Some(1)),
            ("1gib", Some(1024), Some(1)),
            ("30gb", Some(30_720), Some(30)),
            ("15Mb", Some(15), Some(0)),
            ("10kb", Some(0), Some(0)),
            ("2000000b", Some(1), Some(0)),
            ("1t", Some(1_048_576), Some(1000)),
            ("much", None, None),
            ("", None, None),
            ("-5", None, None),
            ("-5gb", None, None),
            ("5xb", None, None),
            ("5ib", None, None),
            ("gb", None, None),
        ] {
            assert_eq!(mebibytes(text), mib, "{text}");
            assert_eq!(gigabytes(text), gb, "{text}");
        }
    }
}
