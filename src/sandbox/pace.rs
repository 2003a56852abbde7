//! How long the states of a machine last.

use std::time::Duration;

/// As much slower as a pace can be made, at most.
const SLOWEST: f64 = 1_000_000.0;

/// How long the states of a machine last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From `created` to `starting`: fetching the image.
    pub created: Duration,
    /// From `starting` to `started`, and in `restarting`.
    pub starting: Duration,
    /// From `replacing` to the launch of the new version.
    pub replacing: Duration,
    /// From `stopping` to `stopped`, and from `suspending` to `suspended`.
    pub stopping: Duration,
    /// From `destroying` to `destroyed`.
    pub destroying: Duration,
    /// From `started` to the first result of a check, which is critical.
    pub first_check: Duration,
    /// From `started` to checks that pass; those that flap change as often.
    pub passing_check: Duration,
    /// How long a process lives that exits by itself, unless its behavior says otherwise.
    pub exit: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            created: ms(200),
            starting: ms(400),
            replacing: ms(300),
            stopping: ms(300),
            destroying: ms(200),
            first_check: ms(200),
            passing_check: ms(500),
            exit: ms(300),
        }
    }
}

impl Pace {
    /// Returns a pace at which every state lasts equally long; checks pass after twice that.
    pub fn every(step: Duration) -> Self {
        Self {
            created: step,
            starting: step,
            replacing: step,
            stopping: step,
            destroying: step,
            first_check: step,
            passing_check: step * 2,
            exit: step,
        }
    }

    /// Returns this pace with every duration `factor` times as long; what is below 0 counts
    /// as 0.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let factor = if factor.is_nan() { 0.0 } else { factor.clamp(0.0, SLOWEST) };
        Self {
            created: self.created.mul_f64(factor),
            starting: self.starting.mul_f64(factor),
            replacing: self.replacing.mul_f64(factor),
            stopping: self.stopping.mul_f64(factor),
            destroying: self.destroying.mul_f64(factor),
            first_check: self.first_check.mul_f64(factor),
            passing_check: self.passing_check.mul_f64(factor),
            exit: self.exit.mul_f64(factor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_scaled_as_a_whole() {
        let ms = Duration::from_millis;
        assert_eq!(Pace::every(ms(10)).scaled(2.5), Pace::every(ms(25)));
        assert_eq!(Pace::default().scaled(-1.0), Pace::every(Duration::ZERO));
        assert_eq!(Pace::default().scaled(f64::NAN), Pace::every(Duration::ZERO));
        assert!(Pace::default().scaled(f64::INFINITY).exit > Duration::from_secs(3600));
    }
}
