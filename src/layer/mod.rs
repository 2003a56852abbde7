//! Tar in, blob out.
//!
//! A layer is read once, hashed, cut into blocks, compressed on all cores, hashed again and
//! handed on in order, all at the same time. The memory that this takes does not depend on
//! the layer: a permit of the [`Budget`] is taken *before* a block is read, and given back
//! when its compressed bytes have gone out.

mod encoding;
mod key;
mod memo;
mod pack;

pub use encoding::{Encoding, ParseEncodingError};
pub use key::LayerKey;
pub use memo::{Memo, Place};
pub use pack::{Aborted, Blob, Budget, Chunk, PackError, Packed, Packing, TarHash, channel};
