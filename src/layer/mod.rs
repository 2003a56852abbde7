//! Tar in, blob out.
//!
//! A layer is read once, hashed, cut into blocks, compressed on all cores, hashed again and
//! handed on in order, all at the same time. The memory that this takes does not depend on
//! the layer: a permit of the [`Budget`] is taken *before* a block is read, and given back
//! when its compressed bytes have gone out.

mod encoding;
mod go_path;
mod go_tar;
mod key;
mod memo;
mod pack;
mod python_tar;
mod tar_header;

pub use encoding::{Encoding, ParseEncodingError};
pub use go_path::{go_clean_path, go_join_path};
pub use go_tar::{GO_TAR_END_BYTES, GoEntry, GoEntryKind};
pub use key::LayerKey;
pub use memo::{Memo, Place};
pub use pack::{Aborted, Blob, Budget, Chunk, PackError, Packed, Packing, TarHash, channel};
pub use python_tar::{PythonEntry, PythonEntryKind, PythonOwner, PythonTar};
pub use tar_header::{TAR_BLOCK_BYTES, TarField, TarHeader, pax_record, tar_padding_bytes};
