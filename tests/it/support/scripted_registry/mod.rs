//! A registry in which whatever can go wrong is made to go wrong.
//!
//! It is a real one, strict, in memory, on loopback, with a record of all that it was asked.
//! A second listener plays another host that has the same content: nobody's credentials
//! have any business there.

mod access;
mod exchange;
mod fault;
mod server;
mod store;

use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard};

pub(crate) use access::{Access, Tokens};
pub(crate) use exchange::{Answer, AnswerBody};
use fault::Order;
pub(crate) use fault::{End, Fault, Then, Told};
pub(crate) use server::Seen;
use server::Server;
use store::Store;
pub(crate) use store::{Content, Rules};

use super::skopeo::ReadBack;
use super::{Archive, docker_registry};

pub(crate) struct ScriptedRegistry {
    store: Arc<Store>,
    server: Server,
    other: Server,
    tokens: Option<(Server, Arc<Tokens>)>,
}

impl ScriptedRegistry {
    /// Starts a registry that anybody may push to.
    pub(crate) fn start() -> Self {
        Self::start_with(Rules::default(), Access::Open)
    }

    /// Starts a registry that wants name and password.
    pub(crate) fn start_with_accounts() -> Self {
        Self::start_with(Rules::default(), Access::Basic)
    }

    /// Starts a registry that wants tokens, and the server that gives them out.
    pub(crate) fn start_with_tokens() -> Self {
        let tokens = Arc::new(Tokens::default());
        let server = Server::start(Arc::clone(&tokens) as _);
        let access = Access::Bearer(server.address(), Arc::clone(&tokens));
        Self { tokens: Some((server, tokens)), ..Self::start_with(Rules::default(), access) }
    }

    /// Starts a registry of another kind.
    pub(crate) fn start_with(rules: Rules, access: Access) -> Self {
        let store = Store::new(rules, access);
        let open = Arc::new(OtherHost(Arc::clone(&store)));
        let server = Server::start(Arc::clone(&store) as _);
        Self { store, server, other: Server::start(open), tokens: None }
    }

    /// Orders that `fault` strikes the `nth` request, from 1, whose path matches `path`: it
    /// begins like it, and `*` stands for anything.
    pub(crate) fn order(&self, method: &str, path: &str, nth: usize, fault: Fault) -> &Self {
        self.order_all(method, path, nth, nth, fault)
    }

    /// Orders that `fault` strikes every such request.
    pub(crate) fn always(&self, method: &str, path: &str, fault: Fault) -> &Self {
        self.order_all(method, path, 1, usize::MAX, fault)
    }

    fn order_all(&self, method: &str, path: &str, from: usize, to: usize, fault: Fault) -> &Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        self.server.order(Order { method, path, from, to, seen: 0, fault });
        self
    }

    /// Orders that `fault` strikes every such request to the other host.
    pub(crate) fn always_elsewhere(&self, method: &str, path: &str, fault: Fault) {
        let (method, path) = (method.to_owned(), path.to_owned());
        self.other.order(Order { method, path, from: 1, to: usize::MAX, seen: 0, fault });
    }

    /// Orders a fault of the server that gives out tokens.
    pub(crate) fn order_of_tokens(&self, nth: usize, fault: Fault) {
        let (method, path) = ("GET".to_owned(), "/token".to_owned());
        let (server, _) = self.tokens.as_ref().unwrap();
        server.order(Order { method, path, from: nth, to: nth, seen: 0, fault });
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns where the other host listens.
    pub(crate) fn other_host(&self) -> SocketAddr {
        self.other.address()
    }

    /// Returns where tokens are given out, if they are.
    pub(crate) fn has_tokens(&self) -> Option<SocketAddr> {
        self.tokens.as_ref().map(|(server, _)| server.address())
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens.as_ref().unwrap().1
    }

    /// Returns the requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.server.seen()
    }

    /// Returns the requests of one method whose path begins with `path`.
    pub(crate) fn asked(&self, method: &str, path: &str) -> Vec<Seen> {
        asked(self.seen(), method, path)
    }

    /// Returns such requests to the other host.
    pub(crate) fn asked_elsewhere(&self, method: &str, path: &str) -> Vec<Seen> {
        asked(self.other.seen(), method, path)
    }

    pub(crate) fn content(&self) -> MutexGuard<'_, Content> {
        self.store.content.lock().unwrap()
    }

    /// Checks that `repository` has the image under `reference`, whole and byte for byte.
    #[track_caller]
    pub(crate) fn assert_has(&self, archive: &Archive, repository: &str, reference: &str) {
        let content = self.content();
        let key = |name: &str| (repository.to_owned(), name.to_owned());
        let manifest = content.manifests.get(&key(reference)).expect("the tag");
        let manifest = serde_json::from_slice(manifest).unwrap();
        ReadBack::of(manifest, |digest| content.blobs[&key(digest)].clone()).assert_is(archive);
    }

    /// Checks that nobody's credentials went to the other host.
    #[track_caller]
    pub(crate) fn assert_no_secret_elsewhere(&self) {
        for seen in self.other.seen() {
            let names: Vec<_> = seen.head.headers.keys().collect();
            assert!(seen.head.header("authorization").is_none(), "{names:?}");
        }
    }
}

fn asked(seen: Vec<Seen>, method: &str, path: &str) -> Vec<Seen> {
    let asked = |seen: &Seen| seen.head.method == method && seen.head.target.starts_with(path);
    seen.into_iter().filter(asked).collect()
}

/// The user that registries with accounts know.
pub(crate) const USER: &str = docker_registry::USER;

/// That user's password.
pub(crate) const PASSWORD: &str = docker_registry::PASSWORD;

/// The same content without a question.
struct OtherHost(Arc<Store>);

impl server::Handle for OtherHost {
    fn answer(&self, host: SocketAddr, head: &exchange::Head, body: Vec<u8>) -> Answer {
        self.0.answer_anybody(host, head, body)
    }

    fn part(&self, head: &exchange::Head, body: Vec<u8>) {
        server::Handle::part(&*self.0, head, body);
    }
}
