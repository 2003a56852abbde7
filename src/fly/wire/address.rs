//! Addresses of apps.

use serde::{Deserialize, Serialize};

use super::null_as_default;

/// What kind of address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// An IPv4 address that several apps share: HTTP and TLS alone.
    #[default]
    SharedV4,
    /// An IPv4 address of the app's own. It costs money.
    V4,
    /// An IPv6 address.
    V6,
    /// An IPv6 address within the organization's network: Flycast.
    PrivateV6,
    /// An IPv4 address that the app's own requests come from.
    EgressV4,
    /// An IPv6 address that the app's own requests come from.
    EgressV6,
}

impl AddressKind {
    /// Returns it as the platform writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SharedV4 => "shared_v4",
            Self::V4 => "v4",
            Self::V6 => "v6",
            Self::PrivateV6 => "private_v6",
            Self::EgressV4 => "egress_v4",
            Self::EgressV6 => "egress_v6",
        }
    }
}

/// Asks for an address. What is not said is sent empty, as the platform's own client does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignIp {
    /// Which kind.
    #[serde(rename = "type")]
    pub kind: AddressKind,
    /// Where it leads to, or empty for everywhere.
    #[serde(default)]
    pub region: String,
    /// The organization in whose network a private address is, or empty for the app's own.
    #[serde(default)]
    pub org_slug: String,
    /// The network that a private address is in, or empty for the default one.
    #[serde(default)]
    pub network: String,
    /// The service that it is for, or empty.
    #[serde(default)]
    pub service_name: String,
}

/// An address of an app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpAddress {
    /// The address.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ip: String,
    /// Where it leads to.
    #[serde(default, deserialize_with = "null_as_default")]
    pub region: String,
    /// Whether other apps have it too.
    #[serde(default, deserialize_with = "null_as_default")]
    pub shared: bool,
    /// Whether the app's own requests come from it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub egress: bool,
    /// The service that it is for.
    #[serde(default, deserialize_with = "null_as_default")]
    pub service_name: String,
    /// When it was assigned, RFC 3339.
    #[serde(default, deserialize_with = "null_as_default")]
    pub created_at: String,
    /// The network of a private address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<IpNetwork>,
}

/// The network that a private address is in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpNetwork {
    /// Its name, or empty for the organization's default network.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The organization that it belongs to.
    #[serde(default, deserialize_with = "null_as_default")]
    pub org_slug: String,
}

/// The answer to a request for an app's addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpAddressList {
    /// The addresses.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ips: Vec<IpAddress>,
}

impl IpAddress {
    /// Returns its kind, which the platform does not tell by name. Private addresses are
    /// those of `fdaa::/16`.
    pub fn kind(&self) -> AddressKind {
        match (self.egress, self.ip.contains(':')) {
            (true, true) => AddressKind::EgressV6,
            (true, false) => AddressKind::EgressV4,
            (false, true) if self.ip.starts_with("fdaa:") => AddressKind::PrivateV6,
            (false, true) => AddressKind::V6,
            (false, false) if self.shared => AddressKind::SharedV4,
            (false, false) => AddressKind::V4,
        }
    }

    /// Returns whether the app can be reached by it from the Internet.
    pub fn is_public(&self) -> bool {
        matches!(self.kind(), AddressKind::SharedV4 | AddressKind::V4 | AddressKind::V6)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_addresss_kind_is_seen_by_what_it_is() {
        for (ip, shared, egress, kind, public) in [
            ("203.0.113.7", true, false, AddressKind::SharedV4, true),
            ("203.0.113.7", false, false, AddressKind::V4, true),
            ("2001:db8::1", false, false, AddressKind::V6, true),
            ("fdaa:0:1::3", false, false, AddressKind::PrivateV6, false),
            ("203.0.113.7", false, true, AddressKind::EgressV4, false),
            ("2001:db8::1", false, true, AddressKind::EgressV6, false),
        ] {
            let address = json!({"ip": ip, "shared": shared, "egress": egress, "network": null});
            let address: IpAddress = serde_json::from_value(address).unwrap();
            assert_eq!((address.kind(), address.is_public()), (kind, public), "{ip}");
            assert_eq!(json!(kind), kind.as_str());
        }
    }
}
