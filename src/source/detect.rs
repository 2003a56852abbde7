//! Telling what a file is by its content alone.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tar::Archive;

use super::docker_archive::{self, Image};
use super::tar_members::{begins_a_tar, drain};
use super::{Error, Interrupt, Visit, Wrapper, inflate, stream};

/// An image that can be read, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    DockerArchive(Wrapper),
    Stream,
}

impl Source {
    /// Recognizes the image in `path`. A stream script is not run for this.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read, or is no image that snowbird reads; the error
    /// says what it is.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let cannot = |source| Error::Open { path: path.to_owned(), source };
        let metadata = path.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            return Err(folder(path));
        }
        let mut head = Vec::new();
        File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head)).map_err(cannot)?;
        let not_an_image =
            |found: &str| Error::NotAnImage { path: path.to_owned(), found: found.to_owned() };
        let unsupported = |found| Error::Unsupported { path: path.to_owned(), found };
        let kind = match (&*head, Wrapper::of(&head)) {
            ([], _) => return Err(not_an_image("an empty file")),
            ([b'#', b'!', ..] | [0x7f, b'E', b'L', b'F', ..], _) => {
                if metadata.permissions().mode() & 0o111 == 0 {
                    return Err(not_an_image("a program that may not be executed"));
                }
                Kind::Stream
            }
            ([b'Q', b'F', b'I', 0xfb, ..], _) => {
                return Err(not_an_image("a qcow2 disk image (NixOS calls Oracle Cloud's `oci`)"));
            }
            (_, Wrapper::None) if begins_a_tar(&head) => Kind::DockerArchive(Wrapper::None),
            (_, Wrapper::None) => match head.trim_ascii_start() {
                [b'{', ..] if contains(&head, b"\"image-config\"") => {
                    return Err(unsupported("a nix2container image"));
                }
                [b'{', ..] if contains(&head, b"\"store_layers\"") => {
                    return Err(unsupported("a layer plan of dockerTools"));
                }
                [b'{' | b'[', ..] => return Err(not_an_image("some JSON")),
                _ => return Err(not_an_image("neither a tar archive nor a stream script")),
            },
            (_, wrapper) => {
                begins_with_a_tar(path, wrapper)?;
                Kind::DockerArchive(wrapper)
            }
        };
        Ok(Self { path: path.to_owned(), kind })
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what kind of image it is, for people: `docker archive (gzip)`.
    pub fn kind(&self) -> String {
        match self.kind {
            Kind::DockerArchive(wrapper) => format!("docker archive ({})", wrapper.name()),
            Kind::Stream => "stream script".to_owned(),
        }
    }

    /// Returns whether layers can be skipped without reading them.
    pub fn skips_for_free(&self) -> bool {
        self.kind == Kind::DockerArchive(Wrapper::None)
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
        let result = match self.kind {
            Kind::DockerArchive(wrapper) => self.read_file(wrapper, interrupt, visitor),
            Kind::Stream => self.read_stream(interrupt, visitor),
        };
        match interrupt.check() {
            Ok(()) => result,
            Err(_interrupted) => Err(Error::Stopped),
        }
    }

    fn read_file(
        &self,
        wrapper: Wrapper,
        interrupt: &Interrupt,
        visitor: &mut dyn Visit,
    ) -> Result<Image, Error> {
        let cannot = |source| Error::Open { path: self.path.clone(), source };
        let file = File::open(&self.path).map_err(cannot)?;
        let file = Interruptible { inner: file, interrupt };
        if wrapper == Wrapper::None {
            let mut archive = Archive::new(file);
            let entries = archive.entries_with_seek().map_err(cannot)?;
            return docker_archive::read(&self.path, entries, visitor);
        }
        self.read_through(inflate(wrapper, file).map_err(cannot)?, visitor)
    }

    fn read_stream(&self, interrupt: &Interrupt, visitor: &mut dyn Visit) -> Result<Image, Error> {
        let (script, stdout) = stream::start(&self.path, interrupt)?;
        match self.read_through(Interruptible { inner: stdout, interrupt }, visitor) {
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
        let image = docker_archive::read(&self.path, entries, visitor)?;
        drain(archive).map_err(damaged)?;
        Ok(image)
    }
}

