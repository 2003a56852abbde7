//! Texts, whole numbers and durations that may be written otherwise.

use crate::fly::config::problem::Fault;
use crate::fly::config::tree::{Node, Value};
use crate::fly::config::{GoDuration, go};

/// A millisecond in nanoseconds.
pub(super) const MILLISECOND: u64 = 1_000_000;

/// Makes a text of a number or a boolean, as Go prints it.
pub(in crate::fly::config) fn text(node: &Node) -> Result<Option<Value>, Fault> {
    match &node.value {
        Value::Text(text) => Ok(Some(Value::Text(text.clone()))),
        Value::Bool(value) => Ok(Some(Value::Text(value.to_string()))),
        Value::Integer(number) => Ok(Some(Value::Text(number.to_string()))),
        Value::Float(number) => Ok(Some(Value::Text(go::float(*number)))),
        Value::Null | Value::List(_) | Value::Table(_) => {
            Err(node.must_be("a text, a number, true or false"))
        }
    }
}

/// Makes a whole number of a text of digits, or of a number with a fraction, which is cut.
pub(super) fn integer(node: &Node) -> Result<Option<Value>, Fault> {
    let wanted = "a whole number, or a text of digits";
    match &node.value {
        Value::Integer(number) => Ok(Some(Value::Integer(*number))),
        Value::Float(number) if number.is_finite() => Ok(Some(Value::Float(number.trunc()))),
        Value::Text(text) => match text.parse() {
            Ok(number) => Ok(Some(Value::Integer(number))),
            Err(_) => Err(node.must_be(wanted)),
        },
        _ => Err(node.must_be(wanted)),
    }
}

/// Makes a duration with units of a bare number, which counts `unit` nanoseconds; an empty
/// text is none.
pub(super) fn duration(node: &Node, unit: u64) -> Result<Option<Value>, Fault> {
    let number = match &node.value {
        Value::Text(text) if text.is_empty() => return Ok(None),
        Value::Text(text) => return Ok(Some(Value::Text(text.clone()))),
        #[expect(clippy::cast_precision_loss, reason = "nobody waits that long")]
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        _ => return Err(node.must_be("a duration such as `10s`, or a number")),
    };
    match GoDuration::from_units(number, unit) {
        Some(duration) => Ok(Some(Value::Text(duration.to_string()))),
        None => Err(node.fault("it is negative, or far too long")),
    }
}
