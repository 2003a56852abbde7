//! A listener whose every exchange can be made to fail.

use std::io::{self, BufReader};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::exchange::{Answer, Connection, Head};
use super::fault::{End, Fault, Order, Script, Then, Told};

/// What answers the requests that nothing goes wrong with.
pub(super) trait Handle: Send + Sync + 'static {
    /// Does what is asked; `host` is where the request came in.
    fn answer(&self, host: SocketAddr, head: &Head, body: Vec<u8>) -> Answer;

    /// Takes the part of a body that arrived before its connection broke.
    fn part(&self, head: &Head, body: Vec<u8>);
}

/// One request, as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: Head,
    /// How many bytes of the body were read.
    pub(crate) body_bytes: u64,
    /// The status of the answer, sent or lost.
    pub(crate) status: Option<u16>,
}

/// A server on loopback. It takes no more connections when this is dropped; those that are
/// open end with their clients.
pub(super) struct Server(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    handler: Arc<dyn Handle>,
    script: Mutex<Script>,
    seen: Mutex<Vec<Seen>>,
    stopped: AtomicBool,
}

impl Server {
    pub(super) fn start(handler: Arc<dyn Handle>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let inner = Arc::new(Inner {
            address: listener.local_addr().unwrap(),
            handler,
            script: Mutex::default(),
            seen: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let shared = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let shared = Arc::clone(&shared);
                // A connection that breaks off ends here, as it should.
                thread::spawn(move || shared.serve(stream));
            }
        });
        Self(inner)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub(super) fn order(&self, order: Order) {
        self.0.script.lock().unwrap().0.push(order);
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener.
        drop(TcpStream::connect(self.0.address));
    }
}

impl Inner {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut connection = Connection { stream: BufReader::new(stream) };
        while let Some(head) = connection.read_head()? {
            let fault = self.script.lock().unwrap().strike(&head);
            let number = {
                let mut seen = self.seen.lock().unwrap();
                seen.push(Seen { head: head.clone(), body_bytes: 0, status: None });
                seen.len() - 1
            };
            let request = Request { server: self, connection: &mut connection, head, number };
            if !request.lead(fault)? {
                break;
            }
        }
        Ok(())
    }
}

struct Request<'a> {
    server: &'a Inner,
    connection: &'a mut Connection,
    head: Head,
    number: usize,
}

impl Request<'_> {
    /// Leads the exchange; returns whether the connection can take another.
    fn lead(mut self, fault: Option<Fault>) -> io::Result<bool> {
        match fault {
            None => {
                let answer = self.answer()?;
                self.say(&answer)
            }
            Some(Fault::Change(change)) => {
                let mut answer = self.answer()?;
                change(&mut answer);
                self.say(&answer)
            }
            Some(Fault::Slow(time)) => {
                let answer = self.answer()?;
                thread::sleep(time);
                self.say(&answer)
            }
            Some(Fault::LostAnswer(end)) => {
                let answer = self.answer()?;
                self.note(None, Some(answer.status));
                self.end(end)
            }
            Some(Fault::Answer(answer)) => {
                self.read(u64::MAX)?;
                self.say(&answer)
            }
            Some(Fault::Early(after, answer, then)) => {
                self.read(after)?;
                self.say_early(&answer, then)
            }
            Some(Fault::Redirect(status, to, told)) => {
                let to = format!("http://{to}{}", self.head.target);
                let answer = Answer::new(status).with("location", &to);
                match told {
                    Told::Early => self.say_early(&answer, Then::Linger),
                    Told::Late => {
                        self.read(u64::MAX)?;
                        self.say(&answer)
                    }
                }
            }
            Some(Fault::Cut(after, end)) => {
                let part = self.read(after)?;
                self.server.handler.part(&self.head, part);
                self.end(end)
            }
            Some(Fault::Stall(after)) => {
                let part = self.read(after)?;
                self.connection.stall();
                self.server.handler.part(&self.head, part);
                Ok(false)
            }
        }
    }

    /// Reads the body, or so many bytes of it. What arrives of one that breaks off is
    /// handed on too.
    fn read(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut body = self.connection.body(&self.head);
        loop {
            let part = body.read((most - bytes.len() as u64).min(64 << 10));
            let Ok(part) = part else {
                self.note(Some(bytes.len()), None);
                self.server.handler.part(&self.head, bytes);
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            if part.is_empty() {
                break;
            }
            bytes.extend(part);
        }
        self.note(Some(bytes.len()), None);
        Ok(bytes)
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let body = self.read(u64::MAX)?;
        Ok(self.server.handler.answer(self.server.address, &self.head, body))
    }

    fn note(&self, body_bytes: Option<usize>, status: Option<u16>) {
        let seen = &mut self.server.seen.lock().unwrap()[self.number];
        seen.body_bytes = body_bytes.map_or(seen.body_bytes, |bytes| bytes as u64);
        seen.status = status.or(seen.status);
    }

    fn say(&mut self, answer: &Answer) -> io::Result<bool> {
        self.note(None, Some(answer.status));
        self.connection.write(answer, self.head.method == "HEAD")?;
        Ok(true)
    }

    fn say_early(&mut self, answer: &Answer, then: Then) -> io::Result<bool> {
        self.say(answer)?;
        match then {
            Then::Close => self.end(End::Close),
            Then::Linger => {
                // Not for ever: a client may wait for the end of the connection, too.
                let stream = self.connection.stream.get_ref();
                stream.shutdown(Shutdown::Write)?;
                stream.set_read_timeout(Some(Duration::from_secs(3)))?;
                self.connection.wait_for_end()?;
                Ok(false)
            }
        }
    }

    fn end(&mut self, end: End) -> io::Result<bool> {
        let stream = self.connection.stream.get_ref();
        if end == End::Reset {
            set_socket_linger(stream, Some(Duration::ZERO))?;
        }
        Ok(false)
    }
}
