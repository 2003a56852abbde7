//! HTTP/1.1 by hand, so that every part of an exchange can go wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Method, target and headers of a request.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// Path and query, as they were sent.
    pub(crate) target: String,
    /// By name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Head {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// Returns the value that the query gives to `name`, undone of what escapes it.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What is sent back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: AnswerBody,
}

/// The body of an answer.
#[derive(Debug, Clone)]
pub(crate) enum AnswerBody {
    Bytes(Vec<u8>),
    /// It goes on until the other side has had enough.
    Endless,
    /// It begins, and then nothing more comes.
    Stalled,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: AnswerBody::Bytes(Vec::new()) }
    }

    /// Makes an error as registries send it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::error_about(status, code, &serde_json::Value::Null)
    }

    /// As [`Answer::error`], with a detail.
    pub(crate) fn error_about(status: u16, code: &str, detail: &serde_json::Value) -> Self {
        let item = serde_json::json!({ "code": code, "message": "as ordered", "detail": detail });
        Self::new(status)
            .with("content-type", "application/json")
            .body(serde_json::json!({ "errors": [item] }).to_string())
    }

    /// Adds a header, or gives it another value.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| known != name);
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = AnswerBody::Bytes(body.into());
        self
    }
}

/// One connection, from the side of the server.
pub(super) struct Connection {
    pub(super) stream: BufReader<TcpStream>,
}

impl Connection {
    /// Reads the next request's head; nothing when the other side has hung up.
    pub(super) fn read_head(&mut self) -> io::Result<Option<Head>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut words = lines[0].split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let headers = lines[1..].iter().map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Ok(Some(Head { method, target, headers: headers.collect() }))
    }

    pub(super) fn body<'a>(&'a mut self, head: &Head) -> Body<'a> {
        let left = match (head.header("transfer-encoding"), head.header("content-length")) {
            (Some(_), _) => Left::Chunked(0),
            (None, Some(length)) => Left::Bytes(length.parse().unwrap()),
            (None, None) => Left::Bytes(0),
        };
        Body { stream: &mut self.stream, left }
    }

    pub(super) fn write(&mut self, answer: &Answer, to_head: bool) -> io::Result<()> {
        let mut text = format!("HTTP/1.1 {} As Ordered\r\n", answer.status);
        for (name, value) in &answer.headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        let has_length = answer.header("content-length").is_some() || answer.status == 204;
        match &answer.body {
            AnswerBody::Bytes(bytes) if !has_length => {
                write!(text, "content-length: {}\r\n", bytes.len()).unwrap();
            }
            AnswerBody::Bytes(_) => {}
            AnswerBody::Endless => text.push_str("transfer-encoding: chunked\r\n"),
            AnswerBody::Stalled => text.push_str("content-length: 1000\r\n"),
        }
        text.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(text.as_bytes())?;
        match &answer.body {
            _ if to_head => Ok(()),
            AnswerBody::Bytes(bytes) => stream.write_all(bytes),
            AnswerBody::Endless => loop {
                stream.write_all(format!("1000\r\n{}\r\n", " ".repeat(0x1000)).as_bytes())?;
            },
            AnswerBody::Stalled => {
                stream.write_all(b"{\"errors\":")?;
                self.wait_for_end()
            }
        }
    }

    /// Reads and forgets whatever comes, until the other side hangs up.
    pub(super) fn wait_for_end(&mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(|_bytes| ())
    }

    /// Takes nothing more in for some seconds, or until the other side is gone.
    pub(super) fn stall(&mut self) {
        let mut one = [0];
        for _ in 0..500 {
            std::thread::sleep(Duration::from_millis(20));
            // What arrived before stays where it is; a reset is seen all the same.
            match self.stream.get_ref().peek(&mut one) {
                Ok(0) | Err(_) => return,
                Ok(_) if self.stream.get_ref().take_error().is_ok_and(|e| e.is_some()) => return,
                Ok(_) => {}
            }
        }
    }
}

/// The body of a request, read as it is wanted.
pub(super) struct Body<'a> {
    stream: &'a mut BufReader<TcpStream>,
    left: Left,
}

enum Left {
    Bytes(u64),
    /// Of the chunk that is being read.
    Chunked(u64),
    Nothing,
}

impl Body<'_> {
    /// Reads at most `most` bytes; fewer only at the end.
    pub(super) fn read(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < most {
            let wanted = most - bytes.len() as u64;
            match self.left {
                Left::Nothing | Left::Bytes(0) => break,
                Left::Bytes(left) => {
                    self.left = Left::Bytes(left - self.part(&mut bytes, left.min(wanted))?);
                }
                Left::Chunked(0) => {
                    let mut line = String::new();
                    self.stream.read_line(&mut line)?;
                    let size = u64::from_str_radix(line.trim(), 16);
                    let size =
                        size.map_err(|_none| io::Error::from(io::ErrorKind::UnexpectedEof))?;
                    self.left = Left::Chunked(size);
                    if size == 0 {
                        self.stream.read_line(&mut String::new())?;
                        self.left = Left::Nothing;
                    }
                }
                Left::Chunked(left) => {
                    let read = self.part(&mut bytes, left.min(wanted))?;
                    self.left = Left::Chunked(left - read);
                    if read == left {
                        self.stream.read_line(&mut String::new())?;
                        self.left = Left::Chunked(0);
                    }
                }
            }
        }
        Ok(bytes)
    }

    fn part(&mut self, bytes: &mut Vec<u8>, most: u64) -> io::Result<u64> {
        match self.stream.by_ref().take(most).read_to_end(bytes)? as u64 {
            read if read == most => Ok(read),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
