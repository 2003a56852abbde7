//! What the other side can run.

use super::Error;

/// The most layers that an image may have: container runtimes stop at 127.
const MAX_LAYERS: usize = 127;

/// The most bytes of layers, uncompressed, that a machine's root file system takes. An image
/// that is larger is pushed without complaint, and its machines never start.
const MAX_FLY_BYTES: u64 = 8_000_000_000;

/// From here on a warning says how near the limit is.
const MANY_FLY_BYTES: u64 = 7_000_000_000;

/// What images the other side can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Any: the registry is only a store.
    Any,
    /// Linux on x86-64 alone, as Fly's machines are.
    LinuxAmd64,
}

/// What the rules are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) os: &'a str,
    pub(super) architecture: &'a str,
    pub(super) layers: usize,
    /// Bytes of all layers before compression, as far as they are known.
    pub(super) uncompressed_bytes: u64,
}

impl Platform {
    /// Checks whether an image can run. Returns a warning if only just.
    ///
    /// # Errors
    ///
    /// Fails when it cannot.
    pub(super) fn check(self, facts: Facts<'_>) -> Result<Option<String>, Error> {
        let Facts { os, architecture, layers, uncompressed_bytes } = facts;
        if layers > MAX_LAYERS {
            return Err(Error::TooManyLayers { layers, most: MAX_LAYERS });
        }
        if self == Self::Any {
            return Ok(None);
        }
        if (os, architecture) != ("linux", "amd64") {
            return Err(Error::WrongPlatform { found: format!("{os}/{architecture}") });
        }
        if uncompressed_bytes > MAX_FLY_BYTES {
            return Err(Error::TooLarge { bytes: uncompressed_bytes, most: MAX_FLY_BYTES });
        }
        Ok((uncompressed_bytes > MANY_FLY_BYTES).then(|| {
            format!(
                "the image's layers are {:.1} GB before compression; Fly's machines take {:.0} GB",
                gigabytes(uncompressed_bytes),
                gigabytes(MAX_FLY_BYTES),
            )
        }))
    }
}

/// Returns a size in gigabytes, for people.
pub(super) fn gigabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "one digit of it is shown")]
    let bytes = bytes as f64;
    bytes / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Facts<'_> =
        Facts { os: "linux", architecture: "amd64", layers: 100, uncompressed_bytes: 1 << 30 };

    #[test]
    fn what_cannot_run_on_fly_is_refused_and_what_nearly_cannot_is_told() {
        let fly = Platform::LinuxAmd64;
        assert_eq!(fly.check(GOOD).unwrap(), None);
        let arm = Facts { architecture: "arm64", ..GOOD };
        assert!(fly.check(arm).unwrap_err().to_string().contains("linux/arm64"));
        let huge = Facts { uncompressed_bytes: 8_100_000_000, ..GOOD };
        assert!(fly.check(huge).unwrap_err().to_string().contains("8.1 GB"));
        let large = Facts { uncompressed_bytes: 7_500_000_000, ..GOOD };
        assert!(fly.check(large).unwrap().unwrap().contains("7.5 GB"));
    }

    #[test]
    fn a_registry_stores_what_fly_does_not_run() {
        let odd = Facts { os: "plan9", uncompressed_bytes: u64::MAX, ..GOOD };
        assert_eq!(Platform::Any.check(odd).unwrap(), None);
        let deep = Facts { layers: 128, ..GOOD };
        assert!(matches!(Platform::Any.check(deep), Err(Error::TooManyLayers { .. })));
    }
}
