//! Apps as files of a folder, each written whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::app::App;
use super::error::Error;

/// The folder of a sandbox.
#[derive(Debug)]
pub(super) struct Store {
    apps: PathBuf,
    /// One writer at a time, so that what is newer is written later.
    writer: Mutex<()>,
}

impl Store {
    /// Makes the folders that are missing, and removes uploads that were never finished.
    pub(super) fn open(root: &Path) -> Result<Self, Error> {
        let uploads = root.join("uploads");
        if uploads.exists() {
            fs::remove_dir_all(&uploads).map_err(file_error("remove", &uploads))?;
        }
        let apps = root.join("apps");
        for folder in [&apps, &uploads, &root.join("blobs/sha256")] {
            fs::create_dir_all(folder).map_err(file_error("make", folder))?;
        }
        Ok(Self { apps, writer: Mutex::default() })
    }

    /// Reads all apps.
    pub(super) fn load(&self) -> Result<BTreeMap<String, App>, Error> {
        let mut apps = BTreeMap::new();
        let entries = fs::read_dir(&self.apps).map_err(file_error("list", &self.apps))?;
        for entry in entries {
            let path = entry.map_err(file_error("list", &self.apps))?.path();
            let Some(name) = path
                .extension()
                .filter(|extension| *extension == "json")
                .and_then(|_| path.file_stem())
                .and_then(|stem| stem.to_str())
            else {
                continue;
            };
            let bytes = fs::read(&path).map_err(file_error("read", &path))?;
            let app = serde_json::from_slice(&bytes)
                .map_err(|source| Error::State { path: path.clone(), source })?;
            apps.insert(name.to_owned(), app);
        }
        Ok(apps)
    }

    /// Writes the apps that `take` returns, as name and JSON, and removes those without JSON.
    pub(super) async fn save(
        &self,
        take: impl Fn() -> Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<(), Error> {
        let _turn = self.writer.lock().await;
        let changed = take();
        if changed.is_empty() {
            return Ok(());
        }
        let folder = self.apps.clone();
        spawn_blocking(move || {
            changed.iter().try_for_each(|(name, json)| {
                let target = folder.join(format!("{name}.json"));
                match json {
                    Some(json) => replace(&folder, &target, json),
                    None => match fs::remove_file(target) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                        _ => Ok(()),
                    },
                }
            })
        })
        .await
        .unwrap_or_else(|error| Err(error.into()))
        .map_err(file_error("write", &self.apps))
    }
}

fn replace(folder: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(target).map(drop).map_err(|error| error.error)
}

fn file_error(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { verb, path, source }
}
