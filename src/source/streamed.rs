//! Images that are read in one pass: compressed archives, and stream scripts.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use tar::Archive;

use super::archive::Members;
use super::described::Described;
use super::interrupt::Interruptible;
use super::read_ahead::read_ahead;
use super::tar_members::drain;
use super::{Error, Image, Interrupt, Visit, Wrapper, inflate, stream};

/// An image that can be read in one pass only, but again and again.
#[derive(Debug, Clone)]
pub struct Streamed {
    path: PathBuf,
    kind: String,
    from: From,
    image_name: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum From {
    Archive(Wrapper),
    Script,
}

impl Streamed {
    /// Takes the compressed archive at `path`.
    pub(super) fn archive(path: &Path, wrapper: Wrapper, image_name: Option<String>) -> Self {
        let kind = format!("archive ({})", wrapper.name());
        Self { path: path.to_owned(), kind, from: From::Archive(wrapper), image_name }
    }

    /// Takes the script at `path`; `why` says why it must be run, where that may surprise.
    pub(super) fn script(path: &Path, why: Option<&str>, image_name: Option<String>) -> Self {
        let kind = match why {
            Some(why) => format!("stream script, which is run: {why}"),
            None => "stream script".to_owned(),
        };
        Self { path: path.to_owned(), kind, from: From::Script, image_name }
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what kind of image it is, for people: `archive (gzip)`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns whether it may hold layers of other images than the one that is wanted.
    pub fn may_hold_others(&self) -> bool {
        self.image_name.is_some()
    }

    /// Reads the image once, in one pass, and shows `visitor` each layer as it comes.
    ///
    /// This blocks; `interrupt` ends it from another thread.
    ///
    /// # Errors
    ///
    /// Fails when the data is damaged or is no image, when a script fails, and with
    /// [`Error::Stopped`] when the visitor has had enough or the interrupt was fired.
    pub fn read(&self, interrupt: &Interrupt, visitor: &mut dyn Visit) -> Result<Image, Error> {
        let result = match self.from {
            From::Archive(wrapper) => self.read_archive(wrapper, interrupt, visitor),
            From::Script => self.read_script(interrupt, visitor),
        };
        match interrupt.check() {
            Ok(()) => result,
            Err(_interrupted) => Err(Error::Stopped),
        }
    }

    fn read_archive(
        &self,
        wrapper: Wrapper,
        interrupt: &Interrupt,
        visitor: &mut dyn Visit,
    ) -> Result<Image, Error> {
        let cannot = |source| Error::Open { path: self.path.clone(), source };
        let file = File::open(&self.path).map_err(cannot)?;
        let file = Interruptible::new(file, interrupt.clone());
        read_ahead(|| inflate(wrapper, file), |content| self.read_through(content, visitor))
    }

    fn read_script(&self, interrupt: &Interrupt, visitor: &mut dyn Visit) -> Result<Image, Error> {
        let (script, stdout) = stream::start(&self.path, interrupt)?;
        match self.read_through(Interruptible::new(stdout, interrupt.clone()), visitor) {
            Ok(image) => script.finish(&self.path).map(|()| image),
            // A script that failed explains why its archive ends too early.
            Err(error @ (Error::Damaged { .. } | Error::NoManifest { .. })) => {
                script.finish(&self.path).and(Err(error))
            }
            Err(error) => Err(error),
        }
    }

    fn read_through(&self, tar: impl Read, visitor: &mut dyn Visit) -> Result<Image, Error> {
        let damaged = |source| Error::Damaged {
            path: self.path.clone(),
            what: "its end is broken".to_owned(),
            source,
        };
        let mut archive = Archive::new(tar);
        let entries = archive.entries().map_err(damaged)?;
        let members = Members::read(&self.path, entries, visitor)?;
        drain(archive).map_err(damaged)?;
        Described::find(&members, self.image_name.as_deref()).map(Image::from)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::source::tests_support::{ArchiveBuilder, layer_tar};
    use crate::source::{Member, SkipLayers, Stop};

    fn file(content: &[u8], mode: u32) -> PathBuf {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn script(lines: &str) -> Streamed {
        let path = file(format!("#!/bin/sh\n{lines}\n").as_bytes(), 0o755);
        Streamed::script(&path, None, None)
    }

    #[test]
    fn a_script_is_read_from_its_pipe_and_its_failure_is_shown() {
        let archive = file(&ArchiveBuilder::new(&[&layer_tar("a", b"one")]).build(), 0o644);
        let good = script(&format!("cat {}", archive.display()));
        let image = good.read(&Interrupt::default(), &mut SkipLayers).unwrap();
        assert_eq!(image.layers.len(), 1);

        let bad = script(&format!("cat {}; echo out of luck >&2; exit 3", archive.display()));
        let error = bad.read(&Interrupt::default(), &mut SkipLayers).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("out of luck"), "{error}");

        let cut =
            script(&format!("head -c 700 {}; echo disk on fire >&2; exit 1", archive.display()));
        let error = cut.read(&Interrupt::default(), &mut SkipLayers).unwrap_err().to_string();
        assert!(error.contains("disk on fire"), "{error}");
    }

    #[test]
    fn an_interrupt_ends_a_script_that_hangs_and_all_that_it_started() {
        let mark = tempfile::tempdir().unwrap().keep().join("alive");
        let hung = script(&format!("(sleep 3; touch {}) & sleep 100", mark.display()));
        let interrupt = Interrupt::default();
        let other = interrupt.clone();
        let start = Instant::now();
        let firing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            other.fire();
        });
        let result = hung.read(&interrupt, &mut SkipLayers);
        firing.join().unwrap();
        assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
        assert!(start.elapsed() < Duration::from_secs(3));
        std::thread::sleep(Duration::from_millis(3200));
        assert!(!mark.exists());
    }

    struct StopAtFirst;

    impl Visit for StopAtFirst {
        fn layer(&mut self, _: &Member, _: &mut dyn Read) -> Result<(), Stop> {
            Err(Stop::Enough)
        }
    }

    #[test]
    fn a_visitor_that_has_enough_ends_the_script() {
        let archive = file(&ArchiveBuilder::new(&[&layer_tar("a", &[1; 9000])]).build(), 0o644);
        let endless = script(&format!("cat {}; sleep 100", archive.display()));
        let start = Instant::now();
        let result = endless.read(&Interrupt::default(), &mut StopAtFirst);
        assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
