//! Content whose length is known.

use std::io::{self, Read};

/// Reads exactly as many bytes as were announced: fewer are an error, not an end, and what
/// follows is left alone.
#[derive(Debug)]
pub(super) struct Exact<R> {
    left: u64,
    inner: R,
}

impl<R: Read> Exact<R> {
    /// Takes the next `size_bytes` bytes of `inner`.
    pub(super) fn new(inner: R, size_bytes: u64) -> Self {
        Self { left: size_bytes, inner }
    }
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&mut self.inner).take(self.left).read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            let text = format!("it ends {} bytes too early", self.left);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_and_no_less_is_read_than_was_announced() {
        let mut out = Vec::new();
        Exact::new(&b"abcdef"[..], 3).read_to_end(&mut out).unwrap();
        assert_eq!(out, b"abc");
        let error = Exact::new(&b"abc"[..], 5).read_to_end(&mut out).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("2 bytes"), "{error}");
    }
}
