//! Reading on a thread of its own, some blocks ahead.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// How many bytes are handed over at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// How many blocks may wait.
const BLOCKS_AHEAD: usize = 4;

/// Calls `work` with a reader of what `open` opens, which is read on another thread meanwhile:
/// so inflating, which no second thread can help with, does not wait for anything else.
pub(super) fn read_ahead<R: Read, T>(
    open: impl FnOnce() -> io::Result<R> + Send,
    work: impl FnOnce(&mut dyn Read) -> T,
) -> T {
    thread::scope(|scope| {
        let (blocks, ahead) = sync_channel(BLOCKS_AHEAD);
        scope.spawn(move || match open() {
            Ok(content) => fill(content, &blocks),
            // Nobody listens any more when the work has ended.
            Err(error) => drop(blocks.send(Err(error))),
        });
        // The reader must be gone before the scope waits for the thread.
        let mut reader = Ahead { blocks: ahead, block: Vec::new(), taken: 0 };
        let result = work(&mut reader);
        drop(reader);
        result
    })
}

fn fill(mut content: impl Read, blocks: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        let read = content.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block);
        // What was read before an error counts.
        if !block.is_empty() && blocks.send(Ok(block)).is_err() {
            return;
        }
        match read {
            Ok(count) if count < BLOCK_BYTES => return,
            Ok(_) => {}
            Err(error) => return drop(blocks.send(Err(error))),
        }
    }
}

struct Ahead {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    taken: usize,
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.block.len() {
            match self.blocks.recv() {
                Ok(block) => (self.block, self.taken) = (block?, 0),
                Err(_ended) => return Ok(0),
            }
        }
        let count = self.block.get(self.taken..).unwrap_or_default().read(buffer)?;
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(content: impl Read + Send) -> (Vec<u8>, io::Result<usize>) {
        let mut out = Vec::new();
        let result = read_ahead(|| Ok(content), |reader| reader.read_to_end(&mut out));
        (out, result)
    }

    #[test]
    fn the_bytes_are_those_of_the_content() {
        for size in [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 10 * BLOCK_BYTES + 7] {
            let content: Vec<u8> = (0..size).map(|n| n.to_le_bytes()[0]).collect();
            let (out, result) = all(&*content);
            assert_eq!(result.unwrap(), size);
            assert!(out == content, "{size}");
        }
    }

    #[test]
    fn an_error_comes_after_what_was_read_before_it() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk on fire"))
            }
        }
        let (out, result) = all((&b"before"[..]).chain(Broken));
        assert_eq!(out, b"before");
        assert_eq!(result.unwrap_err().to_string(), "disk on fire");
    }

    #[test]
    fn work_that_ends_early_ends_the_reading() {
        assert_eq!(read_ahead(|| Ok(io::repeat(1)), |_| "done"), "done");
    }
}
