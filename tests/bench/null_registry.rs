//! A registry that costs nothing: `null-registry PORT`. It takes blobs and throws their bytes
//! away, keeps manifests and configs (which come in one PUT), and counts. `GET /counts` says
//! how many requests and bytes there were.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

#[derive(Default)]
struct State {
    requests: u64,
    bytes: u64,
    /// Manifests and small blobs, by path.
    kept: BTreeMap<String, (String, Vec<u8>)>,
}

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let state = Arc::new(Mutex::new(State::default()));
    for connection in listener.incoming() {
        let (connection, state) = (connection?, Arc::clone(&state));
        thread::spawn(move || {
            // A connection that is closed is the usual end.
            let _end = serve(&connection, &state);
        });
    }
    Ok(())
}

fn serve(connection: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1 << 18, connection);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let headers = headers(&mut reader)?;
        let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let keeps = method == "PUT";
        let mut body = Vec::new();
        let bytes = if header("transfer-encoding") == "chunked" {
            skip_chunks(&mut reader)?
        } else {
            let length = header("content-length").parse().unwrap_or(0);
            let mut content = reader.by_ref().take(length);
            if keeps {
                content.read_to_end(&mut body)? as u64
            } else {
                io::copy(&mut content, &mut io::sink())?
            }
        };
        let kind = header("content-type").to_owned();
        let answer = answer(state, &method, &target, kind, body, bytes);
        (&*connection).write_all(&answer)?;
    }
}

fn headers(reader: &mut impl BufRead) -> io::Result<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
            None => return Ok(headers),
        };
    }
}

fn skip_chunks(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut total = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        total += io::copy(&mut reader.take(size), &mut io::sink())?;
        reader.read_line(&mut line)?;
        if size == 0 {
            return Ok(total);
        }
    }
}

fn answer(
    state: &Mutex<State>,
    method: &str,
    target: &str,
    kind: String,
    body: Vec<u8>,
    bytes: u64,
) -> Vec<u8> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let path = target.split('?').next().unwrap_or_default();
    if path == "/counts" {
        let text = format!("{} {}", state.requests, state.bytes);
        return response("200 OK", "text/plain", "", text.as_bytes());
    }
    state.requests += 1;
    state.bytes += bytes;
    let digest = target.split_once("digest=").map(|(_, digest)| digest.replace("%3A", ":"));
    let parent = path.split_once("/blobs/uploads/").map(|(repository, _)| repository);
    match (method, parent, digest) {
        ("POST", Some(_), _) => {
            response("202 Accepted", "", &format!("Location: {path}1\r\n"), b"")
        }
        ("PATCH", Some(_), _) => {
            response("202 Accepted", "", &format!("Location: {path}\r\n"), b"")
        }
        ("PUT", Some(repository), Some(digest)) => {
            state.kept.insert(format!("{repository}/blobs/{digest}"), (kind, body));
            response("201 Created", "", "", b"")
        }
        ("PUT", None, _) => {
            state.kept.insert(path.to_owned(), (kind, body));
            response("201 Created", "", "", b"")
        }
        ("GET" | "HEAD", ..) if path == "/v2/" => response("200 OK", "", "", b""),
        ("GET", ..) => match state.kept.get(path) {
            Some((kind, body)) => response("200 OK", kind, "", body),
            None => response("404 Not Found", "", "", b""),
        },
        ("HEAD", ..) if state.kept.contains_key(path) => response("200 OK", "", "", b""),
        _ => response("404 Not Found", "", "", b""),
    }
}

fn response(status: &str, kind: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
    let head = format!("HTTP/1.1 {status}\r\n{kind}{more}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
