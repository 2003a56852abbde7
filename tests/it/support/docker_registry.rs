//! Debian's `docker-registry`, which is distribution 2.8.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::request::request;

/// The user that a registry with accounts knows.
pub(crate) const USER: &str = "ada";

/// That user's password.
pub(crate) const PASSWORD: &str = "open sesame";

/// The line that `htpasswd -nB` makes of the two.
const HTPASSWD: &str = "ada:$2b$05$bEdPU9g0DyZk7BzirOqHeuPsFgcM9VUDFc3EQLBqf2SvyoCf2YSKi\n";

/// A registry with storage of its own. It is killed when this is dropped.
pub(crate) struct DockerRegistry {
    folder: TempDir,
    address: SocketAddr,
    process: Child,
}

/// One request, as the access log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
}

impl DockerRegistry {
    /// Starts a registry that anybody may push to.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a registry that [`USER`] alone may use.
    pub(crate) fn start_with_accounts() -> Self {
        Self::start_with("auth: { htpasswd: { realm: tests, path: FOLDER/htpasswd } }")
    }

    /// The registry does not tell which port it got when it is asked for any, so ports are
    /// tried until the one that answers is this one: its log shows a question of ours.
    fn start_with(auth: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        for _ in 0..20 {
            let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = probe.local_addr().unwrap();
            drop(probe);
            let text = format!(
                "version: 0.1\nlog: {{ level: error }}\n\
                 storage: {{ filesystem: {{ rootdirectory: FOLDER/data }}, delete: {{ enabled: true }} }}\n\
                 http: {{ addr: \"{address}\", secret: \"the same after a restart\" }}\n{auth}\n"
            );
            let config = folder.path().join("config.yml");
            fs::write(&config, text.replace("FOLDER", folder.path().to_str().unwrap())).unwrap();
            let mut process = spawn(&config, folder.path());
            if answers(&mut process, address, folder.path()) {
                return Self { folder, address, process };
            }
            let _gone = process.kill();
            process.wait().unwrap();
        }
        let log = fs::read_to_string(folder.path().join("error.log")).unwrap_or_default();
        panic!("`docker-registry` does not start:\n{log}");
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills the registry as a crash does.
    pub(crate) fn crash(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, where it was and with what it had.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(&self.folder.path().join("config.yml"), self.folder.path());
        assert!(
            answers(&mut self.process, self.address, self.folder.path()),
            "`docker-registry` does not start again"
        );
    }

    /// Returns how many bytes of uploads that go on are on the disk.
    pub(crate) fn uploading_bytes(&self) -> u64 {
        let mut folders = vec![(self.folder.path().join("data"), false)];
        let mut bytes = 0;
        while let Some((folder, is_upload)) = folders.pop() {
            // What ends meanwhile is gone.
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let is_upload = is_upload || entry.file_name() == "_uploads";
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => folders.push((entry.path(), is_upload)),
                    Ok(metadata) if is_upload && entry.file_name() == "data" => {
                        bytes += metadata.len();
                    }
                    _ => {}
                }
            }
        }
        bytes
    }

    /// Returns the requests so far. The registry writes a line when it has answered, so
    /// this waits until the log has come to rest at a question of ours.
    pub(crate) fn log(&self) -> Vec<Logged> {
        let mark = unique();
        request(self.address, "GET", &format!("/v2/?{mark}"), &[]).expect("the registry answers");
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let text = fs::read_to_string(self.folder.path().join("access.log")).unwrap();
            if text.contains(&mark) {
                let requests = text.lines().filter(|line| !line.contains("/v2/?snowbird-"));
                return requests.filter_map(logged).collect();
            }
            assert!(Instant::now() < deadline, "the access log is not written");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Loses everything that was stored.
    pub(crate) fn lose_everything(&self) {
        fs::remove_dir_all(self.folder.path().join("data")).unwrap();
    }

    /// Returns the status of the manifest that `reference` points to.
    pub(crate) fn manifest_status(&self, repository: &str, reference: &str) -> u16 {
        let path = format!("/v2/{repository}/manifests/{reference}");
        request(self.address, "GET", &path, &[]).expect("the registry answers").0
    }

    /// Returns how many uploads were begun and neither finished nor called off.
    ///
    /// What is on the disk would not tell: this registry keeps a folder of an upload that
    /// was called off, and refuses to drop one whose connection broke.
    pub(crate) fn forgotten_uploads(&self) -> usize {
        let (mut begun, mut ended) = (0, BTreeSet::new());
        for Logged { method, path, status } in self.log() {
            match (method.as_str(), path.split_once("/blobs/uploads/")) {
                ("POST", Some(_)) if status == 202 => begun += 1,
                ("PUT", Some((_, upload))) if status == 201 => drop(ended.insert(id(upload))),
                ("DELETE", Some((_, upload))) => drop(ended.insert(id(upload))),
                _ => {}
            }
        }
        begun - ended.len()
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn spawn(config: &Path, folder: &Path) -> Child {
    let log = |name: &str| {
        let file = fs::OpenOptions::new().create(true).append(true).open(folder.join(name));
        Stdio::from(file.unwrap())
    };
    Command::new("docker-registry")
        .arg("serve")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(log("access.log"))
        .stderr(log("error.log"))
        .spawn()
        .expect("these tests need Debian's `docker-registry` on PATH")
}

/// Returns whether it is this registry that answers at `address`.
fn answers(process: &mut Child, address: SocketAddr, folder: &Path) -> bool {
    let mark = unique();
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline && process.try_wait().unwrap().is_none() {
        if request(address, "GET", &format!("/v2/?{mark}"), &[]).is_some() {
            let log = fs::read_to_string(folder.join("access.log")).unwrap_or_default();
            if log.contains(&mark) {
                return true;
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Returns the ID of an upload, without its state.
fn id(upload: &str) -> String {
    upload.split('?').next().unwrap_or_default().to_owned()
}

fn unique() -> String {
    let folder = tempfile::tempdir().unwrap();
    format!("snowbird-{}", folder.path().file_name().unwrap().to_string_lossy().replace('.', ""))
}

/// Reads a line of the access log: `… "GET /v2/ HTTP/1.1" 200 2 …`.
fn logged(line: &str) -> Option<Logged> {
    let mut parts = line.split('"').skip(1);
    let mut request = parts.next()?.split(' ');
    let (method, path) = (request.next()?.to_owned(), request.next()?.to_owned());
    let status = parts.next()?.split_whitespace().next()?.parse().ok()?;
    Some(Logged { method, path, status })
}
