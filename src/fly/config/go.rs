//! Numbers as Go prints them: where a text is wanted, flyctl makes one of a number so.

/// Prints a number as Go's `%v` does: the shortest digits, from a million on with an exponent.
pub(super) fn float(number: f64) -> String {
    if !number.is_finite() {
        let word = if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        };
        return word.to_owned();
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are those that Go 1.26 has printed.
    #[test]
    fn numbers_are_printed_as_go_prints_them() {
        for (number, text) in [
            (8080.0, "8080"),
            (0.0, "0"),
            (1.5, "1.5"),
            (123_456.75, "123456.75"),
            (999_999.0, "999999"),
            (1_000_000.0, "1e+06"),
            (-1_000_000.0, "-1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (123_456_789.125, "1.23456789125e+08"),
            (1e20, "1e+20"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e-7, "1e-07"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(float(number), text);
        }
    }
}
