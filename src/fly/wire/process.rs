//! What runs inside a machine, as `GET …/ps` gives it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::null_as_default;

/// A process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number within the machine.
    #[serde(default)]
    pub pid: i64,
    /// Its command line.
    #[serde(default, deserialize_with = "null_as_default")]
    pub command: String,
    /// Where it listens.
    #[serde(default, deserialize_with = "null_as_default")]
    pub listen_sockets: Vec<ListenSocket>,
}

/// Where a process listens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenSocket {
    /// `tcp`, `tcp6`, `udp` or `udp6`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub proto: String,
    /// Address and port, such as `0.0.0.0:8080` or `[::]:8080`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub address: String,
}

impl ListenSocket {
    /// Returns address and port, if they can be read.
    pub fn socket(&self) -> Option<SocketAddr> {
        self.address.parse().ok()
    }

    /// Returns whether the proxy reaches `port` by TCP here: an address other than loopback.
    pub fn serves_tcp(&self, port: u16) -> bool {
        let outside =
            |socket: SocketAddr| socket.port() == port && !socket.ip().to_canonical().is_loopback();
        self.proto.starts_with("tcp") && self.socket().is_some_and(outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_listens_outside_loopback_serves() {
        for (proto, address, serves) in [
            ("tcp", "0.0.0.0:8080", true),
            ("tcp6", "[::]:8080", true),
            ("tcp", "172.19.0.2:8080", true),
            ("tcp", "127.0.0.1:8080", false),
            ("tcp6", "[::1]:8080", false),
            ("tcp6", "[::ffff:127.0.0.1]:8080", false),
            ("tcp", "0.0.0.0:80", false),
            ("udp", "0.0.0.0:8080", false),
            ("tcp", "8080", false),
        ] {
            let socket = ListenSocket { proto: proto.into(), address: address.into() };
            assert_eq!(socket.serves_tcp(8080), serves, "{proto} {address}");
        }
    }
}
