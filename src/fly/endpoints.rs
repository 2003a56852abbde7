//! Where the platform's APIs are, and which requests go where.

use reqwest::Url;

use crate::http::clean;

use super::Error;

/// Where the platform's APIs are. Of each address only scheme, host and port count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    machines: Url,
    web: Url,
    api: Url,
}

/// Which API a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Service {
    /// Apps, machines, volumes, addresses, tokens.
    Machines,
    /// Releases and organizations.
    Web,
    Logs,
    GraphQl,
}

impl Endpoints {
    /// The Machines API of the platform.
    pub const MACHINES: &str = "https://api.machines.dev";
    /// Releases and organizations of the platform.
    pub const WEB: &str = "https://api.fly.io";
    /// GraphQL and logs of the platform.
    pub const API: &str = "https://api.fly.io";

    /// Takes the addresses of the Machines API, of releases and organizations, and of
    /// GraphQL and logs.
    ///
    /// # Errors
    ///
    /// Fails when one is not the address of an HTTP server.
    pub fn new(machines: &str, web: &str, api: &str) -> Result<Self, Error> {
        Ok(Self { machines: base(machines)?, web: base(web)?, api: base(api)? })
    }

    /// Returns whether this is the platform itself, whose apps are on the Internet.
    pub(super) fn is_public(&self) -> bool {
        Url::parse(Self::MACHINES).is_ok_and(|public| self.machines == public)
    }

    /// Returns the address of GraphQL and logs.
    pub(super) fn api(&self) -> &Url {
        &self.api
    }

    /// Returns the URL of what `path` names within a service.
    pub(super) fn url(&self, service: Service, path: &[&str]) -> Url {
        let (base, prefix) = match service {
            Service::Machines => (&self.machines, &["v1"][..]),
            Service::Web => (&self.web, &["api", "v1"][..]),
            Service::Logs => (&self.api, &["api", "v1"][..]),
            Service::GraphQl => (&self.api, &["graphql"][..]),
        };
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(prefix).extend(path);
        }
        url
    }
}

fn base(address: &str) -> Result<Url, Error> {
    let wrong = |reason: String| Error::Address { address: clean(address), reason };
    let mut url = Url::parse(address.trim()).map_err(|e| wrong(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("it must begin with `https://` or `http://`".to_owned()));
    }
    if url.password().is_some() || !url.username().is_empty() {
        return Err(Error::Address {
            address: url.host_str().unwrap_or_default().to_owned(),
            reason: "credentials do not belong there".to_owned(),
        });
    }
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Explain as _;

    #[test]
    fn an_address_must_be_one_of_http_and_holds_no_credentials() {
        for bad in ["api.fly.io", "ftp://x", "https://me:hush@host"] {
            let error = Endpoints::new(bad, Endpoints::WEB, Endpoints::API).unwrap_err();
            assert_eq!(error.code(), "fly.address", "{bad}");
            assert!(!error.to_string().contains("hush"));
        }
    }

    #[test]
    fn each_service_has_its_base_and_a_path_of_the_base_does_not_count() {
        let endpoints =
            Endpoints::new("http://m:1/v1?x#y", "http://w:2/", "http://a:3/graphql").unwrap();
        for (service, path, url) in [
            (Service::Machines, &["apps", "a b/c"][..], "http://m:1/v1/apps/a%20b%2Fc"),
            (Service::Web, &["releases"], "http://w:2/api/v1/releases"),
            (Service::Logs, &["apps", "x", "logs"], "http://a:3/api/v1/apps/x/logs"),
            (Service::GraphQl, &[], "http://a:3/graphql"),
        ] {
            assert_eq!(endpoints.url(service, path).as_str(), url);
        }
        assert!(!endpoints.is_public());
        let fly = Endpoints::new(Endpoints::MACHINES, Endpoints::WEB, Endpoints::API).unwrap();
        assert!(fly.is_public());
    }
}
