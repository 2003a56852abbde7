//! A layer into the pipeline: packed anew, or as it is where it is a blob already.

use std::io::Read;

use tokio::runtime::Handle;

use super::Format;
use crate::image::Compression;
use crate::layer::{PackError, Packing, TarHash};
use crate::source::{Wrapper, inflate};

/// Returns how a layer will be compressed in the registry. One that is compressed already
/// stays as it is, if the manifest has a media type for it.
pub(super) fn compression(format: Format, wrapper: Wrapper) -> Compression {
    kept(format, wrapper).unwrap_or(format.encoding().compression())
}

/// Returns whether a layer stays compressed as it is.
pub(super) fn stays(format: Format, wrapper: Wrapper) -> bool {
    kept(format, wrapper).is_some()
}

fn kept(format: Format, wrapper: Wrapper) -> Option<Compression> {
    let compression = match wrapper {
        Wrapper::Gzip => Compression::Gzip,
        Wrapper::Zstd => Compression::Zstd,
        Wrapper::None | Wrapper::Xz => return None,
    };
    format.layer_type(compression).map(|_| compression)
}

/// Feeds the pipeline with a layer that is compressed as `wrapper` says. This blocks.
///
/// # Errors
///
/// Fails when `content` cannot be read, or nobody wants the blob any more.
pub(super) fn pack(
    packing: Packing,
    format: Format,
    wrapper: Wrapper,
    content: &mut dyn Read,
    runtime: &Handle,
) -> Result<TarHash, PackError> {
    if !stays(format, wrapper) {
        return packing.pack(&mut inflate(wrapper, content)?, runtime);
    }
    let unpack = |blob: &mut dyn Read| TarHash::of(&mut inflate(wrapper, blob)?);
    packing.pass(content, runtime, unpack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ManifestFormat;
    use crate::layer::Encoding;

    #[test]
    fn only_what_the_manifest_has_a_name_for_stays_compressed_as_it_is() {
        let oci = Format::new(ManifestFormat::Oci, Encoding::ZSTD).unwrap();
        let docker = Format::new(ManifestFormat::Docker, Encoding::GZIP).unwrap();
        for (format, wrapper, expected) in [
            (oci, Wrapper::Gzip, Compression::Gzip),
            (oci, Wrapper::Zstd, Compression::Zstd),
            (oci, Wrapper::None, Compression::Zstd),
            (oci, Wrapper::Xz, Compression::Zstd),
            (docker, Wrapper::Zstd, Compression::Gzip),
        ] {
            assert_eq!(compression(format, wrapper), expected, "{wrapper:?}");
        }
    }
}
