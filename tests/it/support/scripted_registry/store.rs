//! A registry in memory, strict as a good one is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use snowbird::image::Digest;

use super::access::Access;
use super::exchange::{Answer, Head};
use super::server::Handle;

/// How the registry differs from others.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// What arrived of a broken body is kept, and it is told how much that is. Otherwise
    /// the session is lost with the connection.
    pub(crate) resumes: bool,
    /// A session has one place from beginning to end.
    pub(crate) is_stateless: bool,
}

pub(super) struct Store {
    pub(super) rules: Rules,
    pub(super) access: Access,
    pub(super) content: Mutex<Content>,
}

/// What is stored.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// By repository and digest.
    pub(crate) blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and tag or digest.
    pub(crate) manifests: BTreeMap<(String, String), Vec<u8>>,
    uploads: BTreeMap<usize, Upload>,
    begun: usize,
}

#[derive(Debug)]
struct Upload {
    repository: String,
    bytes: Vec<u8>,
    /// What the next request has to show.
    state: usize,
}

impl Content {
    /// Returns how many uploads were begun and neither finished nor called off.
    pub(crate) fn open_uploads(&self) -> usize {
        self.uploads.len()
    }
}

/// What a path names.
enum Place<'a> {
    Base,
    Blob(&'a str),
    Uploads,
    Upload(usize),
    Manifest(&'a str),
}

fn place(path: &str) -> Option<(&str, Place<'_>)> {
    let path = path.strip_prefix("/v2/")?;
    if path.is_empty() {
        return Some(("", Place::Base));
    }
    if let Some((repository, reference)) = path.split_once("/manifests/") {
        return Some((repository, Place::Manifest(reference)));
    }
    let (repository, rest) = path.split_once("/blobs/")?;
    let place = match rest.strip_prefix("uploads/") {
        Some("") => Place::Uploads,
        Some(id) => Place::Upload(id.parse().ok()?),
        None => Place::Blob(rest),
    };
    Some((repository, place))
}

impl Handle for Store {
    fn answer(&self, host: SocketAddr, head: &Head, body: Vec<u8>) -> Answer {
        let repository = place(head.path()).map_or("", |(repository, _)| repository);
        match self.access.check(head, repository) {
            Ok(()) => self.answer_anybody(host, head, body),
            Err(refusal) => refusal,
        }
    }

    fn part(&self, head: &Head, body: Vec<u8>) {
        let Some((_, Place::Upload(id))) = place(head.path()) else { return };
        let mut content = self.content.lock().unwrap();
        let Some(upload) = content.uploads.get_mut(&id) else { return };
        if self.rules.resumes {
            upload.bytes.extend(body);
        } else {
            // The state that the client has does not fit any more, and it gets no other.
            upload.state += 1000;
        }
    }
}

impl Store {
    pub(super) fn new(rules: Rules, access: Access) -> Arc<Self> {
        Arc::new(Self { rules, access, content: Mutex::default() })
    }

    /// Does what is asked, whoever asks.
    pub(super) fn answer_anybody(&self, host: SocketAddr, head: &Head, body: Vec<u8>) -> Answer {
        let Some((repository, place)) = place(head.path()) else { return Answer::new(404) };
        let mut content = self.content.lock().unwrap();
        match (head.method.as_str(), place) {
            ("GET", Place::Base) => Answer::new(200).body("{}"),
            ("GET" | "HEAD", Place::Blob(digest)) => content.blob(repository, digest),
            ("GET" | "HEAD", Place::Manifest(reference)) => content.manifest(repository, reference),
            ("PUT", Place::Manifest(reference)) => {
                content.put_manifest(repository, reference, head, &body)
            }
            // Lengths are asked for, as by proxies.
            ("POST" | "PUT" | "PATCH", _)
                if head.header("content-length").is_none()
                    && head.header("transfer-encoding").is_none() =>
            {
                Answer::new(411)
            }
            ("POST", Place::Uploads) => content.begin(repository, host, head),
            ("GET", Place::Upload(id)) => content.progress(id, host, head, self.rules),
            ("PATCH", Place::Upload(id)) => content.append(id, host, head, body, self.rules),
            ("PUT", Place::Upload(id)) => content.close(id, host, head, body, self.rules),
            ("DELETE", Place::Upload(id)) => match content.uploads.remove(&id) {
                Some(_) => Answer::new(204),
                None => Answer::error(404, "BLOB_UPLOAD_UNKNOWN"),
            },
            _ => Answer::error(405, "UNSUPPORTED"),
        }
    }
}

impl Content {
    fn blob(&self, repository: &str, digest: &str) -> Answer {
        match self.blobs.get(&(repository.to_owned(), digest.to_owned())) {
            Some(bytes) => Answer::new(200)
                .with("content-length", &bytes.len().to_string())
                .with("docker-content-digest", digest)
                .body(bytes.clone()),
            None => Answer::error(404, "BLOB_UNKNOWN"),
        }
    }

    fn manifest(&self, repository: &str, reference: &str) -> Answer {
        let Some(bytes) = self.manifests.get(&(repository.to_owned(), reference.to_owned())) else {
            return Answer::error(404, "MANIFEST_UNKNOWN");
        };
        let manifest: Value = serde_json::from_slice(bytes).unwrap();
        Answer::new(200)
            .with("content-type", manifest["mediaType"].as_str().unwrap())
            .with("docker-content-digest", &Digest::of(bytes).to_string())
            .body(bytes.clone())
    }

    fn put_manifest(
        &mut self,
        repository: &str,
        reference: &str,
        head: &Head,
        body: &[u8],
    ) -> Answer {
        let Ok(manifest) = serde_json::from_slice::<Value>(body) else {
            return Answer::error(400, "MANIFEST_INVALID");
        };
        if head.header("content-type") != manifest["mediaType"].as_str() {
            return Answer::error(400, "MANIFEST_INVALID");
        }
        let layers = manifest["layers"].as_array().unwrap();
        for descriptor in [&manifest["config"]].into_iter().chain(layers) {
            let digest = descriptor["digest"].as_str().unwrap();
            let blob = self.blobs.get(&(repository.to_owned(), digest.to_owned()));
            if blob.map(|blob| blob.len() as u64) != descriptor["size"].as_u64() {
                let detail = json!({ "digest": digest });
                return Answer::error_about(400, "MANIFEST_BLOB_UNKNOWN", &detail);
            }
        }
        let digest = Digest::of(body).to_string();
        for name in [reference, &digest] {
            self.manifests.insert((repository.to_owned(), name.to_owned()), body.to_vec());
        }
        Answer::new(201)
            .with("location", &format!("/v2/{repository}/manifests/{digest}"))
            .with("docker-content-digest", &digest)
    }

    fn begin(&mut self, repository: &str, host: SocketAddr, head: &Head) -> Answer {
        if let (Some(digest), Some(from)) = (head.query("mount"), head.query("from"))
            && let Some(blob) = self.blobs.get(&(from, digest.clone())).cloned()
        {
            self.blobs.insert((repository.to_owned(), digest.clone()), blob);
            let place = format!("http://{host}/v2/{repository}/blobs/{digest}");
            return Answer::new(201).with("location", &place);
        }
        self.begun += 1;
        let upload = Upload { repository: repository.to_owned(), bytes: Vec::new(), state: 1 };
        let answer = upload.told(202, self.begun, host);
        self.uploads.insert(self.begun, upload);
        answer
    }

    /// Finds an upload by its ID and its state.
    fn upload(&mut self, id: usize, head: &Head, rules: Rules) -> Result<&mut Upload, Answer> {
        let state = head.query("_state").and_then(|state| state.parse().ok());
        match self.uploads.get_mut(&id) {
            None => Err(Answer::error(404, "BLOB_UPLOAD_UNKNOWN")),
            Some(upload) if state != Some(upload.state) && !rules.is_stateless => {
                Err(Answer::error(404, "BLOB_UPLOAD_INVALID"))
            }
            Some(upload) => Ok(upload),
        }
    }

    fn progress(&mut self, id: usize, host: SocketAddr, head: &Head, rules: Rules) -> Answer {
        match self.upload(id, head, rules) {
            Ok(upload) if rules.resumes => upload.told(204, id, host),
            Ok(_) => Answer::error(404, "BLOB_UPLOAD_UNKNOWN"),
            Err(refusal) => refusal,
        }
    }

    fn append(
        &mut self,
        id: usize,
        host: SocketAddr,
        head: &Head,
        body: Vec<u8>,
        rules: Rules,
    ) -> Answer {
        let upload = match self.upload(id, head, rules) {
            Ok(upload) => upload,
            Err(refusal) => return refusal,
        };
        if let Some(range) = head.header("content-range") {
            let start = upload.bytes.len();
            if range != format!("{start}-{}", start + body.len() - 1) {
                return upload.told(416, id, host);
            }
        }
        upload.bytes.extend(body);
        upload.state += 1;
        upload.told(202, id, host)
    }

    fn close(
        &mut self,
        id: usize,
        host: SocketAddr,
        head: &Head,
        body: Vec<u8>,
        rules: Rules,
    ) -> Answer {
        let upload = match self.upload(id, head, rules) {
            Ok(upload) => upload,
            Err(refusal) => return refusal,
        };
        // One piece from the beginning, where there is some already.
        if !body.is_empty() && !upload.bytes.is_empty() {
            return upload.told(416, id, host);
        }
        upload.bytes.extend(body);
        let Upload { repository, bytes, .. } = self.uploads.remove(&id).unwrap();
        let digest = Digest::of(&bytes).to_string();
        if head.query("digest").as_ref() != Some(&digest) {
            return Answer::error(400, "DIGEST_INVALID");
        }
        let place = format!("http://{host}/v2/{repository}/blobs/{digest}");
        self.blobs.insert((repository, digest.clone()), bytes);
        Answer::new(201).with("location", &place).with("docker-content-digest", &digest)
    }
}

impl Upload {
    /// Tells where the upload goes on and how far it has come.
    fn told(&self, status: u16, id: usize, host: SocketAddr) -> Answer {
        let Self { repository, bytes, state } = self;
        let place = format!("http://{host}/v2/{repository}/blobs/uploads/{id}?_state={state}");
        Answer::new(status)
            .with("location", &place)
            .with("range", &format!("0-{}", bytes.len().saturating_sub(1)))
            .with("docker-upload-uuid", &id.to_string())
    }
}