/// Says what a folder is.
fn folder(path: &Path) -> Error {
    let has = |name: &str| path.join(name).exists();
    if has("oci-layout") && has("index.json") {
        return Error::Unsupported { path: path.to_owned(), found: "an OCI layout folder" };
    }
    if has("manifest.json") && has("version") {
        return Error::Unsupported { path: path.to_owned(), found: "a `dir:` folder of skopeo" };
    }
    let found = if has("tarball") {
        "a folder with the tarball of a NixOS root file system".to_owned()
    } else {
        let mut names: Vec<_> = path
            .read_dir()
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names.truncate(3);
        if names.is_empty() {
            "an empty folder".to_owned()
        } else {
            format!("a folder with {}", names.join(", "))
        }
    };
    Error::NotAnImage { path: path.to_owned(), found }
}

/// Looks under the wrapper for the beginning of a tar.
fn begins_with_a_tar(path: &Path, wrapper: Wrapper) -> Result<(), Error> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| inflate(wrapper, file)?.take(512).read_to_end(&mut head))
        .map_err(|source| Error::Damaged {
            path: path.to_owned(),
            what: format!("its {} data is broken from the start", wrapper.name()),
            source,
        })?;
    if begins_a_tar(&head) {
        return Ok(());
    }
    let found = format!("{} data without a tar archive in it", wrapper.name());
    Err(Error::NotAnImage { path: path.to_owned(), found })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Looks at the interrupt before each read.
struct Interruptible<'a, R> {
    inner: R,
    interrupt: &'a Interrupt,
}

impl<R: Read> Read for Interruptible<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check()?;
        self.inner.read(buffer)
    }
}

impl<R: io::Seek> io::Seek for Interruptible<'_, R> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::source::tests_support::{ArchiveBuilder, layer_tar};
    use crate::source::{SkipLayers, Stop};

    fn file(content: &[u8], executable: bool) -> tempfile::TempPath {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let mode = if executable { 0o755 } else { 0o644 };
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file.into_temp_path()
    }

    fn script(lines: &str) -> Source {
        let path = file(format!("#!/bin/sh\n{lines}\n").as_bytes(), true).keep().unwrap();
        Source::open(&path).unwrap()
    }

    #[test]
    fn what_is_no_image_is_told_by_its_name() {
        let gz = {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(b"just text").unwrap();
            encoder.finish().unwrap()
        };
        for (content, executable, expected) in [
            (&b""[..], false, "an empty file"),
            (b"QFI\xfb\0\0\0\x03", false, "a qcow2 disk image"),
            (b"#!/bin/sh\n", false, "may not be executed"),
            (b"{\"image-config\": {}}", false, "a nix2container image"),
            (b"{ \"store_layers\": []}", false, "a layer plan"),
            (b"[1]", false, "some JSON"),
            (b"hello", false, "neither a tar archive nor a stream script"),
            (&gz, false, "gzip data without a tar archive"),
        ] {
            let error = Source::open(&file(content, executable)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(Source::open(folder.path()).unwrap_err().to_string().contains("an empty folder"));
        assert!(matches!(Source::open(Path::new("/nowhere")), Err(Error::Open { .. })));
    }

    #[test]
    fn a_script_is_read_from_its_pipe_and_its_failure_is_shown() {
        let archive = file(&ArchiveBuilder::new(&[&layer_tar("a", b"one")]).build(), false);
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
        fn layer(&mut self, _: &super::super::Member, _: &mut dyn Read) -> Result<(), Stop> {
            Err(Stop::Enough)
        }
    }

    #[test]
    fn a_visitor_that_has_enough_ends_the_script() {
        let archive = file(&ArchiveBuilder::new(&[&layer_tar("a", &[1; 9000])]).build(), false);
        let endless = script(&format!("cat {}; sleep 100", archive.display()));
        let start = Instant::now();
        let result = endless.read(&Interrupt::default(), &mut StopAtFirst);
        assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
